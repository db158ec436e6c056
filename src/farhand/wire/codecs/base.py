"""What the codecs have in common: an encoded value, the limits of decoding, and the errors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module
from typing import Any, Protocol

import msgspec

from farhand.errors import InvalidArguments
from farhand.model.payload import Payload

Buffer = bytes | bytearray | memoryview
"""Anything that gives its bytes without a copy; pyarrow's buffers too."""

LEAST_DECODED = 64 * 1024 * 1024
MOST_GROWTH = 16
"""What a payload may take once it is decoded: so many times its size, but in any case `LEAST_DECODED`."""

NAME_BYTES = 2
LONGEST_NAME = 1024


class OnDisk(msgspec.Struct, frozen=True):
    """Bytes of a file, `size` of them from `start` on, in the place of a buffer. `owner` is whatever keeps the file."""

    path: str
    start: int
    size: int
    owner: Any = None

    def pieces(self, size: int = 1024 * 1024) -> Iterator[bytes]:
        """All of them, at most `size` at once.

        Raises:
            OSError: they can't be read, or aren't there.
        """
        left = self.size
        with open(self.path, "rb") as file:
            file.seek(self.start)
            while left:
                data = file.read(min(size, left))
                if not data:
                    raise OSError(f"{self.path} has become shorter")
                left -= len(data)
                yield data

    def read(self) -> bytes:
        """All of them in one piece.

        Raises:
            OSError: as `pieces`.
        """
        return b"".join(self.pieces())


class Encoded(msgspec.Struct, frozen=True):
    """A value as buffers (or `OnDisk`) that are joined by whoever needs them in one piece. `size` is theirs together,
    in bytes."""

    media: int
    buffers: tuple[Any, ...]
    size: int

    @property
    def in_memory(self) -> int:
        """Its bytes that aren't on the disk."""
        return self.size - sum(one.size for one in self.buffers if type(one) is OnDisk)

    def pieces(self) -> Iterator[bytes | memoryview]:
        """Its bytes in their order, those on the disk in pieces of 1 MiB.

        Raises:
            OSError: they can't be read.
        """
        for one in self.buffers:
            if type(one) is OnDisk:
                yield from one.pieces()
            else:
                yield memoryview(one).cast("B")

    def payload(self) -> Payload:
        """In one piece."""
        first = self.buffers[0] if len(self.buffers) == 1 else None
        if type(first) is bytes:
            return Payload(first, self.media)
        return Payload(b"".join(one.read() if type(one) is OnDisk else one for one in self.buffers), self.media)


class Arrived(Payload, frozen=True):
    """A payload that came over a stream of its own. `place` says where on the disk its bytes are, where they are there;
    `data` then lies over them. `parts` has what refs inside of it stood for, by their index in the bundle."""

    place: OnDisk | None = None
    parts: Mapping[int, Payload] = {}


def encoded(media: int, buffers: Sequence[Any]) -> Encoded:
    """Buffers with their size."""
    return Encoded(media, tuple(buffers), sum(size_of(one) for one in buffers))


def size_of(buffer: Any) -> int:
    """Bytes of a buffer, or of what stands for one."""
    return buffer.size if type(buffer) is OnDisk else memoryview(buffer).nbytes


class Limits:
    """What one payload may become. `decoded` is how many bytes it may still take; codecs `spend` what they make."""

    __slots__ = ("decoded",)

    def __init__(self, size: int) -> None:
        self.decoded = max(LEAST_DECODED, MOST_GROWTH * size)

    def spend(self, size: int) -> None:
        """Count what is about to be made.

        Raises:
            Broken: it is more than is left.
        """
        self.decoded -= size
        if self.decoded < 0:
            raise Broken("a payload would take far more memory than its size allows")


class Codec(Protocol):
    """What a plugin gives by an entry point of the group ``farhand.codecs``: an object, or a class that makes one.

    `name` is how errors and `codecs=` call it; `media` is a media type without parameters that is nobody else's.
    """

    name: str
    media: str

    def encode(self, value: Any) -> Sequence[Any] | None:
        """The value as buffers, each of bytes; None where it isn't of this codec's kind."""

    def decode(self, buffers: Sequence[Buffer], media: str, limits: Limits) -> Any:
        """The value that `buffers`, laid end to end, stand for. They come from strangers; any exception refuses them.
        `limits.spend(size)` before memory is taken bounds what they can cause."""


class Unsendable(Exception):
    """A value has no form: `value` is which one, `why` is said to the user."""

    def __init__(self, value: Any, why: str) -> None:
        super().__init__(why)
        self.value = value
        self.why = why


class Broken(InvalidArguments):
    """The bytes are not what their media type says; whatever reads them finds the same."""


class Missing(InvalidArguments):
    """They can't be read here: something isn't installed, known or allowed."""


def needed(module: str, what: str) -> Any:
    """A library that a payload needs.

    Raises:
        Missing: it isn't installed.
    """
    try:
        return import_module(module)
    except ImportError as error:
        package = module.partition(".")[0]
        extra = "farhand[arrow]" if package == "pyarrow" else package
        raise Missing(f"{what} needs {package}, which isn't installed here: pip install {extra!r}") from error


def with_name(name: str, buffers: Sequence[Any]) -> tuple[Any, ...]:
    """Buffers behind a name that says what they are."""
    text = name.encode()
    return (len(text).to_bytes(NAME_BYTES, "big") + text, *buffers)


def take_name(data: memoryview) -> tuple[str, memoryview]:
    """The name, and what is behind it.

    Raises:
        Broken: there is no name.
    """
    size = int.from_bytes(data[:NAME_BYTES], "big")
    end = NAME_BYTES + size
    if not 0 < size <= LONGEST_NAME or len(data) < end:
        raise Broken("a payload doesn't begin with the name of its type")
    try:
        return str(data[NAME_BYTES:end], "utf-8"), data[end:]
    except UnicodeDecodeError:
        raise Broken("a payload's type has a name that isn't UTF-8") from None


def cut(buffers: Sequence[Any], start: int, end: int) -> memoryview:
    """The bytes from `start` to `end` of buffers laid end to end: a view where one buffer has them, else a copy."""
    found: list[memoryview] = []
    for one in buffers:
        view = memoryview(one).cast("B")
        if start < len(view) and end > 0:
            found.append(view[max(0, start) : end])
        start, end = start - len(view), end - len(view)
    if len(found) == 1:
        return found[0]
    return memoryview(b"".join(found))


def library(kind: type) -> str:
    """Whose a type is, e.g. ``pandas``."""
    return str(kind.__module__).partition(".")[0]  # a generated class may have None


def type_name(kind: type) -> str:
    """A type as its users write it, e.g. ``pandas.DataFrame``."""
    module, name = kind.__module__, kind.__qualname__
    if name in ("lock", "RLock") and module == "_thread":
        return f"threading.{name[0].upper()}{name[1:]}"
    return name if module in ("builtins", "__main__") else f"{library(kind)}.{name}"


def a_type(value: Any) -> str:
    """``a threading.Lock``."""
    name = type_name(type(value))
    return f"{'an' if name[0] in 'aeiouAEIOU' else 'a'} {name}"
