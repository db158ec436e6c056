"""A handler's JSON Schemas in a reader's words: its parameters, their types, and a command that calls it."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any

import msgspec

from farhand.model.handler import HandlerSpec

_SCALARS = {"integer": "int", "number": "float", "boolean": "bool", "string": "str", "null": "null"}
_FORMATS = {"date-time": "datetime", "date": "date", "time": "time", "duration": "duration", "uuid": "UUID"}
_EXAMPLES = {
    "date-time": "2030-01-31T12:00:00Z",
    "date": "2030-01-31",
    "time": "12:00:00",
    "duration": "PT1M",
    "uuid": "123e4567-e89b-12d3-a456-426614174000",
}
_NESTED = 2
"""Objects within this many others are spelled out; deeper ones are named."""
_SHOWN_DEFAULTS = 3


class Parameter(msgspec.Struct, frozen=True):
    """A parameter: `schema` is its JSON Schema without references at its top; `kind` says its type in words."""

    name: str
    schema: Mapping[str, Any]
    kind: str
    required: bool

    @property
    def has_default(self) -> bool:
        """Whether its default is known."""
        return "default" in self.schema

    @property
    def default(self) -> str:
        """Its default as JSON; empty where it has none or it isn't known."""
        return _json(self.schema["default"]) if self.has_default else ""

    @property
    def doc(self) -> str:
        """What its type says of it."""
        return str(self.schema.get("description", ""))


class Schema:
    """A JSON Schema with its definitions."""

    def __init__(self, text: bytes) -> None:
        """`text` is the schema as JSON."""
        root: dict[str, Any] = msgspec.json.decode(text)
        self._definitions: dict[str, Any] = root.get("$defs", {})
        self.root = self.look(root)

    def look(self, schema: Any) -> dict[str, Any]:
        """The schema that a reference stands for, with what stands beside the reference."""
        found: dict[str, Any] = schema if isinstance(schema, dict) else {}
        seen: set[str] = set()
        while (name := str(found.get("$ref", "")).rpartition("/")[2]) and name not in seen:
            seen.add(name)
            beside = {key: value for key, value in found.items() if key not in ("$ref", "$defs")}
            found = {**self._definitions.get(name, {}), **beside}
        return found

    def choices(self, schema: Any) -> list[dict[str, Any]]:
        """What a value may be: the schema itself, or each of its alternatives."""
        found = self.look(schema)
        several = found.get("anyOf") or found.get("oneOf")
        return [self.look(one) for one in several] if several else [found]

    def parameters(self) -> list[Parameter]:
        """The properties of an object, the required ones first."""
        required = self.root.get("required", [])
        found = [
            Parameter(name, self.look(schema), self.kind(schema), name in required)
            for name, schema in self.root.get("properties", {}).items()
        ]
        return sorted(found, key=lambda one: not one.required)

    def kind(self, schema: Any, depth: int = 0) -> str:
        """A type in words like Python's; "any" where the schema allows everything."""
        kinds = [self._kind(one, depth) for one in self.choices(schema)]
        return " | ".join(dict.fromkeys(kinds))

    def _kind(self, schema: dict[str, Any], depth: int) -> str:
        if "enum" in schema:
            return " | ".join(_json(one) for one in schema["enum"])
        if "const" in schema:
            return _json(schema["const"])
        types = schema.get("type")
        if isinstance(types, list):
            return " | ".join(self._kind({**schema, "type": one}, depth) for one in types)
        if types == "string":
            return "bytes as base64" if _is_base64(schema) else _FORMATS.get(schema.get("format", ""), "str")
        if types == "array":
            inner = schema.get("prefixItems") or [schema["items"]] if schema.get("items") else []
            return f"list[{', '.join(self.kind(one, depth + 1) for one in inner)}]" if inner else "list"
        if types == "object":
            return self._object(schema, depth)
        return _SCALARS.get(str(types), "any")

    def _object(self, schema: dict[str, Any], depth: int) -> str:
        if _is_file(schema):
            return "file"
        properties, required = schema.get("properties"), schema.get("required", [])
        if properties and depth < _NESTED:
            inner = [
                f"{name}{'' if name in required else '?'}: {self.kind(one, depth + 1)}"
                for name, one in properties.items()
            ]
            return "{" + ", ".join(inner) + "}"
        if properties:
            return str(schema.get("title", "object"))
        more = schema.get("additionalProperties")
        return f"dict[str, {self.kind(more, depth + 1)}]" if isinstance(more, dict) and more else "object"

    def example(self, schema: Any, number: int = 1, depth: int = 0) -> Any:
        """A value that fits; `number` is used where any number does."""
        found = self.look(schema)
        if "default" in found and found["default"] is not None:
            return found["default"]
        choices = [one for one in self.choices(found) if one.get("type") != "null"] or [{}]
        first = choices[0]
        for word in ("examples", "enum"):
            if first.get(word):
                return first[word][0]
        if "const" in first:
            return first["const"]
        return self._made(first, number, depth)

    def _made(self, schema: dict[str, Any], number: int, depth: int) -> Any:
        types = schema.get("type")
        if types in ("integer", "number"):
            return _within(schema, number)
        if types == "boolean":
            return True
        if types == "array":
            inner = schema.get("items")
            return [self.example(inner, number, depth + 1)] if inner and depth <= _NESTED else []
        if types == "object":
            required = schema.get("required", []) if depth <= _NESTED else []
            properties = schema.get("properties", {})
            return {name: self.example(properties.get(name), number, depth + 1) for name in required}
        if types == "string":
            return "aGVsbG8=" if _is_base64(schema) else _EXAMPLES.get(schema.get("format", ""), "hello")
        return number


