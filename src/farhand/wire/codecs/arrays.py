"""numpy arrays ↔ one Arrow column over the same memory; the dtype and shape are in the schema's metadata.

What Arrow has a type for is a column of that type; complex numbers, texts of a fixed width and records are columns of
bytes of a fixed width. A decoded array lies over the bytes that came and can't be written to.
"""

from __future__ import annotations

import math
from typing import Any

import msgspec

from farhand.wire.codecs.base import Broken, Unsendable, a_type

MOST_DIMENSIONS = 64
_TIME_UNITS = ("s", "ms", "us", "ns")
_HIGHEST_CHARACTER = 0x10FFFF


class Shape(msgspec.Struct, frozen=True, omit_defaults=True):
    """An array's metadata. `dtype` is numpy's text for it, e.g. ``<f8``, or the fields of a record. `order` is "F"
    where the column runs along the first dimension first."""

    dtype: str | list[Any]
    shape: list[int]
    order: str = "C"


def to_column(array: Any, np: Any, pa: Any) -> tuple[Any, Shape]:
    """An Arrow array over the memory of `array`, and what it is. A copy is made only of what isn't contiguous or is
    big-endian.

    Raises:
        Unsendable: it holds Python objects, or is more than an array.
    """
    if type(array) not in (np.ndarray, np.memmap):
        hint = "send its .filled() and its .mask" if isinstance(array, np.ma.MaskedArray) else "send np.asarray of it"
        raise Unsendable(array, f"{a_type(array)} is more than an array: {hint}")
    dtype = array.dtype
    if dtype.hasobject or dtype.kind not in "biufcmMSUV" or not dtype.itemsize or dtype.char in "gG":
        raise Unsendable(array, f"an array of {dtype} can't be sent: {_advice(dtype)}")
    array = np.asarray(array)
    little = dtype.newbyteorder("<")
    if little != dtype:
        array, dtype = array.astype(little), little
    shape, order = list(array.shape), "C"
    if array.flags.f_contiguous and not array.flags.c_contiguous:
        array, order = array.T, "F"
    flat = np.ascontiguousarray(array).reshape(-1)
    text: Any = msgspec.json.decode(msgspec.json.encode(dtype.descr)) if dtype.names else dtype.str
    if dtype.names and np.dtype([_field(one) for one in text]) != dtype:
        raise Unsendable(array, "a record with gaps between its fields can't be sent: send its repack_fields")
    kind = _storage(dtype, pa)
    data = pa.py_buffer(flat.view(np.uint8)) if flat.size else pa.py_buffer(b"")
    return pa.Array.from_buffers(kind, flat.size, [None, data]), Shape(text, shape, order)


def from_column(column: Any, shape: Shape, np: Any, pa: Any) -> Any:
    """The array over the memory of a column; read-only.

    Raises:
        Broken: the column isn't what the metadata says.
    """
    dtype = _dtype(shape.dtype, np)
    count = math.prod(shape.shape)
    if len(shape.shape) > MOST_DIMENSIONS or min(shape.shape, default=0) < 0 or count != len(column):
        raise Broken("an array's shape doesn't fit its values")
    if column.type != _storage(dtype, pa) or column.null_count:
        raise Broken(f"an array of {dtype} is sent as {column.type}")
    data = column.buffers()[1]
    start, size = column.offset * dtype.itemsize, count * dtype.itemsize
    raw = memoryview(b"" if data is None else data)[start : start + size]
    if len(raw) != size:
        raise Broken("an array's values are cut off")
    flat = np.frombuffer(raw.toreadonly(), dtype, count) if count else np.empty(0, dtype)
    _check_values(flat, dtype, np)
    flat.flags.writeable = False
    return flat.reshape(shape.shape[::-1]).T if shape.order == "F" else flat.reshape(shape.shape)


def _storage(dtype: Any, pa: Any) -> Any:
    """The Arrow type of a column of this dtype."""
    kind, size = dtype.kind, dtype.itemsize
    if kind in "iuf":
        return pa.from_numpy_dtype(dtype)
    if kind == "b":
        return pa.uint8()
    if kind in "mM":
        unit = dtype.str.partition("[")[2].rstrip("]")
        if unit not in _TIME_UNITS:
            return pa.int64()
        return pa.timestamp(unit) if kind == "M" else pa.duration(unit)
    return pa.binary(size)


def _advice(dtype: Any) -> str:
    if dtype.kind in "OT":
        return "give it a dtype that isn't object, as .astype(float), or send its .tolist()"
    if dtype.char in "gG":
        return "its width differs between machines: send .astype('f8') or .astype('c16')"
    return "send its .tolist()"


def _dtype(text: Any, np: Any) -> Any:
    """The dtype that metadata names; never one that holds Python objects."""
    try:
        dtype = np.dtype([_field(one) for one in text] if isinstance(text, list) else text)
    except (TypeError, ValueError, SyntaxError, RecursionError, OverflowError, MemoryError) as error:
        raise Broken("an array has an unknown dtype") from error
    if dtype.hasobject or dtype.kind not in "biufcmMSUV" or not dtype.itemsize or dtype.subdtype or dtype.char in "gG":
        raise Broken(f"an array has the dtype {dtype}, which isn't sent")
    return dtype


def _field(one: Any) -> tuple[Any, ...]:
    """A record's field as JSON keeps it → as numpy takes it."""
    if not isinstance(one, list) or not 2 <= len(one) <= 3 or not isinstance(one[0], str):
        raise ValueError("no field")
    of = [_field(inner) for inner in one[1]] if isinstance(one[1], list) else one[1]
    return (one[0], of, *(tuple(sizes) if isinstance(sizes, list) else sizes for sizes in one[2:]))


def _check_values(flat: Any, dtype: Any, np: Any) -> None:
    """Bytes that numpy would take for values that don't exist."""
    if dtype.names:
        for name in dtype.names:
            inner = flat[name]
            _check_values(inner, inner.dtype, np)
    elif dtype.kind == "b" and flat.size and np.ascontiguousarray(flat).view(np.uint8).max() > 1:
        raise Broken("an array of bool holds what is neither 0 nor 1")
    elif dtype.kind == "U" and flat.size and np.ascontiguousarray(flat).view(np.uint32).max() > _HIGHEST_CHARACTER:
        raise Broken("an array of text holds what is no character")
