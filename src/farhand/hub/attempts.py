"""The attempts of durable jobs at this hub: what they say is recorded, and what their ends lead to is done.

An attempt is a call of the hub's own, whose sink is here. What it says is written while its lease holds, guarded by
the lease's epoch; whoever watches the job reads the store.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import structlog

from farhand.core import events as on
from farhand.core.caching import answers
from farhand.core.lifecycle import Move, after, sources
from farhand.core.pacing import Pacing
from farhand.core.retrying import Verdict, judge
from farhand.errors import FarhandError
from farhand.hub.following import Following
from farhand.hub.holding import Holding
from farhand.hub.service import Hub
from farhand.model.durable import KeptJob, Said
from farhand.model.event import Event, Fault, Kind, to_fault
from farhand.model.limits import PACE
from farhand.model.payload import chunk_cost
from farhand.model.state import ENDS, LEASED, State
from farhand.ports.store import Change, Lease, Store


class Attempt:
    """One try of a durable job on this hub, and the sink of its call."""

    __slots__ = (
        "call",
        "held_until",
        "kept",
        "offset",
        "over",
        "owner",
        "pacing",
        "recording",
        "timer",
        "to_the_end",
        "unwanted",
    )

    def __init__(self, owner: Attempts, kept: KeptJob) -> None:
        self.owner = owner
        self.kept = kept
        self.call = ""
        self.pacing = Pacing()
        self.timer: asyncio.TimerHandle | None = None
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
        """Take an event of the call; it is recorded when it is due."""
        if self.over:
            return
        self.pacing.say(Said(event, number))
        if not self.recording:
            self.owner.attend(self)

    def refuse(self, error: FarhandError) -> None:
        """It can't begin."""
        fault = to_fault(error)
        self.deliver(0, Event(Kind.FAILED, fault=fault), 0)


def may_return(event: Event) -> bool:
    """Whether this end only says that the worker was lost, which may be back with the attempt."""
    return event.fault is not None and event.fault.details.get("may_return") is True


def move_of(kept: KeptJob, verdict: Verdict, said: tuple[Said, ...]) -> Change:
    """The move that an attempt's end, the last of `said`, leads to."""
    before, end = said[:-1], said[-1]
    to = after(State.RUNNING, verdict.move)
    if verdict.event is not None:
        last = Said(verdict.event, end.number)
    else:
        assert end.event.fault is not None
        text = f"attempt {kept.attempt} failed and is tried again: {end.event.fault.message}\n"
        last = Said(Event(Kind.CONSOLE, text=text))
    return Change(
        id=kept.job.id,
        sources=sources(verdict.move),
        to=to,
        epoch=kept.epoch,
        said=(*before, last),
        run_at=verdict.run_at,
        answers=answers(kept.job, to),
        worker=said[0].event.worker,  # where it began and ended in one
    )


