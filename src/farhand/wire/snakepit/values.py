"""Arguments as they come from a pool, and values as they go back: a map of names to bytes each way.

Nothing is ever unpickled: a value that is a pickle is refused.
"""

from __future__ import annotations

import itertools
import pickletools
from collections.abc import Mapping
from typing import Any

import msgspec

from farhand.errors import InvalidArguments
from farhand.wire.values import to_json

_READ_JSON = msgspec.json.Decoder().decode
_WRITE_JSON = msgspec.json.Encoder().encode
_BYTES = (bytes, bytearray, memoryview)
_PICKLES = (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")
_OPCODES = 32
"""So many well-formed opcodes make bytes that begin like a pickle one."""

WHOLE = "result"
"""The name under which a value goes back that is no dict."""


def read_args(args: Mapping[str, bytes], hints: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments' values. One is what its bytes say as JSON; else, if they are UTF-8, that text; else the bytes.

    `hints` are the handler's own, by which what is meant is certain: a `bytes` parameter gets the bytes as they came, a
    `str` parameter a text even where its text happens to be a number in JSON.

    Raises:
        InvalidArguments: a value is a pickle, or nested too deeply.
    """
    return {name: _read(name, data, hints.get(name)) for name, data in args.items()}


def _read(name: str, data: bytes, hint: Any) -> Any:
    if data[:2] in _PICKLES and _is_pickle(data):
        raise InvalidArguments(
            f"the argument {name[:60]!r} is a pickle, and those are never loaded: send JSON, text or plain bytes",
            problems=[{"path": name[:60], "message": "is a pickle"}],
        )
    if hint is bytes:
        return data
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return data
    try:
        value = _READ_JSON(data)
    except RecursionError:
        raise InvalidArguments(
            f"the argument {name[:60]!r} is nested too deeply",
            problems=[{"path": name[:60], "message": "is nested too deeply"}],
        ) from None
    except msgspec.DecodeError:
        return text
    return text if hint is str and not isinstance(value, str) else value


def _is_pickle(data: bytes) -> bool:
    """Whether bytes that begin like a pickle are one. They are only taken apart, never run."""
    if not data.endswith(b"."):
        return False
    try:
        for _ in itertools.islice(pickletools.genops(data), _OPCODES):
            pass
    except Exception:  # whatever pickletools makes of bytes that are something else
        return False
    return True


def write_map(value: Any) -> dict[str, bytes]:
    """A result or chunk as it goes back: a dict by its keys, any other value as `result`.

    Raises:
        InvalidArguments: something in it has no form as JSON.
    """
    if not isinstance(value, dict):
        return {WHOLE: write_value(value)}
    return {key if isinstance(key, str) else str(key): write_value(one) for key, one in value.items()}


def write_value(value: Any) -> bytes:
    """Bytes and text as they are, everything else as JSON; arrays and tables as lists and records.

    Raises:
        InvalidArguments: it has no form as JSON.
    """
    if isinstance(value, str):
        return value.encode(errors="replace")
    if isinstance(value, _BYTES):
        return bytes(value)
    try:
        return _WRITE_JSON(value)
    except (TypeError, ValueError, OverflowError):
        pass
    except RecursionError as error:
        raise InvalidArguments(f"the result can't be sent: it is nested too deeply ({error})") from None
    try:
        return to_json(value)
    except Exception as error:  # a value of a codec may raise anything
        raise InvalidArguments(f"the result can't be sent as JSON: {error}") from error
