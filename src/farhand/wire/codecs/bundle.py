"""MessagePack with payloads in it that lie outside, so that large buffers are neither copied into it nor out of it."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from farhand.model.payload import Media, Payload
from farhand.wire.codecs.base import Broken, Encoded, cut, encoded

PART = 1
"""The ext type in whose place a part stands."""
VERSION = 1
ALIGNMENT = 64
_HEAD = struct.Struct("<II")
_ENTRY = struct.Struct("<QII")
_INDEX = struct.Struct("<I")
_BUNDLE, _MSGPACK, _REF, _NAMED = int(Media.BUNDLE), int(Media.MSGPACK), int(Media.REF), int(Media.NAMED)

Open = Callable[[int, memoryview, int], Any]
"""Media and bytes of a part, and where in the bundle they begin → its value."""

Part = tuple[int, memoryview, int]


def place(index: int) -> msgspec.msgpack.Ext:
    """What stands in the MessagePack for part `index`, counted from 1."""
    return msgspec.msgpack.Ext(PART, _INDEX.pack(index))


def bundled(body: bytes, parts: Sequence[Encoded]) -> Encoded:
    """MessagePack and the parts that `place` stands for in it."""
    whole = (encoded(_MSGPACK, (body,)), *parts)
    head = b"".join((_HEAD.pack(VERSION, len(whole)), *(_ENTRY.pack(one.size, one.media, 0) for one in whole)))
    buffers: list[Any] = [head]
    size = len(head)
    for one in whole:
        gap = -size % ALIGNMENT
        if gap:
            buffers.append(bytes(gap))
        buffers += one.buffers
        size += gap + one.size
    return Encoded(_BUNDLE, tuple(buffers), size)


def holds_files(begin: memoryview, least: int) -> bool:
    """Whether the bundle that begins so has a file in it of `least` bytes or more, as far as that is seen there."""
    if len(begin) < _HEAD.size:
        return False
    version, count = _HEAD.unpack_from(begin)
    if version != VERSION:
        return False
    end = min(_HEAD.size + count * _ENTRY.size, len(begin))
    entries = begin[_HEAD.size : end - (end - _HEAD.size) % _ENTRY.size]
    return any(media == _NAMED and size >= least for size, media, _ in _ENTRY.iter_unpack(entries))


class Bundle:
    """A bundle that is read: its MessagePack is `body`, and `ext` is for whoever decodes that."""

    def __init__(self, buffers: Sequence[Any], size: int, open_part: Open) -> None:
        """`size` is that of all buffers.

        Raises:
            Broken: it is none.
        """
        self._open = open_part
        parts = _parts(buffers, size)
        _, self.body, _ = parts.pop(0)
        self._parts = dict(enumerate(parts, 1))
        self._fetched: dict[int, Any] = {}

    @property
    def refs(self) -> list[tuple[int, Payload]]:
        """The parts that are refs, with their index: they have to be fetched and put in (`put`) before this is read."""
        return [(n, Payload(bytes(data), media)) for n, (media, data, _) in self._parts.items() if media == _REF]

    def put(self, index: int, value: Any) -> None:
        """This is what the part of a ref stands for."""
        self._fetched[index] = value

    def ext(self, code: int, data: memoryview) -> Any:
        """The value at an ext. Each part stands in one place, so that a bundle can't grow as it is read.

        Raises:
            Broken: there is no such part, or not any more.
        """
        if code != PART or len(data) != _INDEX.size:
            raise Broken(f"MessagePack holds an ext of the unknown type {code}")
        index = _INDEX.unpack(data)[0]
        part = self._parts.pop(index, None)
        if part is None:
            raise Broken("a bundle names a part that isn't there")
        return self._fetched.pop(index) if index in self._fetched else self._open(*part)


def _parts(buffers: Sequence[Any], size: int) -> list[Part]:
    if size < _HEAD.size:
        raise Broken("a bundle is cut off")
    version, count = _HEAD.unpack(cut(buffers, 0, _HEAD.size))
    if version != VERSION:
        raise Broken(f"a bundle has the unknown version {version}")
    at = _HEAD.size + count * _ENTRY.size
    if not 0 < count <= size // _ENTRY.size or at > size:
        raise Broken("a bundle is cut off")
    found: list[Part] = []
    for length, media, _ in _ENTRY.iter_unpack(cut(buffers, _HEAD.size, at)):
        at += -at % ALIGNMENT
        if length > size - at:
            raise Broken("a bundle is cut off")
        if media == _BUNDLE:
            raise Broken("a bundle holds another")
        found.append((media, cut(buffers, at, at + length), at))
        at += length
    if at != size or found[0][0] != _MSGPACK:
        raise Broken("a bundle doesn't end where it says")
    return found
