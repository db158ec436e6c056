"""Arrays, tables, messages and numbers of numpy as plain Python data: what a caller who speaks JSON gets."""

from __future__ import annotations

import base64
import math
import sys
from typing import Any

from farhand.errors import TooLarge
from farhand.model.limits import PAYLOAD_LIMIT
from farhand.wire.codecs import protobuf
from farhand.wire.codecs.base import Unsendable, a_type, library
from farhand.wire.codecs.files import File

MOST_CELLS = PAYLOAD_LIMIT // 2
"""A number and its comma take two bytes, so an array of more has no place in a payload."""


def scalar(value: Any) -> Any:
    """The Python number, text or time that a scalar of numpy or pandas stands for; `value` itself where it is none.

    Raises:
        Unsendable: Python has none for it.
    """
    np, pandas = sys.modules.get("numpy"), sys.modules.get("pandas")
    if np is not None and isinstance(value, np.generic):
        if isinstance(value, np.datetime64 | np.timedelta64):
            return _time(value, np)
        found = value.item()
        if type(found) not in (bool, int, float, str, bytes):
            raise Unsendable(value, f"{a_type(value)} can't be sent; in an array it can")
        return found
    if pandas is not None:
        if value is pandas.NaT or value is pandas.NA:
            return None
        if isinstance(value, pandas.Timestamp):
            return value.to_pydatetime(warn=False)
        if isinstance(value, pandas.Timedelta):
            return value.to_pytimedelta()
    return value


def plain(value: Any) -> Any:
    """Lists of an array or series, records of a table, the JSON form of a message, base64 of a file; `value` itself
    where it is none of these.

    Raises:
        Unsendable: JSON has no form for it.
    """
    np, module = sys.modules.get("numpy"), library(type(value))
    if protobuf.is_message_class(type(value)):
        return protobuf.plain(value)
    if isinstance(value, File):
        return {"name": value.name, "media": value.media, "data": base64.b64encode(value.read()).decode()}
    if np is not None and isinstance(value, np.ndarray):
        return _lists(value, np)
    if module in ("pandas", "polars", "pyarrow"):
        return _records(value)
    return scalar(value)


def _lists(array: Any, np: Any) -> Any:
    _check_cells(array, array.size)
    if array.dtype.kind in "mM":
        text = np.datetime_as_string(array) if array.dtype.kind == "M" else array.astype("timedelta64[us]")
        empty = np.isnat(array)
        return np.where(empty, None, text.astype(object)).tolist()
    if array.dtype.kind == "c":
        raise Unsendable(array, f"an array of {array.dtype} has no form in JSON: answer its .real and .imag")
    if array.dtype.names:
        return [dict(zip(array.dtype.names, one, strict=True)) for one in array.reshape(-1).tolist()]
    return array.tolist()


def _records(value: Any) -> Any:
    """Lists of what is one column, records of a table; an index that is more than 0, 1, 2 … is a column too."""
    pandas = sys.modules.get("pandas")
    if pandas is not None and isinstance(value, pandas.DataFrame | pandas.Series):
        _check_cells(value, value.size)
        if isinstance(value, pandas.Series):
            return value.tolist()
        default = isinstance(value.index, pandas.RangeIndex) and value.index.name is None
        found: Any = (value if default else value.reset_index()).to_dict("records")
        return [{str(key): one for key, one in row.items()} for row in found]
    for name in ("to_dicts", "to_pylist", "to_list"):
        method = getattr(value, name, None)
        if callable(method):
            _check_cells(value, math.prod(getattr(value, "shape", None) or (len(value),)))
            return method()
    return scalar(value)


def _check_cells(value: Any, cells: int) -> None:
    if cells > MOST_CELLS:
        raise TooLarge(
            f"{a_type(value)} of {cells:,} values doesn't go into 1 MiB of JSON: answer less, or ask from Python",
            limit=PAYLOAD_LIMIT,
        )


def _time(value: Any, np: Any) -> Any:
    if np.isnat(value):
        return None
    if isinstance(value, np.datetime64):
        return str(np.datetime_as_string(value))
    return value.astype("timedelta64[us]").item()
