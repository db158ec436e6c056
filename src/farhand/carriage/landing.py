"""Where a payload goes that is being fetched: into memory, or into a temporary file where it holds large files."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import mmap
import os
import tempfile
import weakref
from typing import Any

from farhand.carriage.memory import room
from farhand.errors import FarhandError, OutOfSpace, TooLarge
from farhand.model.payload import Media, Payload
from farhand.model.ref import Ref
from farhand.wire.codecs.base import Arrived, OnDisk
from farhand.wire.codecs.bundle import holds_files
from farhand.wire.farhand.transfer import Incoming, stands_for

SPILL = 1024 * 1024
"""Bytes from which on a file is put on the disk, not into memory."""

_NAMED, _BUNDLE = int(Media.NAMED), int(Media.BUNDLE)


class Temporary:
    """A file that is there as long as this is."""

    def __init__(self, path: str = "") -> None:
        """A new one, or that of this path."""
        fd, self.path = (-1, path) if path else tempfile.mkstemp(prefix="farhand-")
        self.file = os.fdopen(fd, "r+b", buffering=0) if fd >= 0 else None
        self._end = weakref.finalize(self, _remove, self.path)

    def write(self, data: memoryview) -> None:
        """Add bytes.

        Raises:
            OSError: they can't be written.
        """
        assert self.file is not None, "only a new one is written"
        while data:
            data = data[self.file.write(data) :]

    def close(self) -> None:
        """No more is written."""
        if self.file is not None:
            self.file.close()

    def map(self) -> Any:
        """Its bytes, which lie on the disk; no more are written."""
        self.close()
        return mapped(self.path)

    def remove(self) -> None:
        """Now."""
        self.close()
        self._end()


def mapped(path: str) -> Any:
    """The bytes of a file that isn't empty, which lie on the disk."""
    with open(path, "rb") as file:
        return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))


class Landing:
    """One payload. Its verbs belong to one task."""

    def __init__(self, ref: Ref) -> None:
        self.media = stands_for(ref)
        self.incoming = Incoming(ref.size)
        self.unwanted = False
        """Nobody waits for it any more."""
        self._size = ref.size
        self._whole: bytes = b""
        self._room: memoryview | None = None
        self._pieces: list[memoryview] = []
        self._disk: Temporary | None = None

    @property
    def offset(self) -> int:
        """How many bytes are here."""
        return self.incoming.offset

    async def write(self, data: memoryview) -> None:
        """Take what comes next.

        Raises:
            OutOfSpace: the disk is full.
            TooLarge: the memory is.
        """
        at = self.incoming.offset - len(data)
        try:
            if at == 0:
                self._choose(data)
            if self._disk is not None:
                await asyncio.to_thread(self._disk.write, data)
            elif self._room is not None:
                self._room[at : at + len(data)] = data
            else:
                self._pieces.append(data)
        except MemoryError:
            raise TooLarge(f"a payload of {self._size:,} bytes doesn't fit into memory", size=self._size) from None
        except OSError as error:
            raise _full(error) from error

    def result(self) -> Payload:
        """What has come, whole."""
        if self._disk is not None:
            place = OnDisk(self._disk.path, 0, self.offset, self._disk)
            return Arrived(self._disk.map(), self.media, place)
        return Payload(b"".join(self._pieces) if self._room is None else self._whole, self.media)

    def discard(self) -> None:
        """Nobody wants it any more."""
        self._whole, self._room, self._pieces = b"", None, []
        if self._disk is not None:
            self._disk.remove()
            self._disk = None

    def _choose(self, first: memoryview) -> None:
        if self._size > SPILL and (self.media == _NAMED or (self.media == _BUNDLE and holds_files(first, SPILL))):
            self._disk = Temporary()
        elif len(first) < self._size:
            self._whole, self._room = room(self._size)


def _full(error: OSError) -> FarhandError:
    where = tempfile.gettempdir()
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return OutOfSpace(
            f"there is no room in {where} for a large payload: make some, or set TMPDIR to another folder"
        )
    return OutOfSpace(f"a large payload can't be written to {where}: {error.strerror or error}")


def _remove(path: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
