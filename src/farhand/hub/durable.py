"""Durable jobs: kept in a store, run as calls of the hub's own, and followed from any offset.

An attempt of a durable job is a call whose caller is this room: `claiming` takes the job, `attempts` records what its
call says, `leases` extends what it holds. Whoever watches reads the store, never the call, so that what is seen is what
is kept.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Collection, Coroutine, Sequence
from itertools import zip_longest
from typing import Any

from farhand.core.lifecycle import Move, sources
from farhand.errors import FarhandError, InvalidArguments, JobNotFound, Unavailable
from farhand.hub import chores
from farhand.hub.adopting import Adopting
from farhand.hub.attempts import Attempts
from farhand.hub.chores import Troubles
from farhand.hub.claiming import Claiming
from farhand.hub.declarations import Declarations
from farhand.hub.elsewhere import Elsewhere
from farhand.hub.following import Follow, Following
from farhand.hub.ids import Ids
from farhand.hub.leases import LEASE, Leases
from farhand.hub.ordering import durable_job
from farhand.hub.pruning import KEEP, Pruning
from farhand.hub.pulling import Pulling, is_pulled
from farhand.hub.recalling import Recalling
from farhand.hub.retries import anew
from farhand.hub.runners import Runners
from farhand.hub.schedules import Schedules
from farhand.hub.service import Hub, Sink
from farhand.hub.sweeping import Sweeping
from farhand.hub.transfers import GIVEN, Transfers
from farhand.model.durable import DurableJob, Entry, Keep, KeptJob, Said
from farhand.model.event import Event, Fault, Kind, to_error
from farhand.model.limits import LIST_LIMIT
from farhand.model.order import Order
from farhand.model.payload import Media
from farhand.model.ref import Ref
from farhand.model.state import State
from farhand.model.worker import Hold, WorkerInfo
from farhand.ports.store import Added, Change, Filter, News, Store

_REF, _NO_VALUE = int(Media.REF), int(Media.NONE)


class Durables:
    """The durable jobs of a hub. All calls belong to the hub's event loop."""

    def __init__(self, hub: Hub, store: Store, lease: float = LEASE, keep: Keep = KEEP) -> None:
        self._hub = hub
        self._store = store
        self._new_id = Ids()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._loops: list[asyncio.Task[None]] = []
        self._troubles = Troubles()
        self._following = Following(store, self.track)
        self._attempts = Attempts(hub, store, self._following, self.track, self._wake)
        self._leases = Leases(store, self._attempts, lease, self._troubles)
        self._claiming = Claiming(hub, store, self._attempts, lease, self._troubles)
        self._adopting = Adopting(hub, store, self._attempts, lease)
        self._elsewhere = Elsewhere(store, self._attempts.by_job, self._attempts.cancel, self._attempts.lose_job)
        self._pruning = Pruning(store, self._attempts, keep, self._troubles)
        self.sweeping = Sweeping(store, hub.transfers, self._troubles)
        self.declarations = Declarations()
        self.schedules = Schedules(store, self._wake)
        self.pulling = Pulling(hub, store, self._attempts, self._wake)
        self.recalling = Recalling(store, self.submit)
        self.runners = Runners(store)
        hub.on_join = self._hear_of
        hub.on_hold = self._take_up
        hub.lease = lease

    # -- its life ----------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin to claim, renew and look after."""
        self._hub.on_room = self._wake
        self._store.listen(self._hear)
        chores = (
            self._claiming.run(),
            self._leases.renewing(),
            self._leases.looking(),
            self._looking(),
            self.schedules.run(),
            self._pruning.declaring(),
            self._pruning.pruning(),
            self._pruning.trimming(),
            self.sweeping.run(),
            self.recalling.tidying(self._troubles),
        )
        self._loops = [asyncio.get_running_loop().create_task(chore) for chore in chores]

    async def stop(self) -> None:
        """Record what has come, and let go. Attempts that still run keep their leases, which then run out."""
        self._hub.on_room = None
        for task in self._loops:
            task.cancel()
        await asyncio.gather(*self._loops, return_exceptions=True)
        self._attempts.stop()
        self._adopting.stop()
        while self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._store.close()

    def _wake(self) -> None:
        self._claiming.wake()

    def _hear_of(self, info: WorkerInfo) -> None:
        self.declarations.hear(info)
        self.schedules.hear(info)
        self._pruning.hear(info)

    def _take_up(self, link: int, info: WorkerInfo, holds: Sequence[Hold]) -> None:
        for hold in holds:
            self.track(self._adopting.adopt(link, info, hold))

    def track(self, work: Coroutine[Any, Any, None]) -> None:
        """Run something that nobody waits for but `stop`."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # -- for callers -------------------------------------------------------------------------------------------------

    @property
    def transfers(self) -> Transfers:
        """The hub's large payloads."""
        return self._hub.transfers

    def now(self) -> float:
        """The store's clock."""
        return self._store.now()

    async def order(self, order: Order) -> Added:
        """Keep the job that is asked for; it is committed when this returns.

        Raises:
            FarhandError: it isn't kept, as the class says.
        """
        return await self.submit(self.job_of(order))

    def job_of(self, order: Order) -> DurableJob:
        """The job that is asked for, to be submitted.

        Raises:
            FarhandError: it makes no sense, or is too large.
        """
        declared = self.declarations.of(order.group or "default", order.handler)
        id = self._hub.transfers.uploaded(order.args) if order.args.media == _REF else ""
        return durable_job(order, id or self._new_id(), self._store.now(), declared)

    async def submit(self, job: DurableJob) -> Added:
        """Keep a job; it is committed when this returns.

        Raises:
            Unavailable: the hub is stopping.
            JobNotFound: a job it is to come after isn't there.
        """
        (added,) = await self.submit_all((job,))
        if isinstance(added, FarhandError):
            raise added
        return added

    async def submit_all(self, jobs: Sequence[DurableJob]) -> list[Added | FarhandError]:
        """Keep jobs, as `submit` does; what becomes of each.

        Raises:
            Unavailable: the hub is stopping.
        """
        self._hub.check_open()
        shared = self._store.shared
        if not shared:
            self._wake()  # the one writer takes the claim behind these jobs, into the same commit
            for job in jobs:
                if not job.after:  # its parents may end it
                    self._following.adding(job.id)
        kept: list[Added | FarhandError] = []
        try:
            kept = await self._store.add_all(jobs, self._store.now())
        finally:
            for job, added in zip_longest(jobs, kept):
                if not isinstance(added, Added) or added.how != "new":
                    self._following.not_added(job.id)
        if shared and any(isinstance(added, Added) and added.how == "new" for added in kept):
            self._wake()
        return kept

    async def get(self, id: str) -> KeptJob:
        """The job as it is now.

        Raises:
            JobNotFound: there is none.
        """
        kept = await self._store.get(id)
        if kept is None:
            raise JobNotFound(f"there is no durable job {id[:80]!r}, or not any more")
        return kept

    async def ref(self, id: str, seconds: float = GIVEN) -> Ref:
        """A ref to a job's result, by which it may be fetched for so many seconds.

        Raises:
            JobNotFound: there is no such job.
            InvalidArguments: it hasn't ended, or it streamed, so that its result is in its log.
            FarhandError: it ended otherwise than by success, as the class says.
        """
        kept = await self.get(id)
        if kept.last is None:
            raise InvalidArguments(f"job {id} has not ended: wait for its result first")
        if kept.last.fault is not None:
            raise to_error(kept.last.fault, kept.last.outcome)
        if kept.last.payload.media == _NO_VALUE:
            raise InvalidArguments(f"job {id} streamed its result, which is in its log: watch it from offset 0")
        return await self._hub.transfers.give(kept.job.id, kept.last.payload, seconds)

    async def waiting(self) -> dict[str, int]:
        """How many jobs wait in the store, by group."""
        return await self._store.waiting()

    async def tally(self, group: str) -> dict[State, int]:
        """How many jobs of a group are in each state."""
        return await self._store.tally(group)

    async def find(self, wanted: Filter) -> list[KeptJob]:
        """The jobs that fit, newest first.

        Raises:
            InvalidArguments: more are asked for than a listing may have.
        """
        if wanted.limit > LIST_LIMIT:
            raise InvalidArguments(f"limit is at most {LIST_LIMIT:,}, not {wanted.limit:,}")
        return await self._store.find(wanted)

    async def cancel(self, id: str) -> KeptJob:
        """Ask for a job's end and wait for it; the job as it ended, which may be otherwise than by the cancel.

        Raises:
            JobNotFound: there is none.
        """
        kept = await self.get(id)
        fault = Fault("CANCELLED", f"{kept.job.handler!r} was cancelled before it began")
        never = Said(Event(Kind.CANCELLED, fault=fault, outcome="not_started"))
        early = frozenset({State.WAITING, State.QUEUED})
        if await self._attempts.change(Change(id=id, sources=early, to=State.CANCELLED, said=(never,))) is None:
            stopping = await self._attempts.change(Change(id=id, sources=sources(Move.CANCEL), to=State.CANCELLING))
            if stopping is not None and is_pulled(stopping):
                await self.pulling.cancelled(stopping)
            self._attempts.cancel(id)
        async with contextlib.aclosing(self.attach(id, kept.offset)) as log:
            async for _ in log:
                pass
        return await self.get(id)

    async def retry(self, id: str) -> Added:
        """Start an ended job anew, as a job of its own that says which it starts anew. What it came after, it comes
        after again: after the newest retries of those (see `retries`).

        Raises:
            JobNotFound: there is none; or one whose result it takes is not there any more.
            InvalidArguments: it has not ended.
        """
        kept = await self.get(id)
        if kept.ended is None:
            raise InvalidArguments(f"job {id} is {kept.state}: only what has ended can be started anew")
        return await self.submit(await anew(self._store, kept.job, self._new_id()))

    async def fire(self, name: str) -> KeptJob:
        """Add a job of a schedule now, whatever its time.

        Raises:
            ScheduleNotFound: there is none of this name.
            Unavailable: others fired it again and again meanwhile.
        """
        return await self.schedules.fire(name, self._new_id())

    async def uncache(self, handler: str, cache_key: str = "") -> int:
        """Let finished jobs of a handler answer for equal work no more, all or those of one key; how many there
        were."""
        return await self._store.uncache(handler, cache_key)

    async def attach(self, id: str, offset: int) -> AsyncGenerator[Entry, None]:
        """The job's log from `offset` on: what is there, then what comes, up to its end.

        Raises:
            JobNotFound: there is none.
            LogPruned: the log begins later by now.
        """
        async with contextlib.aclosing(self._following.log(id, offset)) as log:
            async for entry in log:
                yield entry

    def pages(self, id: str, offset: int, idle: float) -> AsyncGenerator[list[Entry], None]:
        """As `attach`, in pages of what the store gives at once; an empty one where nothing came for `idle` seconds.

        Raises:
            JobNotFound: there is none.
        """
        return self._following.pages(id, offset, idle)

    def follow(self, id: str, sink: Sink, tag: int, window: int) -> Follow:
        """Tell `sink` of the job's end once it is kept, after the chunks of its last attempt, of which `window` bytes
        are taken before more is granted. An unknown job ends as FAILED with JOB_NOT_FOUND."""
        attempt = self._attempts.by_job.get(id)
        return self._following.end(id, sink, tag, window, attempt is not None and not attempt.over)

    def _hear(self, news: News) -> None:
        """Another hub on the store has done something."""
        if news.groups or news.missed:
            self._wake()
        self._following.hear(news)
        own = self._attempts.by_job
        if mine := list(own) if news.missed else own.keys() & news.jobs:
            self.track(self._heed(mine))

    async def _heed(self, own: Collection[str]) -> None:
        with self._troubles.excused("what another hub changed can't be looked up; it is seen later"):
            await self._elsewhere.heed(own)

    async def _looking(self) -> None:
        """See what other hubs did, should their news not have come."""
        while True:
            await asyncio.sleep(chores.LOOK_EVERY)
            with self._troubles.excused("jobs that other hubs cancelled can't be looked up; trying again"):
                await self._elsewhere.look()
            with self._troubles.excused("jobs that are followed can't be looked up; trying again"):
                await self._following.look(self._attempts.by_job)


def kept_by(durables: Durables | None) -> Durables:
    """The durable jobs of a hub that may have none.

    Raises:
        Unavailable: it keeps none.
    """
    if durables is None:
        raise Unavailable("this hub keeps no durable jobs: start it with a store", retryable=False)
    return durables
