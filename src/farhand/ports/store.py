"""Where durable jobs are kept: their states, their logs, their schedules.

A store decides nothing. Which move is legal is `core.lifecycle`'s to say, and reaches a store as a compare-and-swap:
"to X, if it is still in one of Y, with epoch N". Every method is one atomic step, durable when it returns. `now` is the
store's own clock, which callers read by `now()` and pass back, so that one decision has one time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Literal, Protocol

import msgspec

from farhand.errors import FarhandError
from farhand.model.durable import DurableJob, Entry, Keep, KeptJob, Retries, Said
from farhand.model.state import State

READ_SIZE = 2 * 1024 * 1024
"""Bytes of a log that are read at once, and one entry more at most: so much does each watcher hold in the hub."""

How = Literal["new", "key", "twin", "cached"]


class Added(msgspec.Struct, frozen=True):
    """What became of a submitted job. `how`: it is "new"; or `kept` is another one, found by its idempotency "key", a
    running "twin" of the same cache key, or a finished one whose success is still "cached"."""

    kept: KeptJob
    how: How


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """What a worker can take: up to `count` jobs of its group, for handlers it serves and with labels it has; `only`
    this one, unless it is empty."""

    group: str
    handlers: frozenset[str]
    labels: Mapping[str, str]
    worker: str
    count: int
    lease_until: float
    only: str = ""


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One move of one job, with the events that go into its log.

    It is made only if the job's state is one of `sources`, and its epoch is `epoch` unless that is None. `run_at` where
    it is queued again; a job that is queued again has no worker and no lease. `worker` is who has it, where that is
    known now. A move to an end records the last of
    `said` as the job's `last` event, frees its cache key unless it `answers` for equal work, and settles the children
    that wait for it: each goes from WAITING to QUEUED once all its parents have succeeded, or to FAILED, with a fault
    of code PARENT_FAILED that names the parent, once one has ended otherwise; and so on with their children.
    """

    id: str
    sources: frozenset[State]
    to: State
    epoch: int | None = None
    said: tuple[Said, ...] = ()
    run_at: float | None = None
    answers: bool = False
    worker: str = ""


class Lease(msgspec.Struct, frozen=True):
    """A worker's right to an attempt, as it names it."""

    id: str
    epoch: int


class Filter(msgspec.Struct, frozen=True, kw_only=True):
    """Which jobs are listed: those that fit all that is given, newest first, at most `limit`; `before` is an id, and
    only older ones are listed; `code` is of the fault that they ended with; `retry_of` is the job they start anew;
    `cache_key` is what the one is found by that stands for equal work, for however long."""

    states: frozenset[State] = frozenset()
    handler: str = ""
    group: str = ""
    labels: Mapping[str, str] = {}
    schedule: str = ""
    code: str = ""
    retry_of: str = ""
    cache_key: str = ""
    before: str = ""
    limit: int = 50


class Schedule(msgspec.Struct, frozen=True, kw_only=True):
    """A handler that runs at times: those of `cron` by the clocks of `timezone`. Its jobs are tried as `retries` says.
    `next_at` is when it fires next, `fired` counts its firings, and `last` is the job of the last one."""

    name: str
    handler: str
    group: str
    cron: str
    timezone: str = "UTC"
    missed: Literal["skip", "once"] = "skip"
    retries: Retries = Retries()
    next_at: float
    fired: int = 0
    last: str = ""


class Declared(msgspec.Struct, frozen=True):
    """What the workers of a group declare to be kept of a handler's jobs."""

    group: str
    handler: str
    keep: Keep


class History(msgspec.Struct, frozen=True):
    """A handler that has ended jobs, and when the first and the last of them ended."""

    handler: str
    oldest: float
    newest: float


class Mark(msgspec.Struct, frozen=True, order=True):
    """A place among the ended jobs of a handler, which go by when they ended, then by id."""

    ended: float
    id: str = ""


