"""Values → the types that somebody asked for: a handler's hints, or a caller's `returns`.

msgspec converts what it knows; here is the rest: pydantic models, arrays, tables, protobuf messages, files. Types are
told by their names, so that no library is loaded for it: whoever has such a type has loaded it.
"""

from __future__ import annotations

import base64
import sys
import typing
from typing import Any, cast

import msgspec

from farhand.errors import InvalidArguments
from farhand.model.payload import Media
from farhand.wire.codecs import protobuf
from farhand.wire.codecs.base import type_name
from farhand.wire.codecs.files import File

_TABLES = {
    "pandas.DataFrame": "records",
    "polars.DataFrame": "records",
    "pyarrow.Table": "records",
    "pyarrow.RecordBatch": "records",
    "pandas.Series": "values",
    "polars.Series": "values",
    "pyarrow.Array": "values",
    "pyarrow.ChunkedArray": "values",
}
_ARRAY = "numpy.ndarray"


def fit(value: Any, returns: Any) -> Any:
    """`value` as the type `returns`.

    Raises:
        InvalidArguments: it doesn't fit; `details["problems"]` has the path inside of it.
    """
    try:
        if is_pydantic(returns):
            return returns.model_validate(value)
        return msgspec.convert(value, returns, strict=False, dec_hook=foreign)
    except msgspec.ValidationError as error:
        text, _, where = str(error).partition(" - at `")
        problems = [{"path": where.rstrip("`") or "$", "message": text}]
    except TypeError as error:
        raise InvalidArguments(f"a result can't be made a {_text(returns)}: {error}") from error
    except ValueError as error:
        if not is_pydantic(returns):
            raise
        problems = [
            {"path": "".join(["$", *map(_step, one["loc"])]), "message": one["msg"]}
            for one in cast("Any", error).errors()
        ]
    text = "; ".join(f"{one['path']}: {one['message']}" for one in problems)
    raise InvalidArguments(f"the result doesn't fit {_text(returns)}: {text}", problems=problems)


def foreign(hint: Any, value: Any) -> Any:
    """A value of a type that msgspec doesn't know; msgspec's `dec_hook`.

    Raises:
        ValueError: it doesn't fit.
    """
    kind = typing.get_origin(hint) or hint
    if is_pydantic(kind):
        try:
            return kind.model_validate(value)
        except ValueError as error:
            raise ValueError(_pydantic_text(error)) from None
    name = type_name(kind) if isinstance(kind, type) else str(kind)
    try:
        if name == _ARRAY:
            return _array(value, hint)
        if isinstance(value, kind):
            return value
        if name in _TABLES:
            return _table(value, kind, name)
    except (ValueError, TypeError) as error:
        raise ValueError(f"Expected `{name}`: {error}") from None
    if protobuf.is_message_class(kind):
        return protobuf.from_plain(value, kind)
    if kind is File:
        return _file(value)
    if type(value).__module__ != "builtins":
        raise ValueError(f"Expected `{name}`, got `{type_name(type(value))}`")
    raise ValueError(f"type {name} can't be read from a wire")


def schema(kind: Any) -> dict[str, Any] | None:
    """JSON Schema of a type that msgspec doesn't know and that isn't pydantic's; None where it isn't one of ours."""
    name = type_name(kind) if isinstance(kind, type) else ""
    arrow = Media.ARROW.mime
    if name == _ARRAY:
        return {"type": "array", "description": f"{name}: nested lists, or {arrow}"}
    if name in _TABLES:
        items = {"type": "object"} if _TABLES[name] == "records" else {}
        return {"type": "array", "items": items, "description": f"{name}: a list of {_TABLES[name]}, or {arrow}"}
    if protobuf.is_message_class(kind):
        full = kind.DESCRIPTOR.full_name
        return {"type": "object", "title": kind.__name__, "description": f"{full}: its JSON, or {_mime(full)}"}
    if kind is File:
        text = {"type": "string"}
        return {
            "type": "object",
            "title": "File",
            "description": "a file's name and bytes",
            "properties": {"name": text, "media": text, "data": {"type": "string", "contentEncoding": "base64"}},
            "required": ["name", "data"],
        }
    return None


