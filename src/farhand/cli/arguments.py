"""The arguments of a call as the command line gives them: `--json`, ``key=value``, ``key:=json`` and ``key=@FILE``."""

from __future__ import annotations

import base64
import binascii
import contextlib
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from farhand.cli.output import Usage
from farhand.cli.schemas import Schema, is_text, takes_a_file
from farhand.model.handler import HandlerSpec
from farhand.wire.codecs.files import File


@dataclass(frozen=True)
class Given:
    """What was given: an object, and over it the pairs. A pair's value is text where it was ``key=value``."""

    base: dict[str, Any]
    texts: dict[str, str]
    values: dict[str, Any]

    def fit(self, spec: HandlerSpec | None) -> dict[str, Any]:
        """The arguments, with plain values as the handler's schema wants them; without a `spec` they are text.

        Raises:
            Usage: bytes are not written as base64, or a file without its @.
        """
        schema = Schema(spec.parameters if spec else b"{}")
        types: dict[str, Any] = schema.root.get("properties", {})
        plain = {key: _plain(text, types.get(key), schema, key) for key, text in self.texts.items()}
        files = {key: _as_wanted(value, types.get(key), schema, key) for key, value in self.values.items()}
        found = self.base | plain | files
        return {key: _from_text(value, types.get(key), schema, key) for key, value in found.items()}


def given(pairs: list[str], json: str | None) -> Given:
    """Read the command line's arguments. `json` is an object's text, ``@FILE`` or ``-`` for stdin.

    Raises:
        Usage: something isn't JSON where it must be, or a pair is no pair.
    """
    found = Given(_object(json), {}, {})
    for pair in pairs:
        key, equals, value = pair.partition("=")
        name = key.removesuffix(":")
        if not equals or not name:
            raise Usage(f"{pair!r} is neither key=value nor key:=json: write {name or 'key'}=… or {name or 'key'}:=…")
        if name in found.texts or name in found.values:
            raise Usage(f"{name} is given twice: a list is written {name}:='[1, 2]'")
        if key == name and value.startswith("@"):
            found.values[name] = _file(name, value[1:])
        elif key == name:
            found.texts[name] = value
        else:
            found.values[name] = _json_value(name, value)
    return found


def _file(name: str, path: str) -> Any:
    """``key=@FILE``: the file itself; ``key=@@text`` is text that begins with an @."""
    if path.startswith("@"):
        return path
    if not Path(path).is_file():
        raise Usage(f"{name}: there is no file {path}; text that begins with @ is written {name}=@@…")
    return File(path)


def _as_wanted(value: Any, of: Any, schema: Schema, name: str) -> Any:
    """A file as its parameter wants it: bytes or text where that is taken, else the file."""
    if not isinstance(value, File):
        return value
    choices = schema.choices(of)
    if any("properties" in one for one in choices):
        return value
    try:
        if any(one.get("contentEncoding") == "base64" for one in choices):
            return value.read()
        if choices and is_text(schema, of):
            return value.read().decode()
    except (OSError, UnicodeDecodeError) as error:
        raise Usage(f"{name}: {value.path} can't be read: {error}") from None
    return value


def _json_value(name: str, text: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError as error:
        raise Usage(f"{name} is not JSON: {error}; for plain text write {name}={text[:40]}") from None


def _plain(text: str, of: Any, schema: Schema, name: str) -> Any:
    """A plain value as its parameter wants it: text where that is taken, else what it says as JSON.

    Raises:
        Usage: it names a file without an @.
    """
    choices = schema.choices(of)
    if takes_a_file(choices) and not text.lstrip().startswith("{"):
        raise Usage(f"{name} takes a file: {name}=@{text} sends that of this name")
    if is_text(schema, of) or any(text in one.get("enum", ()) or text == one.get("const") for one in choices):
        return text
    with contextlib.suppress(msgspec.DecodeError):
        return msgspec.json.decode(text)
    return text


def _from_text(value: Any, of: Any, schema: Schema, path: str) -> Any:
    """The value with bytes in the place of base64 text, wherever the schema says that it stands."""
    choices = schema.choices(of)
    if isinstance(value, str) and any(one.get("contentEncoding") == "base64" for one in choices):
        try:
            return base64.b64decode(value, validate=True)
        except binascii.Error:
            raise Usage(f"{path} takes bytes, written as base64; {value[:40]!r} is none") from None
    if isinstance(value, list):
        inner = next((one["items"] for one in choices if one.get("items")), None)
        return [_from_text(one, inner, schema, f"{path}[{at}]") for at, one in enumerate(value)]
    if isinstance(value, dict):
        fields = {name: one for choice in choices for name, one in choice.get("properties", {}).items()}
        more = next((one["additionalProperties"] for one in choices if one.get("additionalProperties")), None)
        return {name: _from_text(one, fields.get(name, more), schema, f"{path}.{name}") for name, one in value.items()}
    return value


def _object(json: str | None) -> dict[str, Any]:
    if json is None:
        return {}
    text, where = _source(json)
    try:
        found = msgspec.json.decode(text)
    except msgspec.DecodeError as error:
        raise Usage(f"{where} is not JSON: {error}") from None
    if not isinstance(found, dict):
        raise Usage(f"{where} takes one object, as in '{{\"a\": 1}}', not a {type(found).__name__}")
    return found


def _source(json: str) -> tuple[bytes, str]:
    """The JSON text, and what to call it in an error."""
    if json == "-":
        return sys.stdin.buffer.read(), "--json from stdin"
    if json.startswith("@"):
        try:
            return Path(json[1:]).read_bytes(), f"--json {json}"
        except OSError as error:
            raise Usage(f"{json[1:]} can't be read: {error.strerror}") from None
    return json.encode(errors="surrogateescape"), "--json"
