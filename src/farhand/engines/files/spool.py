"""Results in memory while they are small, else in files of a folder that nobody else writes to."""

from __future__ import annotations

import contextlib
import hashlib
import secrets
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import msgspec

from farhand.errors import ResultGone, TooLarge
from farhand.model.spooled import Content, Spooled

PIECE = 256 * 1024


class SpoolLimits(msgspec.Struct, frozen=True, kw_only=True):
    """What is kept: results of up to `memory` bytes in memory, larger ones in files that take `disk` bytes together;
    at most `count` results, each for `age` seconds. The oldest goes first."""

    memory: int = 64 * 1024
    disk: int = 20 * 1024**3
    count: int = 1_000
    age: float = 24 * 3600.0


DEFAULTS = SpoolLimits()


class FileSpool:
    """`ports.spool.Spool` over `folder`, which must exist.

    A process beside the one that serves the results writes with ``memory=0``: its files are found by name.
    """

    def __init__(self, folder: Path, limits: SpoolLimits = DEFAULTS) -> None:
        self._folder = folder
        self._limits = limits
        self._lock = threading.RLock()
        self._held: dict[str, bytes] = {}
        self._kept: dict[str, tuple[int, float]] = {}
        self._pending: dict[str, int] = {}

    def begin(self, owner: str) -> FileWriter:
        """`Spool.begin`."""
        return FileWriter(self, f"{owner}.{secrets.token_hex(6)}", self._limits.memory)

    def has(self, spooled: Spooled) -> bool:
        """`Spool.has`."""
        return spooled.name in self._held or self._path(spooled.name).is_file()

    def read(self, spooled: Spooled, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        """`Spool.read`."""
        end = spooled.size if stop is None else min(stop, spooled.size)
        held = self._held.get(spooled.name)
        if held is not None:
            return iter([held[start:end]] if start < end else [])
        try:
            file = self._path(spooled.name).open("rb")
        except OSError:
            raise ResultGone(f"the result {spooled.name} is not kept any more: run its task again") from None
        return _Pieces(file, start, end)

    def path(self, spooled: Spooled) -> Path:
        """`Spool.path`."""
        path, held = self._path(spooled.name), self._held.get(spooled.name)
        if held is not None and not path.exists():
            path.write_bytes(held)
        return path

    def release(self, owner: str, keep: Spooled | None = None) -> None:
        """`Spool.release`."""
        with self._lock:
            name = keep.name if keep is not None else ""
            for one in [one for one in self._pending if one.startswith(f"{owner}.")]:
                del self._pending[one]
            for one in [one for one in self._held if one != name and one.startswith(f"{owner}.")]:
                del self._held[one]
            for path in self._folder.glob(f"{owner}.*"):
                if path.name != name:
                    path.unlink(missing_ok=True)
            if keep is not None:
                self._kept[keep.name] = (0 if keep.name in self._held else keep.size, time.monotonic())
            self.tidy()

    def tidy(self) -> None:
        """Drop what is too old or too much."""
        with self._lock:
            old = time.monotonic() - self._limits.age
            for name, (_, at) in list(self._kept.items()):
                if at >= old and len(self._kept) <= self._limits.count and self._used() <= self._limits.disk:
                    return
                self._drop(name)

    @property
    def kept(self) -> int:
        """How many results there are."""
        return len(self._kept)

    # -- for its writers ---------------------------------------------------------------------------------------------

    def open(self, name: str) -> BinaryIO:
        """A new file."""
        return self._path(name).open("xb", buffering=PIECE)

    def take(self, name: str, size: int) -> None:
        """So many more bytes go to this file.

        Raises:
            TooLarge: there is no room for them, even without what may be dropped.
        """
        with self._lock:
            self._pending[name] = self._pending.get(name, 0) + size
            self.tidy()
            if self._used() > self._limits.disk:
                raise TooLarge(
                    f"results and inputs take more than {self._limits.disk:,} bytes on disk together, which is what "
                    "this service may use: let it use more, or send less at a time",
                    limit=self._limits.disk,
                )

    def hold(self, name: str, data: bytes) -> None:
        """Keep something small."""
        self._held[name] = data

    def unlink(self, name: str) -> None:
        """Remove a file."""
        with self._lock:
            self._pending.pop(name, None)
        self._path(name).unlink(missing_ok=True)

    def _used(self) -> int:
        return sum(self._pending.values()) + sum(size for size, _ in self._kept.values())

    def _drop(self, name: str) -> None:
        self._kept.pop(name)
        self._held.pop(name, None)
        self.unlink(name)

    def _path(self, name: str) -> Path:
        if "/" in name or name.startswith("."):
            raise ResultGone(f"{name[:80]!r} names no result")
        return self._folder / name


class FileWriter:
    """`ports.spool.Writer`: a buffer, which becomes a file once it is too large."""

    def __init__(self, spool: FileSpool, name: str, memory: int) -> None:
        self.size = 0
        self._spool = spool
        self._name = name
        self._memory = memory
        self._buffer = bytearray()
        self._file: BinaryIO | None = None
        self._hash = hashlib.sha256()
        self._taken = 0
        self._over = False

    def write(self, data: bytes) -> None:
        """`Writer.write`."""
        self.size += len(data)
        self._hash.update(data)
        if self._file is None and self.size <= self._memory:
            self._buffer += data
            return
        if self.size > self._taken:  # asked for in pieces: a stream may consist of very small ones
            more = max(self.size - self._taken, PIECE)
            self._taken += more
            self._spool.take(self._name, more)
        try:
            if self._file is None:
                self._file = self._spool.open(self._name)
                self._file.write(self._buffer)
                self._buffer.clear()
            self._file.write(data)
        except OSError as error:
            raise self._full(error) from None

    def finish(self, content: Content, type: str = "") -> Spooled:
        """`Writer.finish`."""
        try:
            if self._file is not None:
                self._file.close()
            elif self._memory:
                self._spool.hold(self._name, bytes(self._buffer))
            else:
                self._spool.open(self._name).close()
        except OSError as error:
            raise self._full(error) from None
        self._over = True
        return Spooled(name=self._name, size=self.size, sha256=self._hash.hexdigest(), content=content, type=type)

    def discard(self) -> None:
        """`Writer.discard`."""
        if self._over:
            return
        self._over = True
        if self._file is not None:
            with contextlib.suppress(OSError):  # what is left in its buffer may not fit the disk any more
                self._file.close()
        self._spool.unlink(self._name)

    @staticmethod
    def _full(error: OSError) -> TooLarge:
        return TooLarge(f"the result can't be written: {error.strerror}; make room in the service's temporary folder")


class _Pieces:
    """The bytes of an open file from `start` to `end`. It is closed behind them, or when nobody wants them any more,
    also if nobody ever took the first."""

    def __init__(self, file: BinaryIO, start: int, end: int) -> None:
        self._file = file
        self._at = start
        self._end = end
        file.seek(start)

    def __iter__(self) -> _Pieces:
        return self

    def __next__(self) -> bytes:
        if self._at >= self._end:
            self._file.close()
            raise StopIteration
        data = self._file.read(min(PIECE, self._end - self._at))
        if not data:
            self._file.close()
            raise ResultGone("a result has become shorter than it was: run its task again")
        self._at += len(data)
        return data

    def __del__(self) -> None:
        self._file.close()
