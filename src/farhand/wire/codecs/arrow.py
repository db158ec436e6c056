"""Arrays and tables ↔ Arrow's stream format, whose large buffers are those of the value itself."""

from __future__ import annotations

import sys
from typing import Any

import msgspec

from farhand.model.payload import Media
from farhand.wire.codecs import arrays, tables
from farhand.wire.codecs.base import Broken, Encoded, Limits, Unsendable, a_type, encoded, library, needed
from farhand.wire.codecs.framing import check_stream
from farhand.wire.codecs.sizes import logical_size, viewed_size

KEY = b"farhand"
"""Where the schema's metadata says what is sent."""
_ARRAY = "numpy.ndarray"
_ARROW = int(Media.ARROW)
TABLES = frozenset(tables.KINDS)
"""What a table may stand for."""


class Meta(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a stream stands for; of an array also its dtype and shape, of a series its name."""

    kind: str = "pyarrow.Table"
    name: str | int | None = None
    array: arrays.Shape | None = None


def encode(value: Any) -> Encoded | None:
    """An array or a table; None where `value` is neither.

    Raises:
        Unsendable: it is one that has no form.
    """
    roots = {library(kind) for kind in type(value).__mro__}
    np = sys.modules.get("numpy")
    if np is not None and isinstance(value, np.ndarray):
        pa = _pyarrow(value)
        column, shape = arrays.to_column(value, np, pa)
        return _stream(pa.record_batch([column], [tables.ONE]), Meta(_ARRAY, array=shape), pa)
    if roots & {"pandas", "polars", "pyarrow"}:
        pa = _pyarrow(value)
        found = tables.to_table(value, pa)
        if found is not None:
            return _stream(found[0], Meta(found[1].kind, found[1].name), pa)
    return None


def decode(data: memoryview, limits: Limits, kind: str = "") -> Any:
    """The array or table of a stream; as `kind`, e.g. ``polars.DataFrame``, where it is a table.

    Raises:
        Broken: it is none.
        Missing: a library isn't installed.
    """
    check_stream(data, limits)
    pa = needed("pyarrow", "an array or a table")
    try:
        with pa.ipc.open_stream(pa.py_buffer(data)) as reader:
            table = reader.read_all()
        table.validate()
        for column in table.columns:
            limits.spend(viewed_size(column, pa))
        table.validate(full=True)
        _check_texts(table.schema)
    except (pa.ArrowException, OSError, ValueError, TypeError, KeyError, OverflowError, MemoryError) as error:
        raise Broken(f"a payload is no valid Arrow stream: {error}") from error
    meta, table = _meta(table)
    if meta.kind == _ARRAY:
        return _array(table, meta, pa)
    wanted = kind or meta.kind
    if not wanted.startswith("pyarrow."):
        for column in table.columns:
            limits.spend(logical_size(column, _with_compute(pa)))
    return tables.from_table(table, tables.Kind(wanted, meta.name), pa)


def _array(table: Any, meta: Meta, pa: Any) -> Any:
    if meta.array is None or table.num_columns != 1:
        raise Broken("an array came without its shape")
    column = table.column(0)
    chunk = column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()
    return arrays.from_column(chunk, meta.array, needed("numpy", "an array"), pa)


def _meta(table: Any) -> tuple[Meta, Any]:
    """What a table stands for, and the table without that note."""
    notes = dict(table.schema.metadata or {})
    text = notes.pop(KEY, b"{}")
    try:
        return msgspec.json.decode(text, type=Meta), table.replace_schema_metadata(notes or None)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise Broken(f"a table says of itself what can't be read: {error}") from error


def _check_texts(fields: Any) -> None:
    """See that names and notes are UTF-8, which Arrow doesn't and libraries rely on.

    Raises:
        UnicodeDecodeError: one isn't.
    """
    for one in (fields, *(fields.field(n) for n in range(_count(fields)))):
        for text in (part for pair in (getattr(one, "metadata", None) or {}).items() for part in pair):
            str(text, "utf-8")
        if one is not fields:
            str(one.name)
            _check_texts(one.type)


def _count(fields: Any) -> int:
    """How many fields a schema or a type has."""
    found: int = len(fields.names) if hasattr(fields, "names") else fields.num_fields
    return found


def _stream(data: Any, meta: Meta, pa: Any) -> Encoded:
    """The buffers of a batch or table with its note; the large ones are views of its memory."""
    notes = dict(data.schema.metadata or {}) | {KEY: msgspec.json.encode(meta)}
    data = data.replace_schema_metadata(notes)
    sink = _Sink()
    options = pa.ipc.IpcWriteOptions(allow_64bit=True)
    with pa.PythonFile(sink, "w") as file, pa.ipc.new_stream(file, data.schema, options=options) as writer:
        writer.write(data)
    return encoded(_ARROW, sink.merged())


class _Sink:
    """A file that keeps what is written, without copying it."""

    closed = False

    def __init__(self) -> None:
        self._written: list[Any] = []
        self._size = 0

    def write(self, data: Any) -> int:
        size = len(data)
        self._written.append(data)
        self._size += size
        return size

    def tell(self) -> int:
        return self._size

    def flush(self) -> None:
        """Nothing waits."""

    def close(self) -> None:
        """Nothing is open."""

    def merged(self) -> list[Any]:
        """What was written, with runs of small pieces joined."""
        found: list[Any] = []
        small: list[bytes] = []
        for one in self._written:
            if type(one) is bytes:
                small.append(one)
                continue
            if small:
                found.append(b"".join(small))
                small = []
            found.append(memoryview(one))
        return [*found, b"".join(small)]


def _pyarrow(value: Any) -> Any:
    try:
        import pyarrow
    except ImportError:
        raise Unsendable(
            value, f"{a_type(value)} needs pyarrow, which isn't installed here: pip install 'farhand[arrow]'"
        ) from None
    return pyarrow


def _with_compute(pa: Any) -> Any:
    import pyarrow.compute  # noqa: F401  # it isn't loaded with pyarrow

    return pa