def is_pydantic(hint: Any) -> bool:
    """Whether it is a class of pydantic models."""
    pydantic = sys.modules.get("pydantic")
    return pydantic is not None and isinstance(hint, type) and issubclass(hint, pydantic.BaseModel)


def _mime(message: str) -> str:
    return f"{Media.PROTOBUF.mime};type={message}"


def _array(value: Any, hint: Any) -> Any:
    """An array of the dtype that the hint wants, if it wants one and the values can be had as that unchanged."""
    np = sys.modules["numpy"]
    wanted = _wanted_dtype(hint)
    if not isinstance(value, np.ndarray):
        if not isinstance(value, list | int | float) or isinstance(value, bool):
            raise ValueError(f"got `{type_name(type(value))}`")
        exact = np.dtype(wanted) if wanted is not None and not _is_abstract(wanted, np) else None
        value = np.asarray(value, exact)
        if value.dtype.kind not in "biufU":
            raise ValueError("the lists hold no numbers")
    if wanted is None or issubclass(value.dtype.type, wanted):
        return value
    if not _is_abstract(wanted, np) and np.can_cast(value.dtype, wanted, "safe"):
        return value.astype(wanted)
    raise ValueError(f"it is of {value.dtype}, not of {wanted.__name__}")


def _wanted_dtype(hint: Any) -> Any:
    """The scalar type in ``NDArray[float64]``; None where any will do."""
    of = typing.get_args(hint)
    kinds = typing.get_args(of[1]) if len(of) == 2 else ()
    return kinds[0] if kinds and isinstance(kinds[0], type) and kinds[0] is not Any else None


def _is_abstract(kind: Any, np: Any) -> bool:
    return kind in (np.generic, np.number, np.integer, np.signedinteger, np.unsignedinteger, np.inexact) or kind in (
        np.floating,
        np.complexfloating,
        np.flexible,
        np.character,
    )


def _table(value: Any, kind: Any, name: str) -> Any:
    """A table from another library's, from records, columns or values."""
    from farhand.wire.codecs import tables
    from farhand.wire.codecs.base import Unsendable, needed

    if isinstance(value, list | dict):
        if name == "pyarrow.ChunkedArray":
            return needed("pyarrow", f"a {name}").chunked_array([value])
        if name in ("pyarrow.Table", "pyarrow.RecordBatch"):
            return kind.from_pylist(value) if isinstance(value, list) else kind.from_pydict(value)
        try:
            return needed("pyarrow", f"a {name}").array(value) if name == "pyarrow.Array" else kind(value)
        except Exception as error:  # each library has errors of its own
            raise ValueError(str(error)) from None
    if value is None or isinstance(value, str | bytes | int | float):
        raise ValueError(f"got `{type_name(type(value))}`")
    try:
        pa = needed("pyarrow", f"a {name}")
        found = tables.to_table(value, pa)
        if found is None:
            raise ValueError(f"got `{type_name(type(value))}`")
        table = found[0] if isinstance(found[0], pa.Table) else pa.Table.from_batches([found[0]])
        return tables.from_table(table, tables.Kind(name, found[1].name), pa)
    except (Unsendable, InvalidArguments) as error:
        raise ValueError(str(error)) from None


def _file(value: Any) -> File:
    """From what JSON has for it: `name`, base64 (or bytes) as `data`, and perhaps `media`."""
    try:
        data = value["data"]
        data = data if isinstance(data, bytes) else base64.b64decode(data, validate=True)
        return File.of(data, str(value["name"]), str(value.get("media", "")))
    except (TypeError, KeyError, ValueError, AttributeError, InvalidArguments):
        raise ValueError("a file is an object with its name, and its bytes as base64 in data") from None


def _pydantic_text(error: ValueError) -> str:
    errors = cast("Any", error).errors()
    return "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in errors)


def _step(key: str | int) -> str:
    return f"[{key}]" if isinstance(key, int) else f".{key}"


def _text(returns: Any) -> str:
    return type_name(returns) if isinstance(returns, type) else str(returns)
