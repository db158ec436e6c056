"""A job: one execution of a handler, as it was asked for."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from farhand.model.payload import NOTHING, Payload

NO_LABELS: Mapping[str, str] = {}

ATTEMPT_MARK = "#"
"""Between a durable job's id and the number of its attempt, in the id that hub and worker call the attempt by."""


class Input(msgspec.Struct, frozen=True, gc=False):
    """An argument that is another job's result: its one value, or with `chunks` a list of what it streamed."""

    argument: str
    values: tuple[Payload, ...]
    chunks: bool = False


class Job(msgspec.Struct, frozen=True, gc=False):
    """What is to be done. `deadline` is on the hub's monotonic clock, None for never.

    `window` is how many bytes of chunks the caller takes before granting more; 0 when it wants none. `events` says
    whether it wants queued, started, progress and console entries too. A job with `session` runs on that session's
    worker, in that session's group. `inputs` are arguments beside `args`. One that is `leased` is an attempt of a
    durable job, whose worker may go on with it while it has no hub.
    """

    id: str
    handler: str
    args: Payload = NOTHING
    group: str = "default"
    deadline: float | None = None
    priority: int = 0
    labels: Mapping[str, str] = NO_LABELS
    session: str = ""
    window: int = 0
    events: bool = False
    submitted: float = 0.0
    attempt: int = 1
    inputs: tuple[Input, ...] = ()
    leased: bool = False