class Prune(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be deleted: ended jobs of a handler after one mark, up to another and with it.

    It is bounded, so that whoever writes meanwhile waits for a short time only: at most `jobs` are looked at, and about
    `entries` of logs and `size` bytes are deleted, more by one entry or job at most. Of a job whose log is longer the
    oldest entries go, and it stays with the rest, for the next time.
    """

    handler: str
    upto: Mark
    after: Mark = Mark(float("-inf"))
    jobs: int = 1_000
    entries: int = 1_000
    size: int = READ_SIZE


class Pruned(msgspec.Struct, frozen=True):
    """What was deleted: `jobs`, and `entries` of logs. `after` is where to go on; None: there is nothing more."""

    jobs: int
    entries: int
    after: Mark | None


class News(msgspec.Struct, frozen=True):
    """What other hubs on a store have done: `groups` in which jobs have been queued, and `jobs` whose state or log has
    changed. `missed`: not all of it is known, anything may have changed."""

    groups: frozenset[str] = frozenset()
    jobs: frozenset[str] = frozenset()
    missed: bool = False


class Jobs(Protocol):
    """The states of jobs."""

    async def add(self, job: DurableJob, now: float) -> Added:
        """Keep a new job, with a `queued` event in its log, or find the one that stands for it (see `Added`).

        It begins as QUEUED; as WAITING while a parent has not ended; as FAILED where a parent has ended otherwise than
        by success.

        Raises:
            JobNotFound: a parent isn't there.
        """

    async def add_all(self, jobs: Sequence[DurableJob], now: float) -> list[Added | FarhandError]:
        """`add` of each, in any order, whatever becomes of the others: what it answers or raises."""

    async def get(self, id: str) -> KeptJob | None:
        """The job; None if there is none of this id."""

    async def find(self, wanted: Filter) -> list[KeptJob]:
        """The jobs that fit."""

    async def claim(self, wanted: Claim, now: float) -> list[KeptJob]:
        """Take QUEUED jobs whose `run_at` has come: the highest priority first, then the earliest `run_at`, then the
        lowest id. Each becomes ASSIGNED, with its epoch and attempt raised by one, the worker and the lease."""

    async def change(self, change: Change, now: float) -> KeptJob | None:
        """Make a move; the job after it. None: the state or the epoch was another, and nothing was done."""

    async def change_all(self, changes: Sequence[Change], now: float) -> list[KeptJob | FarhandError | None]:
        """`change` of each, whatever becomes of the others: what it answers or raises."""

    async def renew(self, leases: Sequence[Lease], until: float) -> list[bool]:
        """Extend leases; which of them still hold: their job is leased, with this epoch."""

    async def adopt(self, lease: Lease, worker: str, until: float) -> KeptJob | None:
        """Make a lease that holds `worker`'s, to last `until`: the job, with its epoch raised by one, so that whoever
        had the lease before can write no more. None: it doesn't hold, and nothing was done."""

    async def overdue(self, now: float, limit: int) -> list[KeptJob]:
        """Jobs that need a decision: a lease that is over, or `end_by` passed and not ended, or `begin_by` passed and
        still WAITING or QUEUED with no attempt made."""

    async def wake_at(self, now: float) -> float | None:
        """The earliest time after `now` at which a QUEUED job's `run_at` comes or something becomes overdue."""

    async def uncache(self, handler: str, cache_key: str = "") -> int:
        """Let finished jobs of a handler answer no more, all or those of one key; how many there were."""


class Queues(Protocol):
    """What there is of jobs, by group."""

    async def waiting(self) -> dict[str, int]:
        """How many jobs are QUEUED or WAITING, by group."""

    async def due(self, wanted: Claim, now: float) -> list[KeptJob]:
        """What `claim` would take now, in its order, as it is: nothing is taken."""

    async def tally(self, group: str) -> dict[State, int]:
        """How many jobs of a group are in each state that some are in."""


class Logs(Protocol):
    """The logs of jobs."""

    async def append(self, lease: Lease, said: Sequence[Said], now: float) -> int | None:
        """Add events of an attempt; the offset of the first. None: the lease isn't the job's any more."""

    async def read(self, id: str, offset: int, limit: int, size: int = READ_SIZE) -> list[Entry]:
        """Entries from `offset` on, in order: at most `limit`, and none after those that take `size` bytes together;
        but at least one if there is one. An offset that is pruned gives those from the first one that is kept."""

    async def trim(self, id: str, upto: int, cut: int) -> bool:
        """Delete the entries of a log before `upto`, which is its `first` from then on, and keep its `cut`; whether it
        was done. False: there is no such job, nothing is before `upto`, or it is past the last entry, which stays."""


class Keeping(Protocol):
    """How long jobs are kept that have ended."""

    async def declare(self, declared: Sequence[Declared]) -> None:
        """Remember what is declared, in place of what was for the same groups and handlers."""

    async def declared(self) -> list[Declared]:
        """All that is declared, by group and handler."""

    async def history(self) -> list[History]:
        """The handlers that have ended jobs, by name."""

    async def surplus(self, handler: str, keep: int) -> Mark | None:
        """The newest ended job that is not among the handler's `keep` newest ended ones; None: there is none."""

    async def prune(self, wanted: Prune) -> Pruned:
        """Delete jobs with their logs, the oldest first, unless a child of theirs has not ended, a key still finds
        them, or a cache entry does for a time of its own. One that answers for as long as it is kept keeps none."""


class Schedules(Protocol):
    """The schedules."""

    async def put_schedule(self, schedule: Schedule) -> None:
        """Keep a schedule. One of its name keeps its `fired` and `last`, and its `next_at` unless its cron or timezone
        has changed."""

    async def drop_schedule(self, name: str) -> bool:
        """Forget one; whether it was there."""

    async def schedules(self) -> list[Schedule]:
        """All, by name."""

    async def fire(self, name: str, fired: int, next_at: float, job: DurableJob | None, now: float) -> bool:
        """Set the next time of a schedule that has fired `fired` times until now, and add the job of a firing if there
        is one; whether it was done. False: another hub was first, or the schedule is gone."""


class Records(Protocol):
    """Small things that a hub has to know again after a restart, of a kind each, by key."""

    async def put_record(self, kind: str, key: str, value: bytes) -> None:
        """Keep one, in place of one of its key."""

    async def record(self, kind: str, key: str) -> bytes | None:
        """One of them; None if there is none."""

    async def records(self, kind: str) -> dict[str, bytes]:
        """All of a kind, by key."""

    async def drop_record(self, kind: str, key: str) -> bool:
        """Forget one; whether it was there."""


class Store(Jobs, Queues, Logs, Keeping, Schedules, Records, Protocol):
    """All of it. `shared` says whether several hubs may use it at once; if not, a hub that opens it knows that whoever
    held a lease is gone."""

    @property
    def shared(self) -> bool: ...

    def now(self) -> float:
        """The store's clock."""

    def listen(self, hear: Callable[[News], None]) -> None:
        """Call `hear` with what other hubs do, on the event loop, soon after it was done. It is a hint, which may come
        late or never: whoever needs to know looks too. A store that isn't `shared` has nothing to say."""

    async def close(self) -> None:
        """Finish what was asked for, and let go."""
