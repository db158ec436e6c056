"""What names may look like."""

from __future__ import annotations

import re

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
