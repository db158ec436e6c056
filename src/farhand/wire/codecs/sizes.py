"""What an Arrow column takes once it is converted: columns whose rows may share values can grow without bounds."""

from __future__ import annotations

import struct
from typing import Any

from farhand.wire.codecs.base import Broken

POINTER = 8
_VIEW = struct.Struct("<i12x")


def logical_size(column: Any, pa: Any) -> int:
    """An upper bound in bytes, Python's own overhead for each value aside.

    Raises:
        Broken: it is of a type that isn't converted.
    """
    return sum(_size(chunk, pa, False) for chunk in column.chunks)


def viewed_size(column: Any, pa: Any) -> int:
    """What the views in a column show together, in bytes: each may show the same, and a check looks at each.

    Raises:
        Broken: they don't fit the column.
    """
    return sum(_views(chunk, pa) for chunk in column.chunks)


def _views(array: Any, pa: Any) -> int:
    kind, types = array.type, pa.types
    if isinstance(array, pa.ExtensionArray):
        return _views(array.storage, pa)
    if types.is_string_view(kind) or types.is_binary_view(kind):
        return _viewed(array)
    if types.is_dictionary(kind):
        return _views(array.dictionary, pa)
    if types.is_run_end_encoded(kind):
        return _views(array.values, pa)
    if types.is_map(kind):
        return _views(array.keys, pa) + _views(array.items, pa)
    if types.is_struct(kind) or types.is_union(kind):
        return sum(_views(array.field(n), pa) for n in range(kind.num_fields))
    return _views(array.values, pa) if types.is_nested(kind) else 0


def _viewed(array: Any) -> int:
    raw = memoryview(array.buffers()[1] or b"")
    start, size = array.offset * _VIEW.size, len(array) * _VIEW.size
    if start + size > len(raw):
        raise Broken("a column's views are cut off")
    return sum(max(0, length) for (length,) in _VIEW.iter_unpack(raw[start : start + size]))


def _size(array: Any, pa: Any, inside: bool) -> int:
    """`inside` another type a dictionary's values are written out for each row."""
    kind, types = array.type, pa.types
    if isinstance(array, pa.ExtensionArray):
        return _size(array.storage, pa, inside)
    if types.is_dictionary(kind):
        values = array.dictionary
        if inside:
            return len(array) * _largest(values, pa)
        return len(array) * POINTER + _size(values, pa, True)
    if types.is_string_view(kind) or types.is_binary_view(kind):
        return len(array) * POINTER + _viewed(array)
    if types.is_list(kind) or types.is_large_list(kind) or types.is_map(kind):
        values = (
            pa.StructArray.from_arrays([array.keys, array.items], ["k", "v"]) if types.is_map(kind) else array.values
        )
        return len(array) * POINTER + _size(values, pa, True)
    if types.is_fixed_size_list(kind):
        return len(array) * POINTER + _size(array.values, pa, True)
    if types.is_struct(kind):
        return len(array) + sum(_size(array.field(n), pa, True) for n in range(kind.num_fields))
    if types.is_nested(kind) or types.is_run_end_encoded(kind):
        raise Broken(f"a table has a column of {kind}, which isn't converted")
    return len(array) * POINTER + int(array.nbytes)


def _largest(values: Any, pa: Any) -> int:
    """Bytes of the largest of a dictionary's values."""
    kind, types = values.type, pa.types
    if types.is_string(kind) or types.is_large_string(kind) or types.is_binary(kind) or types.is_large_binary(kind):
        return POINTER + int(pa.compute.max(pa.compute.binary_length(values)).as_py() or 0)
    return POINTER + _size(values, pa, True)
