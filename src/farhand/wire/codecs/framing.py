"""Arrow's stream format, looked over before Arrow reads it: every claimed size lies within what came, and what its
decompression would take within the limits. Only frames, lengths and offsets; Arrow validates the rest.

A stream is a row of messages: 0xFFFFFFFF, an int32 size, so many bytes of a FlatBuffer `Message`, then its body.
"""

from __future__ import annotations

import struct
from typing import Any

from farhand.model.limits import MESSAGES_LIMIT
from farhand.wire.codecs.base import Broken, Limits

_MARK = 0xFFFFFFFF
_SCHEMA, _DICTIONARY, _BATCH = 1, 2, 3
_U16, _I32, _U32, _I64 = struct.Struct("<H"), struct.Struct("<i"), struct.Struct("<I"), struct.Struct("<q")
_PAIR = struct.Struct("<qq")
_FRAME = struct.Struct("<II")
_LONGEST_LENGTH = 2**48


def check_stream(data: memoryview, limits: Limits) -> None:
    """See that a stream keeps within itself and within `limits`.

    Raises:
        Broken: it doesn't.
    """
    at, messages = 0, 0
    try:
        while at < len(data):
            mark, size = _FRAME.unpack_from(data, at)
            if mark != _MARK:
                raise Broken("an Arrow stream has a message without its mark")
            at += _FRAME.size
            if size == 0:
                break
            messages += 1
            if size > len(data) - at or messages > MESSAGES_LIMIT:
                raise Broken("an Arrow stream is cut off, or has too many messages")
            at += size
            at += _check_message(data[at - size : at], data[at:], limits)
    except (struct.error, IndexError, ValueError):
        raise Broken("an Arrow stream has a message that is cut off") from None
    if not messages:
        raise Broken("an Arrow stream has no schema")


def _check_message(meta: memoryview, rest: memoryview, limits: Limits) -> int:
    """The size of its body."""
    message = _table(meta, 0)
    kind_at, header_at, size_at = _field(meta, message, 1), _field(meta, message, 2), _field(meta, message, 3)
    kind = meta[kind_at] if kind_at else 0
    size: int = _I64.unpack_from(meta, size_at)[0] if size_at else 0
    if not 0 <= size <= len(rest):
        raise Broken("an Arrow message claims a body that isn't there")
    if not header_at or kind not in (_SCHEMA, _DICTIONARY, _BATCH):
        raise Broken("an Arrow stream has a message of an unknown kind")
    header = _table(meta, header_at)
    if kind == _DICTIONARY:
        data_at = _field(meta, header, 1)
        if not data_at:
            raise Broken("an Arrow dictionary has no values")
        header = _table(meta, data_at)
    if kind != _SCHEMA:
        _check_batch(meta, header, rest[:size], limits)
    return size


def _check_batch(meta: memoryview, batch: int, body: memoryview, limits: Limits) -> None:
    length_at = _field(meta, batch, 0)
    limits.spend(_length(_I64.unpack_from(meta, length_at)[0] if length_at else 0))
    for length, nulls in _PAIR.iter_unpack(_vector(meta, _field(meta, batch, 1))):
        # A length without bytes behind it, as that of a column of nulls, takes memory once it is converted.
        limits.spend(_length(length))
        if not 0 <= nulls <= length:
            raise Broken("an Arrow column has more nulls than rows")
    compressed = _field(meta, batch, 3)
    for offset, size in _PAIR.iter_unpack(_vector(meta, _field(meta, batch, 2))):
        if offset < 0 or size < 0 or offset + size > len(body):
            raise Broken("an Arrow buffer lies outside of its message")
        if compressed and size:
            limits.spend(_length(max(_I64.unpack_from(body, offset)[0], 0)))


def _length(value: Any) -> int:
    if not 0 <= value <= _LONGEST_LENGTH:
        raise Broken(f"an Arrow column has the impossible length {value}")
    return int(value)


def _table(meta: memoryview, at: int) -> int:
    """Where the table is that the offset at `at` leads to."""
    found: int = at + _U32.unpack_from(meta, at)[0]
    return found


def _field(meta: memoryview, table: int, number: int) -> int:
    """Where a field of a table is; 0 where it is left out."""
    layout = table - _I32.unpack_from(meta, table)[0]
    if layout < 0:
        raise Broken("an Arrow message leads out of itself")
    size = _U16.unpack_from(meta, layout)[0]
    at = 4 + 2 * number
    offset = _U16.unpack_from(meta, layout + at)[0] if at + 2 <= size else 0
    return table + offset if offset else 0


def _vector(meta: memoryview, at: int) -> memoryview:
    """The bytes of a vector of pairs of int64."""
    if not at:
        return meta[:0]
    start = _table(meta, at)
    count = _U32.unpack_from(meta, start)[0]
    end = start + 4 + count * _PAIR.size
    if end > len(meta):
        raise Broken("an Arrow message is cut off")
    return meta[start + 4 : end]
