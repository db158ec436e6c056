"""What names may look like."""

from __future__ import annotations

import re
from collections.abc import Iterable

from farhand.errors import InvalidArguments
from farhand.model.limits import NAME_LIMIT

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:@-]*")


def check_name(kind: str, name: str) -> str:
    """`name`, if it may name a `kind` (handler, group, worker …).

    Raises:
        InvalidArguments: it is empty, longer than 200 characters, or holds anything but letters, digits and ``_.:@-``.
    """
    if len(name) > NAME_LIMIT or not _NAME.fullmatch(name):
        shown = name if len(name) <= 60 else name[:60] + "…"
        raise InvalidArguments(
            f"{kind} name {shown!r} must be 1 to {NAME_LIMIT} letters, digits or any of _ . : @ -, "
            "and begin with a letter, a digit or _",
            problems=[{"path": kind, "message": "not a valid name"}],
        )
    return name


def error_name(kind: type[BaseException]) -> str:
    """What an error's type is called in a fault's details: its name, with its module unless that is `builtins`."""
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def error_names(kinds: Iterable[object] | object) -> tuple[str, ...]:
    """Error types, given as classes or by name, by their names.

    Raises:
        TypeError: one of them is neither, or it is no list.
    """
    if isinstance(kinds, str) or not isinstance(kinds, Iterable):
        raise TypeError(f"error types come as a list, as in [ValueError], not as {kinds!r}")
    names = []
    for one in kinds:
        if isinstance(one, type) and issubclass(one, BaseException):
            names.append(error_name(one))
        elif isinstance(one, str) and one:
            names.append(one)
        else:
            raise TypeError(f"an error type is a class or its name, not {one!r}")
    return tuple(names)
