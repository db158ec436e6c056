"""Files as values: their bytes with their name and media type."""

from __future__ import annotations

import io
import mimetypes
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import quote, unquote

from farhand.errors import InvalidArguments
from farhand.model.limits import NAME_LIMIT
from farhand.model.payload import Media
from farhand.wire.codecs.base import Broken, Encoded, OnDisk, Unsendable, encoded, with_name

BUFFER = 256 * 1024
"""Bytes that `buffers` gives at once."""
UNKNOWN = "application/octet-stream"
_MARK = ";name="


class File:
    """A file as an argument, a chunk or a result; the other end gets a `File` over the bytes.

    `File(path)` stands for a file on the disk, which is opened only when it is sent or read. `name` is the last part of
    its path, `media` its media type, by default what its name suggests.
    """

    def __init__(self, path: str | os.PathLike[str], *, name: str = "", media: str = "") -> None:
        self.path: Path | None = Path(path)
        self.name = name or self.path.name
        self.media = media or mimetypes.guess_type(self.name)[0] or UNKNOWN
        self._data: memoryview | None = None
        self._span: OnDisk | None = None
        if _MARK in self.media or not self.media.isprintable() or not self.media.isascii():
            raise InvalidArguments(f"{self.media!r} is no media type of a file")

    @classmethod
    def of(cls, data: bytes | bytearray | memoryview, name: str, media: str = "") -> File:
        """A file of these bytes, which is on no disk: its `path` is None."""
        found = cls(name, media=media)
        found.path, found._data = None, memoryview(data).cast("B")
        return found

    @classmethod
    def within(cls, span: OnDisk, name: str, media: str = "") -> File:
        """A file whose bytes are a part of one on the disk, which is there as long as this is; its `path` is None
        unless they are all of it."""
        found = cls(name, media=media)
        found.path, found._span = (Path(span.path) if span.start == 0 else None), span
        return found

    @property
    def size(self) -> int:
        """Bytes.

        Raises:
            OSError: there is no such file.
        """
        if self._data is not None:
            return len(self._data)
        return self._span.size if self._span is not None else os.stat(self.path or "").st_size

    @property
    def span(self) -> OnDisk | None:
        """Where its bytes are on the disk; None where they are in memory.

        Raises:
            OSError: there is no such file.
        """
        return None if self._data is not None else self._span or OnDisk(str(self.path), 0, self.size)

    def buffers(self, size: int = BUFFER) -> Iterator[memoryview]:
        """Its bytes in their order, at most `size` at once.

        Raises:
            OSError: it can't be read.
        """
        if self._data is not None:
            for at in range(0, len(self._data), size):
                yield self._data[at : at + size]
            return
        span = self.span
        assert span is not None, "what isn't in memory is on the disk"
        for one in span.pieces(size):
            yield memoryview(one)

    def open(self) -> BinaryIO:
        """Its bytes as an open file to read and seek in, wherever they are: what pyarrow, Pillow, `zipfile` and
        `io.TextIOWrapper` take.

        Raises:
            OSError: it can't be read.
        """
        if self._data is not None:
            return io.BytesIO(self._data)
        if self.path is not None:
            return open(self.path, "rb")
        assert self._span is not None, "what isn't in memory is on the disk"
        return io.BufferedReader(_Part(self._span), BUFFER)

    def read(self) -> bytes:
        """All its bytes.

        Raises:
            OSError: it can't be read.
        """
        return b"".join(self.buffers())

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write its bytes to `path`, into it under `name` where that is a folder; where they are. What is there is
        replaced once all are written: whatever happens meanwhile leaves no part of them.

        Raises:
            OSError: it can't be written.
        """
        target = Path(path)
        target = target / self.name if target.is_dir() else target
        if target.exists() and not target.is_file():  # a pipe, or /dev/stdout
            with open(target, "wb") as file:
                file.writelines(self.buffers())
            return target
        whole = target.resolve()
        part = whole.with_name(f".{whole.name[:100]}.{secrets.token_hex(4)}.part")
        try:
            with open(part, "xb") as file:
                file.writelines(self.buffers())
            part.replace(whole)
        except BaseException:
            part.unlink(missing_ok=True)
            raise
        return target

    def __repr__(self) -> str:
        return f"File({str(self.path or self.name)!r}, media={self.media!r})"


class _Part(io.RawIOBase):
    """A part of a file on the disk as a file of its own."""

    def __init__(self, span: OnDisk) -> None:
        self._span = span  # keeps the file on the disk
        self._file = open(span.path, "rb", buffering=0)  # noqa: SIM115  # `close` closes it
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._span.size}[whence]
        if base + offset < 0:
            raise ValueError(f"there is nothing before the file's beginning: {base + offset}")
        self._at = base + offset
        return self._at

    def readinto(self, buffer: Any, /) -> int:
        room = memoryview(buffer).cast("B")[: max(0, self._span.size - self._at)]
        self._file.seek(self._span.start + self._at)
        count = self._file.readinto(room) or 0
        self._at += count
        return count

    def close(self) -> None:
        self._file.close()
        super().close()


def encode(value: Any) -> Encoded | None:
    """A file; None where `value` is none. A large one on the disk is read when it is sent, and must be there as it is
    until then.

    Raises:
        Unsendable: it can't be read.
    """
    if not isinstance(value, File):
        return None
    buffers: list[Any]
    try:
        span = value.span
        if span is None or span.size <= BUFFER:
            buffers = list(value.buffers())
        else:
            with open(span.path, "rb"):
                buffers = [span]
    except OSError as error:
        raise Unsendable(value, f"the file {value.path} can't be read: {error.strerror or error}") from error
    return encoded(Media.NAMED, with_name(f"{value.media}{_MARK}{quote(value.name, safe='')}", buffers))


def decode(name: str, data: memoryview | OnDisk) -> File | None:
    """The file of a payload that is named so, of bytes in memory or on the disk; None where it is no file's name.

    Raises:
        Broken: the file's name isn't one that a file may have.
    """
    media, mark, quoted = name.partition(_MARK)
    if not mark:
        return None
    own = unquote(quoted)
    if own in ("", ".", "..") or len(own) > NAME_LIMIT or not own.isprintable() or "/" in own or "\\" in own:
        raise Broken(f"a file has the impossible name {own[:80]!r}")
    try:
        return File.within(data, own, media) if isinstance(data, OnDisk) else File.of(data, own, media)
    except InvalidArguments as error:
        raise Broken(str(error)) from None