def command(spec: HandlerSpec, *, group: str = "default", hub: str = "") -> str:
    """A line for the shell that calls the handler. `hub` is HOST:PORT, empty where the default is right."""
    schema = Schema(spec.parameters)
    parameters = schema.parameters()
    shown = [one for one in parameters if one.required] or [
        one for one in parameters if one.schema.get("default") is not None
    ][:_SHOWN_DEFAULTS]
    words = ["farhand", "stream" if spec.streams else "run", spec.name]
    words += [_pair(schema, one, number) for number, one in enumerate(shown, 1)]
    if group != "default":
        words += ["--group", group]
    if hub:
        words += ["--hub", hub]
    return " ".join(map(shlex.quote, words))


def is_text(schema: Schema, of: Any) -> bool:
    """Whether a plain word on the command line stands for itself: where text, or anything at all, is taken."""
    return any(not one or one.get("type") == "string" for one in schema.choices(of))


def takes_a_file(choices: list[dict[str, Any]]) -> bool:
    """Whether nothing but a file is taken, as ``key=@FILE`` gives one."""
    return bool(choices) and all(map(_is_file, choices))


def _pair(schema: Schema, parameter: Parameter, number: int) -> str:
    if takes_a_file(schema.choices(parameter.schema)):
        return f"{parameter.name}=@FILE"
    value = schema.example(parameter.schema, number)
    plain = parameter.kind != "any" and not isinstance(value, list | dict)
    if plain and isinstance(value, str):
        return f"{parameter.name}={value}"
    return f"{parameter.name}{'=' if plain else ':='}{_json(value)}"


def _within(schema: dict[str, Any], number: int) -> Any:
    least = schema.get("minimum", schema.get("exclusiveMinimum", number - 1) + 1)
    most = schema.get("maximum", schema.get("exclusiveMaximum", number + 1) - 1)
    return max(least, min(number, most))


def _is_file(schema: Mapping[str, Any]) -> bool:
    return schema.get("title") == "File" and schema.get("properties", {}).keys() == {"name", "media", "data"}


def _is_base64(schema: Mapping[str, Any]) -> bool:
    return schema.get("contentEncoding") == "base64"


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()
