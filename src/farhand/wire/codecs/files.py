"""Files as values: their bytes with their name and media type."""

from __future__ import annotations

import mimetypes
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from farhand.errors import InvalidArguments
from farhand.model.limits import NAME_LIMIT
from farhand.model.payload import Media
from farhand.wire.codecs.base import Broken, Encoded, Unsendable, encoded, with_name

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
        if _MARK in self.media or not self.media.isprintable() or not self.media.isascii():
            raise InvalidArguments(f"{self.media!r} is no media type of a file")

    @classmethod
    def of(cls, data: bytes | bytearray | memoryview, name: str, media: str = "") -> File:
        """A file of these bytes, which is on no disk: its `path` is None."""
        found = cls(name, media=media)
        found.path, found._data = None, memoryview(data).cast("B")
        return found

    @property
    def size(self) -> int:
        """Bytes.

        Raises:
            OSError: there is no such file.
        """
        return len(self._data) if self._data is not None else os.stat(self.path or "").st_size

    def buffers(self, size: int = BUFFER) -> Iterator[memoryview]:
        """Its bytes in their order, at most `size` at once.

        Raises:
            OSError: it can't be read.
        """
        if self._data is not None:
            for at in range(0, len(self._data), size):
                yield self._data[at : at + size]
            return
        with open(self.path or "", "rb") as file:
            while data := file.read(size):
                yield memoryview(data)

    def read(self) -> bytes:
        """All its bytes.

        Raises:
            OSError: it can't be read.
        """
        return b"".join(self.buffers())

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write its bytes to `path`, into it under `name` where that is a folder; where they are.

        Raises:
            OSError: it can't be written.
        """
        target = Path(path)
        target = target / self.name if target.is_dir() else target
        with open(target, "wb") as file:
            for one in self.buffers():
                file.write(one)
        return target

    def __repr__(self) -> str:
        return f"File({str(self.path or self.name)!r}, media={self.media!r})"


def encode(value: Any, limit: int) -> Encoded | None:
    """A file; None where `value` is none. One that is larger than `limit` is not read.

    Raises:
        Unsendable: it can't be read.
    """
    if not isinstance(value, File):
        return None
    try:
        size = value.size
        if size > limit:
            return Encoded(Media.NAMED, (), size)  # whoever checks the size refuses it
        buffers = list(value.buffers())
    except OSError as error:
        raise Unsendable(value, f"the file {value.path} can't be read: {error.strerror or error}") from error
    return encoded(Media.NAMED, with_name(f"{value.media}{_MARK}{quote(value.name, safe='')}", buffers))


def decode(name: str, data: memoryview) -> File | None:
    """The file of a payload that is named so; None where it is no file's name.

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
        return File.of(data, own, media)
    except InvalidArguments as error:
        raise Broken(str(error)) from None
