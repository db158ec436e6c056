"""What may be said of a durable job, checked before it is sent, so that an error names the option.

The hub checks again what reaches it: other clients have no such checks.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from farhand.errors import InvalidArguments
from farhand.model.limits import ATTEMPTS_LIMIT, LIST_LIMIT

OFFSETS = 2**63
_PRIORITIES = 2**31
Check = Callable[[Any], bool]


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and value != ""


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_seconds(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and value >= 0


def _is_priority(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and -_PRIORITIES <= value < _PRIORITIES


def _is_flag(value: Any) -> bool:
    return isinstance(value, bool)


def _are_texts(value: Any) -> bool:
    return not isinstance(value, str | bytes | Mapping) and all(map(_is_text, value))


def _are_errors(value: Any) -> bool:
    return not isinstance(value, str | bytes | Mapping) and all(_is_text(one) or isinstance(one, type) for one in value)


def _are_jobs(value: Any) -> bool:
    return not isinstance(value, str | bytes | Mapping) and hasattr(type(value), "__iter__")


def _are_inputs(value: Any) -> bool:
    return isinstance(value, Mapping) and all(map(_is_text, value))


def _are_labels(value: Any) -> bool:
    return isinstance(value, Mapping) and all(isinstance(one, str) for pair in value.items() for one in pair)


_SECONDS: tuple[Check, str] = (_is_seconds, "is seconds, 0 or more")
_OPTIONS: dict[str, tuple[Check, str]] = {
    "group": (_is_text, "is a name"),
    "timeout": (lambda value: _is_seconds(value) and value > 0, "is seconds, more than 0"),
    "retries": (lambda value: _is_count(value) and value < ATTEMPTS_LIMIT, "is a whole number from 0 to 999"),
    "backoff": _SECONDS,
    "never": (_are_errors, "is a list of error types, as [ValueError], or their names"),
    "priority": (_is_priority, "is a whole number that 32 bits hold"),
    "labels": (_are_labels, "maps texts to texts"),
    "delay": _SECONDS,
    "run_at": (
        lambda value: isinstance(value, datetime) or _is_seconds(value),
        "is a datetime, or seconds since 1970",
    ),
    "begin_within": _SECONDS,
    "end_within": _SECONDS,
    "idempotency_key": (_is_text, "is a text that isn't empty"),
    "cache": (
        lambda value: _is_flag(value) or (_is_seconds(value) and value > 0),
        "is True, False or more than 0 seconds",
    ),
    "cache_failures": (_is_flag, "is True or False"),
    "after": (_are_jobs, "is a list of jobs or their ids"),
    "inputs": (_are_inputs, "maps arguments to jobs or their ids"),
}
_FILTERS: dict[str, tuple[Check, str]] = {
    "limit": (lambda value: _is_count(value) and 0 < value <= LIST_LIMIT, "is a whole number from 1 to 1,000"),
    "labels": (_are_labels, "maps texts to texts"),
    "status": (lambda value: isinstance(value, str) or _are_texts(value), "is a state, or a list of them"),
    **{name: (lambda value: isinstance(value, str), "is a text") for name in ("handler", "group", "error", "before")},
}


def check_options(options: Mapping[str, Any]) -> None:
    """See that the options of a submit make sense; None says no more than leaving one out does.

    Raises:
        InvalidArguments: one doesn't; `details["option"]` names it.
    """
    _check(options, _OPTIONS)


def check_filter(wanted: Mapping[str, Any]) -> None:
    """See that what jobs are listed by makes sense.

    Raises:
        InvalidArguments: it doesn't; `details["option"]` names which.
    """
    _check(wanted, _FILTERS)


def check_offset(offset: Any) -> None:
    """See that an offset is one. It may lie past the end of a log.

    Raises:
        InvalidArguments: it isn't.
    """
    if not (_is_count(offset) and offset < OFFSETS):
        raise _wrong("offset", "is a whole number, 0 or more", offset)


def _check(given: Mapping[str, Any], table: Mapping[str, tuple[Check, str]]) -> None:
    for name, value in given.items():
        check, what = table.get(name, (None, ""))
        if value is None or check is None:
            continue
        try:
            fits = check(value)
        except (TypeError, OverflowError):
            fits = False
        if not fits:
            raise _wrong(name, what, value)


def _wrong(name: str, what: str, value: Any) -> InvalidArguments:
    return InvalidArguments(f"{name} {what}, not {repr(value)[:80]}", option=name)
