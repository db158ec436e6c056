"""The parameters of the routes, as they are checked and described."""

from __future__ import annotations

import math
from typing import Annotated

from litestar.params import HeaderParameter, PathParameter, QueryParameter

from farhand.errors import InvalidArguments
from farhand.model.blob import ID_LIMIT
from farhand.model.limits import LIST_LIMIT, NAME_LIMIT, SECONDS_LIMIT
from farhand.model.ref import TOKEN_LIMIT

WAIT_LIMIT = 300.0
"""Seconds that a request may wait for a job's end."""
OFFSETS = 2**63 - 1
RUN_TIMEOUT_LIMIT = 86_400.0

HandlerPath = Annotated[
    str,
    PathParameter(max_length=NAME_LIMIT, pattern="^[A-Za-z0-9_][A-Za-z0-9_.:@-]*$", description="The handler's name."),
]
JobPath = Annotated[str, PathParameter(max_length=NAME_LIMIT, description="The job's id.")]
Timeout = Annotated[
    float | None,
    QueryParameter(
        gt=0, le=RUN_TIMEOUT_LIMIT, description="Seconds until the call is given up: 30. With `wait`, of one attempt."
    ),
]
Group = Annotated[str, QueryParameter(max_length=NAME_LIMIT, description="The group of workers; `default`.")]
OnlyGroup = Annotated[str, QueryParameter(max_length=NAME_LIMIT, description="Only this group.")]
OnlyHandler = Annotated[str, QueryParameter(max_length=NAME_LIMIT, description="Only of this handler.")]
Priority = Annotated[int, QueryParameter(ge=-(2**31), le=2**31 - 1, description="Higher goes first.")]
Labels = Annotated[
    list[str] | None, QueryParameter(name="label", max_items=32, description="A label as key=value; may be repeated.")
]
RunWait = Annotated[
    float | None,
    QueryParameter(
        ge=0,
        le=WAIT_LIMIT,
        description="Keep the run as a durable job, and wait so many seconds for its end; then 202 and where it is.",
    ),
]
Wait = Annotated[float, QueryParameter(ge=0, le=WAIT_LIMIT, description="Seconds to wait for the end.")]
IdempotencyKey = Annotated[
    str | None,
    HeaderParameter(name="Idempotency-Key", max_length=200, description="The same key gives the same job for a day."),
]
LastEventId = Annotated[
    str | None,
    HeaderParameter(
        name="Last-Event-ID",
        schema_extra={"pattern": "^[0-9]{1,18}$"},
        description="The last offset seen; it goes on at the next. Before `from`.",
    ),
]
From = Annotated[int, QueryParameter(name="from", ge=0, le=OFFSETS, description="The first offset wanted.")]
Status = Annotated[
    list[str] | None, QueryParameter(name="status", max_items=20, description="Only in this state; may be repeated.")
]
ErrorCode = Annotated[str, QueryParameter(name="error", max_length=NAME_LIMIT, description="Only with this code.")]
Before = Annotated[str, QueryParameter(max_length=NAME_LIMIT, description="Only those older than this job.")]
Limit = Annotated[int, QueryParameter(ge=1, le=LIST_LIMIT, description="At most so many.")]

ExpiresIn = Annotated[float, QueryParameter(ge=0, description="Seconds for which it may be fetched.")]
RefPath = Annotated[str, PathParameter(min_length=1, max_length=ID_LIMIT, description="Its id.")]
Token = Annotated[str, QueryParameter(min_length=1, max_length=TOKEN_LIMIT, description="The right to fetch it.")]


def labels_of(pairs: list[str] | None) -> dict[str, str]:
    """What is given as ``label=key=value``.

    Raises:
        InvalidArguments: one is something else.
    """
    found: dict[str, str] = {}
    for pair in pairs or ():
        key, equals, value = pair.partition("=")
        if not key or not equals:
            raise InvalidArguments(
                f"label {pair[:80]!r} is not key=value", problems=[{"path": "label", "message": "not key=value"}]
            )
        found[key] = value
    return found


def finite(name: str, value: float) -> float:
    """`value`, which the parser lets be NaN.

    Raises:
        InvalidArguments: it is.
    """
    if not math.isfinite(value) or value > SECONDS_LIMIT:
        raise InvalidArguments(f"{name} is a number of seconds", problems=[{"path": name, "message": "not a number"}])
    return value