class Attempts:
    """All of one hub. `track` runs what nobody waits for; `wake` is called when there may be room for a claim."""

    def __init__(
        self,
        hub: Hub,
        store: Store,
        following: Following,
        track: Callable[[Coroutine[Any, Any, None]], None],
        wake: Callable[[], None],
    ) -> None:
        self.by_job: dict[str, Attempt] = {}
        self.on_drop: Callable[[Attempt], None] | None = None
        self._hub = hub
        self._store = store
        self._following = following
        self._track = track
        self._wake = wake
        self._due: list[Attempt] = []
        self._holding = Holding(store.now, store.shared)
        self._log = structlog.get_logger("farhand.durable")

    def add(self, attempt: Attempt) -> None:
        """A job was claimed or taken up; what another attempt of it has yet to say, its epoch keeps from being
        written."""
        before = self.by_job.get(attempt.kept.job.id)
        if before is not None:
            before.over = True
        self.by_job[attempt.kept.job.id] = attempt

    def stop(self) -> None:
        """Hold nothing more for a store that is away."""
        self._holding.stop()

    # -- what they say -----------------------------------------------------------------------------------------------

    def attend(self, attempt: Attempt) -> None:
        """Write what an attempt has said, once it is due. It isn't being recorded now."""
        due = attempt.pacing.wake_at()
        if due is None:
            return
        wait = due - self._store.now()
        if wait <= 0:
            attempt.recording = True
            self._due.append(attempt)
            if len(self._due) == 1:
                self._track(self._record_due())
        elif attempt.timer is None:
            wait = min(wait, PACE)  # the store's clock may have been set back
            attempt.timer = asyncio.get_running_loop().call_later(wait, self._attend_again, attempt)

    def _attend_again(self, attempt: Attempt) -> None:
        attempt.timer = None
        if not attempt.recording and not attempt.over:
            self.attend(attempt)

    async def _record_due(self) -> None:
        """Write what the attempts of this turn have said: ends together, everything else each for itself."""
        due, self._due = self._due, []
        ended: list[tuple[Attempt, tuple[Said, ...]]] = []
        now = self._store.now()
        for attempt in due:
            said = attempt.pacing.take(now)
            if said and said[-1].event.kind.final and not may_return(said[-1].event):
                ended.append((attempt, said))
            else:
                self._track(self._record(attempt, said, now))
        if len(ended) == 1:
            await self._record(*ended[0], now)
        elif ended:
            await self._finish_all(ended, now)

    async def _finish_all(self, ended: Sequence[tuple[Attempt, tuple[Said, ...]]], now: float) -> None:
        """As `_finish` of each; where one isn't done by its first write, it goes on for itself."""
        changes = [self._ending(attempt, said, now)[1] for attempt, said in ended]
        kept: Sequence[KeptJob | FarhandError | None] = [None] * len(ended)
        with contextlib.suppress(Exception):  # each is told its own
            kept = await self._store.change_all(changes, now)
        for (attempt, said), change, one in zip(ended, changes, kept, strict=True):
            if isinstance(one, KeptJob):
                self._tell(change, one)
                attempt.recording = False
                self._let_end(attempt, len(change.said))
            else:
                self._track(self._record(attempt, said, now))
        self._wake()

    async def _record(self, attempt: Attempt, said: tuple[Said, ...], now: float) -> None:
        """Write what an attempt has said, in as few writes as it comes, until nothing more is due."""
        try:
            while said and not attempt.over:
                if may_return(said[-1].event):
                    await self._let_go(attempt, said[:-1], now)
                elif said[-1].event.kind.final:
                    await self._finish(attempt, said)
                elif not await self._go_on(attempt, said, now):
                    self.lose(attempt)
                said = () if attempt.over else attempt.pacing.take(now := self._store.now())
        except FarhandError as error:
            self._log.warning("what a job says can't be kept; it is given up", job=attempt.lease.id, why=error.message)
            self.lose(attempt)
        except Exception:
            self._log.exception("a job's events can't be kept", job=attempt.kept.job.id)
            self.lose(attempt)
        finally:
            attempt.recording = False
            if not attempt.over:
                self.attend(attempt)

    async def _go_on(self, attempt: Attempt, said: tuple[Said, ...], now: float) -> bool:
        """Keep events before the end, as said at `now`; whether the attempt still has its lease."""

        async def write() -> int | None:
            id, epoch = attempt.lease.id, attempt.lease.epoch
            if said[0].event.kind is Kind.STARTED:
                change = Change(
                    id=id,
                    sources=frozenset({State.ASSIGNED}),
                    to=State.RUNNING,
                    epoch=epoch,
                    said=said,
                    worker=said[0].event.worker,
                )
                if await self.change(change, now) is not None:
                    return attempt.offset
            return await self._store.append(attempt.lease, said, now)

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
        read = sum(chunk_cost(one.event.payload) for one in said if one.event.kind is Kind.CHUNK)
        if read and self._hub.knows(attempt.call):
            self._hub.tell(on.Granted(attempt.call, read))
        return True

    async def _let_go(self, attempt: Attempt, said: tuple[Said, ...], now: float) -> None:
        """Its worker was lost, and may come back with it while its lease holds; else the lease's end decides."""
        if said and not await self._go_on(attempt, said, now):
            self.lose(attempt)
        self.drop(attempt)

    async def _finish(self, attempt: Attempt, said: tuple[Said, ...]) -> None:
        verdict, change = self._ending(attempt, said, self._store.now())

        async def write() -> None:
            # fenced by the state it moves from, so it may be done again
            await self._settle(attempt.kept, change, verdict, said)

        await self._holding.write(attempt, True, write, write)
        self._let_end(attempt, len(said))

    def _let_end(self, attempt: Attempt, said: int) -> None:
        """Its end is kept, with so many events."""
        attempt.offset += said
        if not attempt.over:
            self.drop(attempt)
            self._hub.release(attempt.call)

    def _ending(self, attempt: Attempt, said: tuple[Said, ...], now: float) -> tuple[Verdict, Change]:
        kept, last, chance = attempt.kept, said[-1].event, random.random()
        verdict = judge(kept.job.retries, kept.attempt, last, now, chance, to_the_end=attempt.to_the_end)
        return verdict, move_of(kept, verdict, said)

    # -- moves -------------------------------------------------------------------------------------------------------

    async def settle(self, kept: KeptJob, verdict: Verdict, said: tuple[Said, ...]) -> None:
        """Make the move that an attempt's end leads to; one that was being cancelled has then been cancelled."""
        await self._settle(kept, move_of(kept, verdict, said), verdict, said)

    async def _settle(self, kept: KeptJob, change: Change, verdict: Verdict, said: tuple[Said, ...]) -> None:
        if await self.change(change) is None and verdict.move is Move.RETRY:
            fault = Fault("CANCELLED", f"{kept.job.handler!r} was cancelled, and its attempt was lost meanwhile")
            stopped = Said(Event(Kind.CANCELLED, fault=fault, outcome="unconfirmed"))
            only = frozenset({State.CANCELLING})
            await self.change(
                Change(id=change.id, sources=only, to=State.CANCELLED, epoch=change.epoch, said=(*said[:-1], stopped))
            )
        self._wake()

    async def change(self, change: Change, now: float | None = None) -> KeptJob | None:
        """Make a move and tell those who follow the job; the job after it, None where it could not be made. `now` is by
        the store's clock, which is read if it isn't given."""
        kept = await self._store.change(change, self._store.now() if now is None else now)
        if kept is not None:
            self._tell(change, kept)
        return kept

    async def append(self, lease: Lease, said: Sequence[Said], now: float) -> bool:
        """Keep what somebody else than this hub says under a lease, and tell those who follow; whether it held."""
        held = await self._store.append(lease, said, now) is not None
        if held:
            self._following.changed(lease.id)
        return held

    def _tell(self, change: Change, kept: KeptJob) -> None:
        self._following.changed(change.id)
        if change.to in ENDS:
            self._following.ended(kept, change.said[-1].number)
            if self._hub.meter is not None:
                self._hub.meter.kept(kept.job.handler, kept.job.group, change.to.value)

    # -- their leases ------------------------------------------------------------------------------------------------

    def lose(self, attempt: Attempt) -> None:
        """The lease is another's, or can't be written for: stop the handler, and record nothing more."""
        if not attempt.over:
            self.drop(attempt)
            self._hub.abandon(attempt.call)
            self._hub.release(attempt.call)
            self._hub.settle()

    def drop(self, attempt: Attempt) -> None:
        """Nothing more of it is recorded here."""
        attempt.over = True
        if attempt.timer is not None:
            attempt.timer.cancel()
            attempt.timer = None
        if self.by_job.get(attempt.kept.job.id) is attempt:
            del self.by_job[attempt.kept.job.id]
        if self.on_drop is not None:
            self.on_drop(attempt)

    def lose_job(self, id: str) -> None:
        """As `lose`, of this job's attempt, if there is one."""
        attempt = self.by_job.get(id)
        if attempt is not None:
            self.lose(attempt)

    def cancel(self, id: str) -> None:
        """Let a cancel reach the handler, if it runs at this hub."""
        attempt = self.by_job.get(id)
        if attempt is not None and not attempt.call:
            attempt.unwanted = True
        elif attempt is not None and self._hub.knows(attempt.call):
            self._hub.cancel(attempt.call)
            self._hub.settle()

    def lose_late(self, lease: float) -> None:
        """Lose those that run on the last third of their lease, which couldn't be renewed: another hub may be next."""
        late = self._store.now() + lease / 3 if self._store.shared else 0.0
        for attempt in [one for one in self.by_job.values() if one.held_until < late]:
            if self._hub.knows(attempt.call):
                self.lose(attempt)

    async def renew(self, lease: float) -> None:
        """Extend every lease by `lease` seconds from now; stop what has lost its own.

        Raises:
            FarhandError: the store is away.
        """
        attempts = [attempt for attempt in self.by_job.values() if not attempt.over]
        if not attempts:
            return
        until = self._store.now() + lease
        held = await self._store.renew([attempt.lease for attempt in attempts], until)
        for attempt, is_held in zip(attempts, held, strict=True):
            if is_held:
                attempt.held_until = until
            elif not attempt.over:
                self.lose(attempt)
