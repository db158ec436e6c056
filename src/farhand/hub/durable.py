"""Durable jobs: kept in a store, run as calls of the hub's own, and followed from any offset.

An attempt of a durable job is a call whose caller is this room: it claims the job, gives it to the hub, and records
what comes. Whoever watches reads the store, never the call, so that what is seen is what is kept.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncGenerator, Collection, Coroutine
from typing import Any

import structlog

from farhand.core import events as on
from farhand.core.caching import answers
from farhand.core.lifecycle import Move, after, sources
from farhand.core.retrying import Verdict, judge
from farhand.errors import FarhandError, InvalidArguments, JobNotFound
from farhand.hub.declarations import Declarations
from farhand.hub.elsewhere import Elsewhere
from farhand.hub.following import Follow, Following
from farhand.hub.holding import Holding
from farhand.hub.inputs import inputs_of
from farhand.hub.schedules import Schedules
from farhand.hub.service import Hub, Sink
from farhand.model.durable import DurableJob, Entry, KeptJob, Said
from farhand.model.event import Event, Fault, Kind
from farhand.model.job import Input
from farhand.model.limits import CHUNK_OVERHEAD, CREDIT_WINDOW
from farhand.model.state import ENDS, LEASED, State
from farhand.model.worker import WorkerInfo
from farhand.ports.store import Added, Change, Claim, Filter, Lease, News, Store

LEASE = 30.0
"""Seconds a lease lasts, unless said otherwise; renewed RENEWALS times meanwhile."""
RENEWALS = 6
LOOK_EVERY = 1.0
"""Seconds between looks at what is overdue, and at what other hubs on the same store have done."""
CLAIMS = 256
CHATTER, CHATTER_SIZE = 1_000, 1024 * 1024
"""Progress and console events of one attempt that may wait for the store, and their characters; more are dropped."""


class Attempt:
    """One try of a durable job on this hub, and the sink of its call."""

    __slots__ = (
        "call",
        "chatter",
        "held_until",
        "kept",
        "offset",
        "over",
        "owner",
        "recording",
        "said",
        "to_the_end",
        "unwanted",
    )

    def __init__(self, owner: Durables, kept: KeptJob) -> None:
        self.owner = owner
        self.kept = kept
        self.call = ""
        self.said: list[Said] = []
        self.chatter = 0
        self.offset = kept.offset
        self.held_until = kept.lease_until
        self.recording = False
        self.over = False
        self.unwanted = False
        self.to_the_end = False

    @property
    def lease(self) -> Lease:
        """Its right to write."""
        return Lease(self.kept.job.id, self.kept.epoch)

    def deliver(self, tag: int, event: Event, number: int) -> None:
        """Take an event of the call; it is recorded soon."""
        if event.kind is Kind.QUEUED or self.over:
            return
        if event.kind in (Kind.PROGRESS, Kind.CONSOLE):
            if len(self.said) > CHATTER or self.chatter > CHATTER_SIZE:
                return
            self.chatter += len(event.text)
        self.said.append(Said(event, number))
        if not self.recording:
            self.recording = True
            self.owner.track(self.owner.record(self))

    def refuse(self, error: FarhandError) -> None:
        """It can't begin."""
        fault = Fault(error.code, error.message, error.retryable, error.details)
        self.deliver(0, Event(Kind.FAILED, fault=fault), 0)


