"""Large payloads over HTTP: as they come, whole or a range, with an ETag, at the pace of whoever reads.

What a ref names never changes, so its id is its ETag.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping
from typing import Any
from urllib.parse import quote

from litestar import Request, Response
from litestar.response import Stream

from farhand.errors import DataDamaged
from farhand.hub.transfers import Transfers
from farhand.model.payload import Media, media_of
from farhand.model.ref import Ref
from farhand.wire.http import values
from farhand.wire.plain import named_file

_RANGE = re.compile(r"bytes=(\d{0,19})-(\d{0,19})")
_NAMED = int(Media.NAMED)
_HEAD = 2048
"""Bytes within which a file's name is, before its data."""


async def answer(
    request: Request[Any, Any, Any], transfers: Transfers, ref: Ref, headers: Mapping[str, str]
) -> Response[Any]:
    """The bytes of a ref, or the range of them that is asked for; `headers` go with it.

    Raises:
        FarhandError: they are not to be had, as the class says.
    """
    start, size, more = 0, ref.size, {}
    media = media_of(ref.format)
    mime = values.mime_of(media)
    if media == _NAMED:
        name, start = named_file(await _begin(transfers, ref))
        size -= start
        if name:
            more["content-disposition"] = _attached(name)
    etag = f'"{ref.id}"'
    found = {"etag": etag, "accept-ranges": "bytes", "x-content-type-options": "nosniff", **headers, **more}
    if etag in request.headers.get("if-none-match", ""):
        return Response(b"", status_code=304, headers=found)
    first, stop, status = 0, size, 200
    wanted = request.headers.get("range", "")
    if _RANGE.fullmatch(wanted) and request.headers.get("if-range", etag) == etag:
        part = range_of(wanted, size)
        if part is None:
            return Response(b"", status_code=416, headers={**found, "content-range": f"bytes */{size}"})
        first, stop = part
        status = 206
        found["content-range"] = f"bytes {first}-{stop - 1}/{size}"
    found["content-length"] = str(stop - first)
    return Stream(
        _sent(transfers, ref, start + first, stop - first), status_code=status, headers=found, media_type=mime
    )


def _attached(name: str) -> str:
    """A file's name, for browsers in full, and for older readers, as curl -OJ, without what is no ASCII."""
    plain = "".join(one if one.isascii() and one not in '"\\%' else "_" for one in name)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"


def range_of(wanted: str, size: int) -> tuple[int, int] | None:
    """The first and the behind-last byte of a range that is asked for; None where it has none."""
    found = _RANGE.fullmatch(wanted)
    if found is None or not (found[1] or found[2]):
        return None
    if not found[1]:
        start, stop = max(0, size - int(found[2])), size
    else:
        start, stop = int(found[1]), min(size, int(found[2]) + 1 if found[2] else size)
    return (start, stop) if start < stop else None


async def _begin(transfers: Transfers, ref: Ref) -> bytes:
    begin = bytearray()
    async for piece in transfers.read(ref):
        begin += piece
        if len(begin) >= _HEAD:
            break
    return bytes(begin[:_HEAD])


async def _sent(transfers: Transfers, ref: Ref, start: int, left: int) -> AsyncIterator[bytes]:
    """So many bytes from `start` on. The last piece waits until all before is known to be right, so that what was
    altered is cut off and never looks whole."""
    last: bytes | None = None
    async for piece in transfers.read(ref, start):
        if last is not None:
            yield last
        last = bytes(piece[:left])
        left -= len(last)
        if not left and start:
            break
    if left:
        raise DataDamaged(f"{ref.id} ended {left:,} bytes too early")
    if last is not None:
        yield last
