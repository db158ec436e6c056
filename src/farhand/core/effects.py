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
    """Ask the worker to end a job. `reason` is CANCELLED, DEADLINE_EXCEEDED, TAKE_BACK (only if not begun), or
    LEASE_LOST (another has it, or had its end)."""

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
    """Give `event` to whoever asked for the job; a last event is the last delivery. `number` as on the wire. `link` is
    where a leased job ended: its worker holds the end until it is told that it is kept."""

    job: str
    event: Event
    number: int = 0
    link: int | None = None


class Adopt(msgspec.Struct, frozen=True, gc=False):
    """Tell a worker that a job it held while it had no hub is this hub's now, of which it has `chunks`."""

    link: int
    job: str
    chunks: int


class Release(msgspec.Struct, frozen=True, gc=False):
    """Tell a worker that the end of a job needn't be kept by it: it is, or it is nobody's."""

    link: int
    job: str


Effect = Assign | CancelJob | GiveCredit | DropSession | CloseWorker | Deliver | Adopt | Release
