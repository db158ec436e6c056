"""What the machine can be told. Each is passed to `Machine.handle` with the time at which it happened."""

from __future__ import annotations

import msgspec

from farhand.model.event import Event
from farhand.model.job import Job
from farhand.model.payload import Payload
from farhand.model.session import Session
from farhand.model.worker import WorkerInfo


class Submitted(msgspec.Struct, frozen=True, gc=False):
    """A caller wants `job` done."""

    job: Job


class CancelAsked(msgspec.Struct, frozen=True, gc=False):
    """A caller wants the job's end; the receipt comes as its last event."""

    job: str


class Granted(msgspec.Struct, frozen=True, gc=False):
    """The job's reader takes this many more bytes of chunks."""

    job: str
    amount: int


class WorkerJoined(msgspec.Struct, frozen=True, gc=False):
    """A worker introduced itself on connection `link`, a number never used before. It holds leased jobs that it began
    for a hub it lost: each is to be adopted or disowned. `in_turn`: among equally busy workers the one longest idle is
    next, else the one that joined first."""

    link: int
    info: WorkerInfo
    held: tuple[str, ...] = ()
    in_turn: bool = True


class WorkerHeard(msgspec.Struct, frozen=True, gc=False):
    """Anything came from a worker."""

    link: int


class WorkerDraining(msgspec.Struct, frozen=True, gc=False):
    """A worker wants no new work."""

    link: int


class WorkerLeft(msgspec.Struct, frozen=True, gc=False):
    """A worker's connection is over. `clean`: it said goodbye."""

    link: int
    clean: bool


class JobStarted(msgspec.Struct, frozen=True, gc=False):
    """The worker began the job."""

    link: int
    job: str


class JobRejected(msgspec.Struct, frozen=True, gc=False):
    """The worker didn't begin the job and won't."""

    link: int
    job: str


class JobReported(msgspec.Struct, frozen=True, gc=False):
    """Progress or console text of a job."""

    link: int
    job: str
    event: Event


class JobChunk(msgspec.Struct, frozen=True, gc=False):
    """The `number`-th chunk of a job, from 1."""

    link: int
    job: str
    payload: Payload
    number: int


class JobEnded(msgspec.Struct, frozen=True, gc=False):
    """A job's last event, after so many `chunks`."""

    link: int
    job: str
    event: Event
    chunks: int


class JobAdopted(msgspec.Struct, frozen=True, gc=False):
    """A job that the worker held when it joined is this hub's now, which has `chunks` of it."""

    link: int
    job: Job
    chunks: int


class JobDisowned(msgspec.Struct, frozen=True, gc=False):
    """A job that the worker held when it joined is another's, or over."""

    link: int
    job: str


class SessionOpened(msgspec.Struct, frozen=True, gc=False):
    """A caller opens a session; it is pinned with its first call."""

    session: Session


class SessionClosed(msgspec.Struct, frozen=True, gc=False):
    """A caller is done with a session."""

    session: str


class Ticked(msgspec.Struct, frozen=True, gc=False):
    """Time passed: the moment named by `Machine.wake_at` has come."""


class DrainBegan(msgspec.Struct, frozen=True, gc=False):
    """The hub is stopping: nothing new is taken."""


class Stopped(msgspec.Struct, frozen=True, gc=False):
    """The hub stops now: whatever is left is told so."""


Input = (
    Submitted
    | CancelAsked
    | Granted
    | WorkerJoined
    | WorkerHeard
    | WorkerDraining
    | WorkerLeft
    | JobStarted
    | JobRejected
    | JobReported
    | JobChunk
    | JobEnded
    | JobAdopted
    | JobDisowned
    | SessionOpened
    | SessionClosed
    | Ticked
    | DrainBegan
    | Stopped
)
