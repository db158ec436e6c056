"""MessagePack with payloads in it that lie outside, so that large buffers are neither copied into it nor out of it."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from farhand.model.payload import Media
from farhand.wire.codecs.base import Broken, Encoded, cut, encoded

PART = 1
"""The ext type in whose place a part stands."""
VERSION = 1
ALIGNMENT = 64
_HEAD = struct.Struct("<II")
_ENTRY = struct.Struct("<QII")
_INDEX = struct.Struct("<I")
_BUNDLE, _MSGPACK = int(Media.BUNDLE), int(Media.MSGPACK)

Open = Callable[[int, memoryview], Any]
"""Media and bytes of a part → its value."""


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


class Bundle:
    """A bundle that is read: its MessagePack is `body`, and `ext` is for whoever decodes that."""

    def __init__(self, buffers: Sequence[Any], size: int, open_part: Open) -> None:
        """`size` is that of all buffers.

        Raises:
            Broken: it is none.
        """
        self._open = open_part
        parts = _parts(buffers, size)
        _, self.body = parts.pop(0)
        self._parts = dict(enumerate(parts, 1))

    def ext(self, code: int, data: memoryview) -> Any:
        """The value at an ext. Each part stands in one place, so that a bundle can't grow as it is read.

        Raises:
            Broken: there is no such part, or not any more.
        """
        if code != PART or len(data) != _INDEX.size:
            raise Broken(f"MessagePack holds an ext of the unknown type {code}")
        part = self._parts.pop(_INDEX.unpack(data)[0], None)
        if part is None:
            raise Broken("a bundle names a part that isn't there")
        return self._open(*part)


def _parts(buffers: Sequence[Any], size: int) -> list[tuple[int, memoryview]]:
    if size < _HEAD.size:
        raise Broken("a bundle is cut off")
    version, count = _HEAD.unpack(cut(buffers, 0, _HEAD.size))
    if version != VERSION:
        raise Broken(f"a bundle has the unknown version {version}")
    at = _HEAD.size + count * _ENTRY.size
    if not 0 < count <= size // _ENTRY.size or at > size:
        raise Broken("a bundle is cut off")
    found: list[tuple[int, memoryview]] = []
    for length, media, _ in _ENTRY.iter_unpack(cut(buffers, _HEAD.size, at)):
        at += -at % ALIGNMENT
        if length > size - at:
            raise Broken("a bundle is cut off")
        if media == _BUNDLE:
            raise Broken("a bundle holds another")
        found.append((media, cut(buffers, at, at + length)))
        at += length
    if at != size or found[0][0] != _MSGPACK:
        raise Broken("a bundle doesn't end where it says")
    return found
