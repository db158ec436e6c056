"""What the machine wants done, in order. Whoever drives it performs each; none is optional."""

from __future__ import annotations

import msgspec

from farhand.model.event import Event
from farhand.model.job import Job
from farhand.model.payload import NOTHING, Payload


class Assign(msgspec.Struct, frozen=True, gc=False):
    """Give `job` to the worker on `link`. `session_data` and `moved` where its session is new there."""

    link: int
    job: Job
    session_data: Payload = NOTHING
    moved: bool = False


class CancelJob(msgspec.Struct, frozen=True, gc=False):
    """Ask the worker to end a job. `reason` is CANCELLED, DEADLINE_EXCEEDED, or TAKE_BACK (only if not begun)."""

    link: int
    job: str
    reason: str


class GiveCredit(msgspec.Struct, frozen=True, gc=False):
    """Let the worker send this many more bytes of the job's chunks."""

    link: int
    job: str
    amount: int


class DropSession(msgspec.Struct, frozen=True, gc=False):
    """Tell the worker to drop a session's state."""

    link: int
    session: str


class CloseWorker(msgspec.Struct, frozen=True, gc=False):
    """Say goodbye to a worker, with this code and message, and close its connection."""

    link: int
    code: str
    message: str


class Deliver(msgspec.Struct, frozen=True, gc=False):
    """Give `event` to whoever asked for the job; a last event is the last delivery. `number` as on the wire."""

    job: str
    event: Event
    number: int = 0


Effect = Assign | CancelJob | GiveCredit | DropSession | CloseWorker | Deliver
