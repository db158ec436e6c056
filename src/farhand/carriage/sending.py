"""A payload's bytes, part by part, from memory or from the disk."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any

import xxhash

from farhand.carriage.keeper import Held
from farhand.errors import DataDamaged
from farhand.model.limits import PART
from farhand.wire.codecs.base import OnDisk
from farhand.wire.farhand.transfer import data_part, end_part

Write = Callable[[bytes], Awaitable[None]]


async def send(held: Held, offset: int, write: Write) -> None:
    """Write the parts of what is held from `offset` on, and its end.

    Raises:
        DataDamaged: a file is not there any more as it was.
    """
    known = held.digest
    hasher = None if known is not None else xxhash.xxh3_128()
    at = offset if hasher is None else 0
    held.sending += 1
    try:
        async for data in pieces(held.encoded.buffers, at):
            if hasher is not None:
                hasher.update(data)
            if at + len(data) > offset:
                data = data[max(0, offset - at) :]
                at = max(at, offset)
                await write(data_part(at, data))
            at += len(data)
        if at != max(held.encoded.size, offset):
            raise DataDamaged(f"a file has become shorter while it was sent: {at:,} bytes of {held.encoded.size:,}")
        if hasher is not None:
            held.digest = known = hasher.digest()
        assert known is not None
        await write(end_part(held.encoded.size, known))
    finally:
        held.sending -= 1


async def pieces(buffers: Sequence[Any], start: int = 0) -> AsyncIterator[memoryview]:
    """The bytes of buffers laid end to end, from `start` on, in pieces of at most `PART`.

    Raises:
        DataDamaged: a file is not there any more as it was.
    """
    for one in buffers:
        if type(one) is OnDisk:
            if start < one.size:
                async for data in _on_disk(one, start):
                    yield data
            start = max(0, start - one.size)
            continue
        view = memoryview(one).cast("B")
        for at in range(start, len(view), PART):
            yield view[at : at + PART]
        start = max(0, start - len(view))


async def _on_disk(span: OnDisk, start: int) -> AsyncIterator[memoryview]:
    fd = -1
    try:
        fd = await asyncio.to_thread(os.open, span.path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
        at = start
        while at < span.size:
            data = await asyncio.to_thread(os.pread, fd, min(PART, span.size - at), span.start + at)
            if not data:
                raise DataDamaged(f"{span.path} has become shorter while it was sent")
            at += len(data)
            yield memoryview(data)
    except OSError as error:
        raise DataDamaged(f"{span.path} can't be read any more: {error.strerror or error}") from error
    finally:
        if fd >= 0:
            os.close(fd)
