"""Type hints → decoders: a handler's arguments are checked as they are read, before it runs.

The parameters become one `msgspec.Struct`, decoded in a single pass. Only when that fails are the arguments looked at
field by field, to name every problem with its path.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import typing
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable, Generator, Iterable, Iterator
from difflib import get_close_matches
from typing import Any, cast

import msgspec

from farhand.errors import InvalidArguments
from farhand.model.payload import Media, Payload
from farhand.wire.codecs.base import Arrived
from farhand.wire.codecs.growth import check_growth
from farhand.wire.fitting import foreign, is_pydantic
from farhand.wire.fitting import schema as foreign_schema
from farhand.wire.values import DEFAULT, Codecs, no_ext

_STREAMS = (AsyncGenerator, AsyncIterable, AsyncIterator, Generator, Iterable, Iterator)
_KINDS = inspect.Parameter
_MOST_LAYERS = 100

_AS_NOTHING, _AS_JSON, _AS_MSGPACK = int(Media.NONE), int(Media.JSON), int(Media.MSGPACK)
_AS_OPEN_JSON, _AS_BUNDLE = int(Media.OPEN_JSON), int(Media.BUNDLE)


class Signature:
    """How a handler is called: `bind` turns a payload into positional and keyword arguments."""

    def __init__(self, name: str, function: Callable[..., Any], context_type: type) -> None:
        """Read `function`'s hints. `context_type` marks the parameter that gets the call's context.

        Raises:
            TypeError: a parameter's type can't come from a wire.
        """
        self.name = name
        self.context_at: str | None = None
        hints = _hints(function)
        fields: list[tuple[Any, ...]] = []
        self._positional: list[str] = []
        self._keyword: list[str] = []
        self._defaults: dict[str, Any] = {}
        self._open = False
        for parameter in inspect.signature(function).parameters.values():
            hint = hints.get(parameter.name, Any)
            if hint is context_type or (parameter.name == "ctx" and parameter.annotation is _KINDS.empty):
                self.context_at = parameter.name
                (self._keyword if parameter.kind is _KINDS.KEYWORD_ONLY else self._positional).append(parameter.name)
                continue
            if parameter.kind is _KINDS.VAR_KEYWORD:
                self._open = True
                continue
            if parameter.kind is _KINDS.VAR_POSITIONAL:
                raise TypeError(
                    f"handler {name!r}: *{parameter.name} can't be filled, arguments have names: take a list"
                )
            (self._keyword if parameter.kind is _KINDS.KEYWORD_ONLY else self._positional).append(parameter.name)
            if parameter.default is _KINDS.empty:
                fields.append((parameter.name, hint))
            else:
                fields.append((parameter.name, hint, msgspec.field(default_factory=_constant(parameter.default))))
                self._defaults[parameter.name] = parameter.default
        self.hints: dict[str, Any] = {field[0]: field[1] for field in fields}
        """The parameters that callers fill, by name."""
        self.required = [field[0] for field in fields if len(field) == 2]
        self._struct = msgspec.defstruct(
            f"{name}_arguments", fields, kw_only=True, forbid_unknown_fields=not self._open, gc=False
        )
        self._plain = self.context_at is None and not self._keyword and not self._open
        try:
            self._msgpack = msgspec.msgpack.Decoder(self._struct, dec_hook=foreign, ext_hook=no_ext)
            self._json = msgspec.json.Decoder(self._struct, dec_hook=foreign)
        except TypeError as error:
            raise TypeError(f"handler {name!r} has a parameter whose type can't be sent: {error}") from None
        self._fields = tuple(self._struct.__struct_fields__)
        self.result_hint = hints.get("return", Any)

    def bind(
        self, args: Payload, context: Callable[[], Any], codecs: Codecs = DEFAULT
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Positional and keyword arguments; `context` is called only if the handler wants one.

        Raises:
            InvalidArguments: they don't fit; `details["problems"]` lists each wrong field.
            TooLarge: they would take far more memory than their size allows.
        """
        values = self._decode(args, codecs)
        if self._plain:
            return tuple([getattr(values, field) for field in self._positional]), {}
        found = {field: getattr(values, field) for field in self._fields}
        if self._open:
            given = codecs.read(args)
            found |= {key: value for key, value in (given or {}).items() if key not in found}
        if self.context_at is not None:
            found[self.context_at] = context()
        positional = tuple([found.pop(name) for name in self._positional])
        return positional, found

    def _decode(self, args: Payload, codecs: Codecs) -> Any:
        try:
            if args.media == _AS_MSGPACK:
                check_growth(args.data)
                return self._msgpack.decode(args.data)
            if args.media == _AS_JSON or args.media == _AS_OPEN_JSON:
                return self._json.decode(args.data)
            if args.media == _AS_NOTHING:
                return self._msgpack.decode(b"\x80")
            if args.media == _AS_BUNDLE:
                bundle = codecs.bundle((args.data,), args if isinstance(args, Arrived) else None)
                check_growth(bundle.body)
                whole = msgspec.msgpack.Decoder(self._struct, dec_hook=foreign, ext_hook=bundle.ext)
                return whole.decode(bundle.body)
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError, MemoryError) as error:
            raise self._problems(args, str(error), codecs) from None
        raise InvalidArguments(
            f"{self.name!r} takes an object of named arguments, not bytes",
            problems=[{"path": "$", "message": "not an object"}],
        )

    def _problems(self, args: Payload, first: str, codecs: Codecs) -> InvalidArguments:
        """Every field that is wrong, each with its path."""
        try:
            given = codecs.read(args) if args.data else {}
        except InvalidArguments:
            given = None
        problems: list[dict[str, str]] = []
        if isinstance(given, dict):
            strict = args.media not in (_AS_JSON, _AS_OPEN_JSON)
            for field, hint in self.hints.items():
                if field in given:
                    message = _mismatch(given[field], hint, strict)
                    if message:
                        problems.append(_located(field, message))
                elif field in self.required:
                    problems.append({"path": field, "message": "is missing"})
            if not self._open:
                problems += [self._unknown(str(key)) for key in given if key not in self.hints]
        if not problems:
            problems.append(_located("", first))
        text = "; ".join(f"{one['path']}: {one['message']}" for one in problems)
        return InvalidArguments(f"the arguments don't fit {self.name!r}: {text}", problems=problems, handler=self.name)

    def _unknown(self, key: str) -> dict[str, str]:
        near = get_close_matches(key, self.hints, n=1)
        hint = f"did you mean {near[0]}?" if near else f"it takes {', '.join(self.hints) or 'none'}"
        return {"path": key, "message": f"is not an argument; {hint}"}

    def parameters_schema(self) -> bytes:
        """JSON Schema of the arguments object, as JSON text; with each default that JSON can hold."""
        schema = msgspec.json.decode(_schema(self._struct))
        name = schema.get("$ref", "").rpartition("/")[2]
        properties = schema.get("$defs", {}).get(name, {}).get("properties", {})
        for field, default in self._defaults.items():
            with contextlib.suppress(TypeError, ValueError, RecursionError):
                properties[field]["default"] = msgspec.json.decode(msgspec.json.encode(default))
        return msgspec.json.encode(schema)

    def result_schema(self) -> bytes:
        """JSON Schema of the result, or of one chunk of a stream, as JSON text; ``{}`` where it isn't known."""
        hint = self.result_hint
        if typing.get_origin(hint) in _STREAMS:
            hint = (*typing.get_args(hint), Any)[0]
        return b"{}" if hint in (Any, _KINDS.empty) else _schema(hint)


