"""Observations: what is known of a task, from a sender's own keys to the message and on to plain values.

A key is a field of the message, and all of them are sent. What is unknown or of the wrong type is an error that names
its key, and never dropped.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from difflib import get_close_matches
from typing import Any, Final

from farhand.model.limits import TEXT_LIMIT
from farhand.wire.nextflow._pb.nf_ai_comms_pb2 import TaskObservation
from farhand.wire.nextflow.ids import new_id

_INT32, _INT64 = 2**31, 2**63
_DIGITS = 40
"""Characters in which a number may be written."""


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f"is a text, not {_kind(value)}")
    if len(value) > TEXT_LIMIT:
        raise ValueError(f"has {len(value):,} characters, and {TEXT_LIMIT:,} may be sent")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise ValueError("has half of a surrogate pair in it, which UTF-8 can't say") from None
    return value


def _id(value: Any) -> str:
    """What a batch system calls a job: a text, or its number."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) and value < _INT64 else _text(value)


def _percent(value: Any) -> str:
    """A percentage as Nextflow writes it, or as a number."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        if not math.isfinite(value) or abs(value) >= _INT64:
            raise ValueError(f"is a percentage, not {str(value)[:_DIGITS]}")
        return f"{float(value)}%"
    return _text(value)


def _whole(bound: int) -> Callable[[Any], int]:
    def read(value: Any) -> int:
        number = _number(value)
        if not -bound <= number < bound:
            raise ValueError(f"is {str(number)[:_DIGITS]}, which {bound.bit_length()} bits don't hold")
        return number

    return read


def _number(value: Any) -> int:
    """A whole number: as an int, as a float without a fraction, as a text of either, or numpy's."""
    if isinstance(value, bool) or value is None:
        raise ValueError(f"is a whole number, not {_kind(value)}")
    if isinstance(value, str):
        text = value.strip()
        if len(text) > _DIGITS or not text.isascii() or "_" in text:
            raise ValueError(f"is a whole number, not the text {value[:_DIGITS]!r}")
        try:
            return int(text)
        except ValueError:
            pass
        try:
            value = float(text)
        except ValueError:
            raise ValueError(f"is a whole number, not the text {value[:_DIGITS]!r}") from None
    if isinstance(value, float):
        if not math.isfinite(value) or value != int(value):
            raise ValueError(f"is a whole number, not {value!r}")
        return int(value)
    index = getattr(type(value), "__index__", None)
    if index is None:
        raise ValueError(f"is a whole number, not {_kind(value)}")
    return int(index(value))


def _kind(value: Any) -> str:
    return "None" if value is None else f"a {type(value).__name__}"


_READ: Mapping[int, Callable[[Any], Any]] = {9: _text, 5: _whole(_INT32), 3: _whole(_INT64)}
"""By the numbers that protobuf has for a field's type: string, int32, int64."""
_SPECIAL: Mapping[str, Callable[[Any], Any]] = {"native_id": _id, "cpu_percent": _percent}

FIELDS: Final[Mapping[str, Callable[[Any], Any]]] = {
    field.name: _SPECIAL.get(field.name) or _READ[field.type] for field in TaskObservation.DESCRIPTOR.fields
}
"""The eighteen keys of an observation, in the order of their numbers, and how the value of each is read."""


def observation_of(given: Mapping[str, Any] | Any) -> TaskObservation:
    """The message of what a sender knows of a task.

    Args:
        given: a mapping of `FIELDS`, or such a message, of these modules or of the sender's own. None is as if the key
            weren't there. Without them, `event_id` is a new UUID and `timestamp_iso` is now, in UTC.

    Raises:
        ValueError: a key is unknown, or its value doesn't fit; the message names the key.
    """
    if isinstance(given, TaskObservation):
        return given
    if not isinstance(given, Mapping):
        return _of_message(given)
    found: dict[str, Any] = {}
    for key, value in given.items():
        read = FIELDS.get(key) if isinstance(key, str) else None
        if read is None:
            raise ValueError(_unknown(key))
        if value is not None:
            try:
                found[key] = read(value)
            except ValueError as error:
                raise ValueError(f"{key} {error}") from None
    if not found.get("event_id"):
        found["event_id"] = new_id()
    if not found.get("timestamp_iso"):
        found["timestamp_iso"] = datetime.now(UTC).isoformat().replace("+00:00", "Z")
    return TaskObservation(**found)


def _of_message(given: Any) -> TaskObservation:
    """Of a message of the same name from another pool."""
    descriptor = getattr(given, "DESCRIPTOR", None)
    if getattr(descriptor, "full_name", "") != TaskObservation.DESCRIPTOR.full_name:
        raise ValueError(f"an observation is a mapping or a TaskObservation, not {_kind(given)}")
    return TaskObservation.FromString(given.SerializeToString())


def _unknown(key: Any) -> str:
    near = get_close_matches(str(key)[:80], FIELDS, n=1) if isinstance(key, str) else []
    hint = f"did you mean {near[0]}?" if near else f"there are: {', '.join(FIELDS)}"
    return f"an observation has no {str(key)[:80]!r}; {hint}"


def plain(observation: TaskObservation) -> dict[str, Any]:
    """An observation as a handler gets it: all eighteen fields, with "" and 0 for what is absent."""
    return {name: getattr(observation, name) for name in FIELDS}


__all__ = ["FIELDS", "TaskObservation", "observation_of", "plain"]