class Durables:
    """The durable jobs of a hub. All calls belong to the hub's event loop."""

    def __init__(self, hub: Hub, store: Store, lease: float = LEASE) -> None:
        self._hub = hub
        self._store = store
        self._lease = lease
        self.declarations = Declarations()
        self.schedules = Schedules(store, lambda: self._work.set())
        hub.on_join = self._hear_of
        self._attempts: dict[str, Attempt] = {}
        self._following = Following(store, self.track)
        self._work = asyncio.Event()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._loops: list[asyncio.Task[None]] = []
        self._troubles: set[str] = set()
        self._holding = Holding(store.now, store.shared)
        self._elsewhere = Elsewhere(store, self._attempts, self._stop_attempt, self._lose_attempt)
        self._log = structlog.get_logger("farhand.durable")

    # -- its life ----------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin to claim, renew and look after."""
        self._hub.on_room = self._work.set
        self._store.listen(self._hear)
        self._work.set()
        chores = (self._claiming(), self._renewing(), self._looking(), self.schedules.run())
        self._loops = [asyncio.get_running_loop().create_task(chore) for chore in chores]

    async def stop(self) -> None:
        """Record what has come, and let go. Attempts that still run keep their leases, which then run out."""
        self._hub.on_room = None
        for task in self._loops:
            task.cancel()
        await asyncio.gather(*self._loops, return_exceptions=True)
        self._holding.stop()
        while self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._store.close()

    def _hear_of(self, info: WorkerInfo) -> None:
        self.declarations.hear(info)
        self.schedules.hear(info)

    def track(self, work: Coroutine[Any, Any, None]) -> None:
        """Run something that nobody waits for but `stop`."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # -- for callers -------------------------------------------------------------------------------------------------

    def now(self) -> float:
        """The store's clock."""
        return self._store.now()

    async def submit(self, job: DurableJob) -> Added:
        """Keep a job; it is committed when this returns.

        Raises:
            Unavailable: the hub is stopping.
            JobNotFound: a job it is to come after isn't there.
        """
        self._hub.check_open()
        if not self._store.shared:
            self._work.set()  # the one writer takes the claim behind this job, into the same commit
        added = await self._store.add(job, self._store.now())
        if self._store.shared and added.how == "new":
            self._work.set()
        return added

    async def get(self, id: str) -> KeptJob:
        """The job as it is now.

        Raises:
            JobNotFound: there is none.
        """
        kept = await self._store.get(id)
        if kept is None:
            raise JobNotFound(f"there is no durable job {id[:80]!r}")
        return kept

    async def find(self, wanted: Filter) -> list[KeptJob]:
        """The jobs that fit, newest first."""
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
        if await self._change(Change(id=id, sources=early, to=State.CANCELLED, said=(never,))) is None:
            await self._change(Change(id=id, sources=sources(Move.CANCEL), to=State.CANCELLING))
            self._stop_attempt(id)
        async with contextlib.aclosing(self.attach(id, kept.offset)) as log:
            async for _ in log:
                pass
        return await self.get(id)

    async def retry(self, id: str, new_id: str) -> Added:
        """Start an ended job anew, as a job of its own that says which it starts anew.

        Raises:
            JobNotFound: there is none.
            InvalidArguments: it has not ended.
        """
        kept = await self.get(id)
        if kept.ended is None:
            raise InvalidArguments(f"job {id} is {kept.state}: only what has ended can be started anew")
        now, old = self._store.now(), kept.job
        return await self.submit(
            DurableJob(
                id=new_id,
                handler=old.handler,
                group=old.group,
                args=old.args,
                labels=old.labels,
                priority=old.priority,
                created=now,
                run_at=now,
                begin_by=now + (old.begin_by - old.created),
                end_by=now + (old.end_by - old.created),
                run_timeout=old.run_timeout,
                retries=old.retries,
                after=tuple(dict.fromkeys(old.inputs.values())),
                inputs=old.inputs,
                retry_of=id,
            )
        )

    async def uncache(self, handler: str, cache_key: str = "") -> int:
        """Let finished jobs of a handler answer for equal work no more, all or those of one key; how many there
        were."""
        return await self._store.uncache(handler, cache_key)

    async def attach(self, id: str, offset: int) -> AsyncGenerator[Entry, None]:
        """The job's log from `offset` on: what is there, then what comes, up to its end.

        Raises:
            JobNotFound: there is none.
        """
        async with contextlib.aclosing(self._following.log(id, offset)) as log:
            async for entry in log:
                yield entry

    def follow(self, id: str, sink: Sink, tag: int, window: int) -> Follow:
        """Tell `sink` of the job's end once it is kept, after the chunks of its last attempt, of which `window` bytes
        are taken before more is granted. An unknown job ends as FAILED with JOB_NOT_FOUND."""
        attempt = self._attempts.get(id)
        return self._following.end(id, sink, tag, window, attempt is not None and not attempt.over)

    # -- what attempts say -------------------------------------------------------------------------------------------

    async def record(self, attempt: Attempt) -> None:
        """Write what an attempt has said, in as few writes as it comes, until nothing more waits."""
        try:
            while attempt.said and not attempt.over:
                said, attempt.said, attempt.chatter = tuple(attempt.said), [], 0
                if said[-1].event.kind.final:
                    await self._finish(attempt, said)
                elif not await self._go_on(attempt, said):
                    self._lose(attempt)
        except FarhandError as error:
            self._log.warning("what a job says can't be kept; it is given up", job=attempt.lease.id, why=error.message)
            self._lose(attempt)
        except Exception:
            self._log.exception("a job's events can't be kept", job=attempt.kept.job.id)
            self._lose(attempt)
        finally:
            attempt.recording = False

    async def _go_on(self, attempt: Attempt, said: tuple[Said, ...]) -> bool:
        """Keep events before the end; whether the attempt still has its lease."""

        async def write() -> int | None:
            id, epoch = attempt.lease.id, attempt.lease.epoch
            if said[0].event.kind is Kind.STARTED:
                change = Change(id=id, sources=frozenset({State.ASSIGNED}), to=State.RUNNING, epoch=epoch, said=said)
                if await self._change(change) is not None:
                    return attempt.offset
            return await self._store.append(attempt.lease, said, self._store.now())

        async def again() -> int | None:
            kept = await self._store.get(attempt.lease.id)
            if kept is None or kept.epoch != attempt.lease.epoch or kept.state not in LEASED:
                return None
            return attempt.offset if kept.offset > attempt.offset else await write()

        first = await self._holding.write(attempt, False, write, again)
        if first is None:
            return False
        attempt.offset = first + len(said)
        self._following.changed(attempt.lease.id)
        read = sum(len(one.event.payload.data) + CHUNK_OVERHEAD for one in said if one.event.kind is Kind.CHUNK)
        if read and self._hub.knows(attempt.call):
            self._hub.tell(on.Granted(attempt.call, read))
        return True

    async def _finish(self, attempt: Attempt, said: tuple[Said, ...]) -> None:
        kept, now = attempt.kept, self._store.now()
        verdict = judge(
            kept.job.retries, kept.attempt, said[-1].event, now, random.random(), to_the_end=attempt.to_the_end
        )

        async def write() -> None:
            await self._settle(kept, verdict, said)  # fenced by the state it moves from, so it may be done again

        await self._holding.write(attempt, True, write, write)
        attempt.over = True
        if self._attempts.get(kept.job.id) is attempt:
            del self._attempts[kept.job.id]
        self._work.set()

    async def _settle(self, kept: KeptJob, verdict: Verdict, said: tuple[Said, ...]) -> None:
        """Make the move that an attempt's end leads to; one that was being cancelled has then been cancelled."""
        before, end = said[:-1], said[-1]
        to = after(State.RUNNING, verdict.move)
        if verdict.event is not None:
            last = Said(verdict.event, end.number)
        else:
            assert end.event.fault is not None
            text = f"attempt {kept.attempt} failed and is tried again: {end.event.fault.message}\n"
            last = Said(Event(Kind.CONSOLE, text=text))
        change = Change(
            id=kept.job.id,
            sources=sources(verdict.move),
            to=to,
            epoch=kept.epoch,
            said=(*before, last),
            run_at=verdict.run_at,
            answers=answers(kept.job, to),
        )
        if await self._change(change) is None and verdict.move is Move.RETRY:
            fault = Fault("CANCELLED", f"{kept.job.handler!r} was cancelled, and its attempt was lost meanwhile")
            stopped = Said(Event(Kind.CANCELLED, fault=fault, outcome="unconfirmed"))
            only = frozenset({State.CANCELLING})
            await self._change(
                Change(id=kept.job.id, sources=only, to=State.CANCELLED, epoch=kept.epoch, said=(*before, stopped))
            )

    def _lose(self, attempt: Attempt) -> None:
        """The lease is another's, or can't be written for: stop the handler, and record nothing more."""
        attempt.over = True
        self._attempts.pop(attempt.kept.job.id, None)
        self._hub.abandon(attempt.call)
        self._hub.settle()

    def _lose_attempt(self, id: str) -> None:
        attempt = self._attempts.get(id)
        if attempt is not None:
            self._lose(attempt)

    def _stop_attempt(self, id: str) -> None:
        """Let a cancel reach the handler, if it runs at this hub."""
        attempt = self._attempts.get(id)
        if attempt is not None and not attempt.call:
            attempt.unwanted = True
        elif attempt is not None and self._hub.knows(attempt.call):
            self._hub.cancel(attempt.call)
            self._hub.settle()

    async def _change(self, change: Change) -> KeptJob | None:
        kept = await self._store.change(change, self._store.now())
        if kept is not None:
            self._following.changed(change.id)
            if change.to in ENDS:
                self._following.ended(kept, change.said[-1].number)
        return kept

    def _hear(self, news: News) -> None:
        """Another hub on the store has done something."""
        if news.groups or news.missed:
            self._work.set()
        self._following.hear(news)
        if own := list(self._attempts) if news.missed else self._attempts.keys() & news.jobs:
            self.track(self._heed(own))

    async def _heed(self, own: Collection[str]) -> None:
        with self._excused("what another hub changed can't be looked up; it is seen later"):
            await self._elsewhere.heed(own)

    # -- chores ------------------------------------------------------------------------------------------------------

    async def _claiming(self) -> None:
        """Give due jobs to free slots, whenever there may be both."""
        unsure = not self._store.shared
        while True:
            self._work.clear()
            claimed, done = 0, False
            with self._excused("jobs can't be claimed; trying again"):
                if unsure:
                    await self._recover()
                claimed = 0 if self._hub.draining else await self._claim()
                done = True
            unsure = not done
            if not claimed:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(LOOK_EVERY):
                        await self._work.wait()

    async def _recover(self) -> None:
        """Try again what nobody runs though it is leased: by a hub before this one, where nobody else can hold a lease
        of the store; or by a claim of this hub whose answer was lost."""
        before = ""
        while leased := await self._store.find(Filter(states=LEASED, before=before, limit=CLAIMS)):
            for kept in leased:
                own = kept.worker == self._hub.id or not self._store.shared
                if own and kept.job.id not in self._attempts:
                    await self._lapse(kept, "the hub that had it was lost")
            before = leased[-1].job.id

    async def _claim(self) -> int:
        count = 0
        for offer in self._hub.offers():
            now = self._store.now()
            wanted = Claim(
                group=offer.group,
                handlers=offer.handlers,
                labels=offer.labels,
                worker=self._hub.id,
                count=min(offer.free, CLAIMS),
                lease_until=now + self._lease,
            )
            claimed = await self._store.claim(wanted, now)
            attempts = [Attempt(self, kept) for kept in claimed]
            self._attempts |= {attempt.kept.job.id: attempt for attempt in attempts}
            for attempt in attempts:
                if not attempt.kept.job.inputs:
                    self._begin(attempt)
            await asyncio.gather(*[self._feed(attempt) for attempt in attempts if attempt.kept.job.inputs])
            count += len(claimed)
        self._hub.settle()
        return count

    async def _feed(self, attempt: Attempt) -> None:
        """Begin an attempt that takes results of other jobs, once they are read."""
        job = attempt.kept.job
        try:
            inputs = await inputs_of(self._store, job)
        except FarhandError as error:
            attempt.refuse(error)
            return
        if attempt.unwanted:
            fault = Fault("CANCELLED", f"{job.handler!r} was cancelled before it began")
            attempt.deliver(0, Event(Kind.CANCELLED, fault=fault, outcome="not_started"), 0)
        elif not attempt.over:
            self._begin(attempt, inputs)

    def _begin(self, attempt: Attempt, inputs: tuple[Input, ...] = ()) -> None:
        job = attempt.kept.job
        left = job.end_by - self._store.now()
        attempt.to_the_end = job.run_timeout is None or left <= job.run_timeout
        timeout = left if job.run_timeout is None else min(left, job.run_timeout)
        try:
            attempt.call = self._hub.submit(
                attempt,
                0,
                job.handler,
                job.args,
                timeout=max(0.001, timeout),
                group=job.group,
                priority=job.priority,
                labels=job.labels,
                window=CREDIT_WINDOW,
                events=True,
                durable=(job.id, attempt.kept.attempt),
                inputs=inputs,
            )
        except FarhandError as error:
            attempt.refuse(error)

    async def _renewing(self) -> None:
        pause = self._lease / RENEWALS
        while True:
            await asyncio.sleep(pause)
            pause = min(1.0, self._lease / RENEWALS)  # until it has been done
            with self._excused("leases can't be renewed; trying again"):
                await self._renew()
                pause = self._lease / RENEWALS

    async def _renew(self) -> None:
        attempts = [attempt for attempt in self._attempts.values() if not attempt.over]
        if not attempts:
            return
        until = self._store.now() + self._lease
        held = await self._store.renew([attempt.lease for attempt in attempts], until)
        for attempt, is_held in zip(attempts, held, strict=True):
            if is_held:
                attempt.held_until = until
            elif not attempt.over:
                self._lose(attempt)

    async def _looking(self) -> None:
        while True:
            await asyncio.sleep(LOOK_EVERY)
            with self._excused("overdue jobs can't be looked up; trying again"):
                now = self._store.now()
                for kept in await self._store.overdue(now, CLAIMS):
                    await self._overdue(kept, now)
                await self._elsewhere.look()
            with self._excused("jobs that are followed can't be looked up; trying again"):
                await self._following.look(self._attempts)

    @contextlib.contextmanager
    def _excused(self, what: str) -> Any:
        """A store that is away for a while ends no chore, and is complained of once."""
        try:
            yield
        except FarhandError as error:
            if what not in self._troubles:
                self._troubles.add(what)
                self._log.warning(what, why=error.message)
        else:
            self._troubles.discard(what)

    async def _overdue(self, kept: KeptJob, now: float) -> None:
        job = kept.job
        if job.end_by <= now or (job.begin_by <= now and kept.state not in LEASED):
            began = kept.attempt > 0
            text = f"{job.handler!r} did not {'end' if began else 'begin'} within {now - job.created:.1f} s"
            fault = Fault("DEADLINE_EXCEEDED", text, False, {"dispatched": began})
            end = Said(Event(Kind.EXPIRED, fault=fault))
            await self._change(Change(id=job.id, sources=sources(Move.EXPIRE), to=State.EXPIRED, said=(end,)))
            attempt = self._attempts.get(job.id)
            if attempt is not None:
                self._lose(attempt)
        elif kept.state in LEASED and job.id not in self._attempts:
            await self._lapse(kept, "its lease ran out, so its worker or hub was lost")

    async def _lapse(self, kept: KeptJob, why: str) -> None:
        """An attempt is over without a word."""
        lost = Event(Kind.FAILED, fault=Fault("OUTCOME_UNKNOWN", why))
        verdict = judge(kept.job.retries, kept.attempt, lost, self._store.now(), random.random())
        await self._settle(kept, verdict, (Said(lost),))
        self._work.set()