def _constant(value: Any) -> Callable[[], Any]:
    """A default, made anew for each call where it is a plain container, so that calls don't share it."""
    if isinstance(value, list | dict | set):
        return lambda: value.copy()
    return lambda: value


def layers(function: Callable[..., Any]) -> list[Callable[..., Any]]:
    """A function and what it wraps, from the outside in: decorators, partials, objects that can be called."""
    found: list[Callable[..., Any]] = []
    target: Any = function
    while target is not None and len(found) < _MOST_LAYERS:
        is_object = not inspect.isroutine(target) and not isinstance(target, type | functools.partial)
        found.append(type(target).__call__ if is_object else target)
        target = target.func if isinstance(target, functools.partial) else getattr(target, "__wrapped__", None)
    return found


def _hints(function: Callable[..., Any]) -> dict[str, Any]:
    target = layers(function)[-1]
    try:
        return typing.get_type_hints(target, include_extras=True)
    except NameError as error:
        name = getattr(function, "__name__", "?")
        raise TypeError(f"a type hint of handler {name!r} can't be resolved: {error}") from None


def _mismatch(value: Any, hint: Any, strict: bool) -> str:
    """What is wrong with a value; empty if nothing is. JSON holds times and bytes as text, so it is read as JSON."""
    try:
        if strict:
            msgspec.convert(value, hint, dec_hook=foreign)
        else:
            msgspec.json.decode(msgspec.json.encode(value), type=hint, dec_hook=foreign)
    except (msgspec.ValidationError, RecursionError) as error:
        return str(error)
    return ""


def _located(field: str, message: str) -> dict[str, str]:
    """msgspec's ``text - at `$.a[0]``` as path and message."""
    text, _, where = message.partition(" - at `$")
    return {"path": (field + where.rstrip("`")).lstrip(".") or "$", "message": text}


def _schema(hint: Any) -> bytes:
    nested: dict[str, Any] = {}

    def of(kind: type) -> dict[str, Any]:
        if not is_pydantic(kind):
            return foreign_schema(kind) or {}
        schema = cast("dict[str, Any]", cast("Any", kind).model_json_schema())
        nested.update(schema.pop("$defs", {}))  # its references start from the root too
        return schema

    try:
        schema = msgspec.json.schema(hint, schema_hook=of)
    except (TypeError, RuntimeError):
        return b"{}"
    if nested:
        schema["$defs"] = nested | schema.get("$defs", {})
    return msgspec.json.encode(schema)
