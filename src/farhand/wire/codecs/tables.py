"""Tables and series of pandas, polars and pyarrow ↔ Arrow tables, over the same memory where Arrow allows it."""

from __future__ import annotations

import sys
from typing import Any

import msgspec

from farhand.wire.codecs.base import Broken, Missing, Unsendable, a_type, library, needed

ONE = "value"
"""The column of what is but one column."""


class Kind(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a table stands for: its class, e.g. ``pandas.DataFrame``; of a series also its name."""

    kind: str
    name: str | int | None = None


def to_table(value: Any, pa: Any) -> tuple[Any, Kind] | None:
    """A table or batch and what it stands for; None where `value` is no such thing.

    Raises:
        Unsendable: it holds what has no place in a table, or is more than a table.
    """
    module = library(type(value))
    try:
        if module == "pyarrow":
            return _of_pyarrow(value, pa)
        if (pandas := sys.modules.get("pandas")) and isinstance(value, pandas.DataFrame | pandas.Series):
            return _of_pandas(value, pandas, pa)
        if module == "polars":
            return _of_polars(value, sys.modules["polars"], pa)
    except (pa.ArrowException, TypeError, ValueError, KeyError, AttributeError) as error:
        raise Unsendable(value, f"{a_type(value)} doesn't go into Arrow: {error}") from error
    except BaseException as error:
        if _is_panic(error):
            raise Unsendable(value, f"{a_type(value)} doesn't go into Arrow: {error}") from None
        raise
    return None


def _of_pyarrow(value: Any, pa: Any) -> tuple[Any, Kind] | None:
    if isinstance(value, pa.Table | pa.RecordBatch):
        return value, Kind("pyarrow.RecordBatch" if isinstance(value, pa.RecordBatch) else "pyarrow.Table")
    if isinstance(value, pa.ChunkedArray):
        return pa.table({ONE: value}), Kind("pyarrow.ChunkedArray")
    if isinstance(value, pa.Array):
        return pa.record_batch([value], [ONE]), Kind("pyarrow.Array")
    return None


def _of_pandas(value: Any, pandas: Any, pa: Any) -> tuple[Any, Kind]:
    if type(value) is pandas.DataFrame:
        # Rows without columns are an index alone, which a table only has as a column.
        preserve = None if value.shape[1] else True
        return pa.Table.from_pandas(value, preserve_index=preserve), Kind("pandas.DataFrame")
    if type(value) is not pandas.Series:
        raise Unsendable(value, f"{a_type(value)} is more than a table: send pandas.DataFrame(it)")
    name = value.name
    if name is not None and type(name) not in (str, int):
        raise Unsendable(value, f"a pandas.Series with the name {name!r} can't be sent: name it by a text or a number")
    return pa.Table.from_pandas(value.to_frame(ONE)), Kind("pandas.Series", name)


def _of_polars(value: Any, polars: Any, pa: Any) -> tuple[Any, Kind] | None:
    columns = value.get_columns() if type(value) is polars.DataFrame else [value]
    for column in columns:
        if isinstance(column, polars.Series) and "Object" in str(column.dtype):  # polars would give their addresses
            raise Unsendable(value, f"the column {column.name!r} holds Python objects: give it a dtype of its own")
    if type(value) is polars.DataFrame:
        return value.to_arrow(), Kind("polars.DataFrame")
    if type(value) is polars.Series:
        return value.to_frame(ONE).to_arrow(), Kind("polars.Series", value.name)
    if isinstance(value, polars.LazyFrame):
        raise Unsendable(value, "a polars.LazyFrame holds no data yet: send its .collect()")
    return None


def from_table(table: Any, kind: Kind, pa: Any) -> Any:
    """What a table stands for; of pandas and polars over the same memory where they can, and then read-only.

    Raises:
        Missing: the library isn't installed here.
        Broken: the table isn't what the metadata says.
    """
    make = _MAKE.get(kind.kind)
    if make is None:
        raise Missing(f"a table stands for {kind.kind}, which isn't known here: this side is older than its peer")
    library = kind.kind.partition(".")[0]
    module = pa if library == "pyarrow" else needed(library, f"a {kind.kind}")
    try:
        return make(table, kind, module)
    except (Broken, Missing):
        raise
    except Exception as error:
        raise Broken(f"a table is no {kind.kind}: {error}") from error
    except BaseException as error:
        if _is_panic(error):
            raise Broken(f"a table is no {kind.kind}: {error}") from None
        raise


def _one(table: Any) -> Any:
    if table.num_columns != 1:
        raise Broken("what is one column came as several")
    return table.column(0)


def _batch(table: Any, kind: Kind, pa: Any) -> Any:
    batches = table.to_batches()
    if len(batches) > 1:
        raise Broken("a RecordBatch came as several")
    return batches[0] if batches else pa.RecordBatch.from_pylist([], schema=table.schema)


def _array(table: Any, kind: Kind, pa: Any) -> Any:
    column = _one(table)
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


def _pandas_frame(table: Any, kind: Kind, pandas: Any) -> Any:
    return table.to_pandas(split_blocks=True)


def _pandas_series(table: Any, kind: Kind, pandas: Any) -> Any:
    frame = _pandas_frame(table, kind, pandas)
    if frame.shape[1] != 1:
        raise Broken("a Series came as several columns")
    return frame.iloc[:, 0].rename(kind.name)


def _polars_frame(table: Any, kind: Kind, polars: Any) -> Any:
    return polars.DataFrame(polars.from_arrow(table))


def _polars_series(table: Any, kind: Kind, polars: Any) -> Any:
    _one(table)
    return _polars_frame(table, kind, polars).to_series(0).rename("" if kind.name is None else str(kind.name))


_MAKE = {
    "pyarrow.Table": lambda table, kind, pa: table,
    "pyarrow.RecordBatch": _batch,
    "pyarrow.ChunkedArray": lambda table, kind, pa: _one(table),
    "pyarrow.Array": _array,
    "pandas.DataFrame": _pandas_frame,
    "pandas.Series": _pandas_series,
    "polars.DataFrame": _polars_frame,
    "polars.Series": _polars_series,
}
KINDS = tuple(_MAKE)


def _is_panic(error: BaseException) -> bool:
    """What polars raises where it gives up; it is no `Exception`."""
    return type(error).__name__ == "PanicException"
