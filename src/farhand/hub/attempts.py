"""The attempts of durable jobs at this hub: what they say is recorded, and what their ends lead to is done.

An attempt is a call of the hub's own, whose sink is here. What it says is written while its lease holds, guarded by
the lease's epoch; whoever watches the job reads the store.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Coroutine
from typing import Any

import structlog

from farhand.core import events as on
from farhand.core.caching import answers
from farhand.core.lifecycle import Move, after, sources
from farhand.core.retrying import Verdict, judge
from farhand.errors import FarhandError
from farhand.hub.following import Following
from farhand.hub.holding import Holding
from farhand.hub.service import Hub
from farhand.model.durable import KeptJob, Said
from farhand.model.event import Event, Fault, Kind, to_fault
from farhand.model.limits import CHUNK_OVERHEAD
from farhand.model.state import ENDS, LEASED, State
from farhand.ports.store import Change, Lease, Store

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

    def __init__(self, owner: Attempts, kept: KeptJob) -> None:
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
            self.owner.say(self)

    def refuse(self, error: FarhandError) -> None:
        """It can't begin."""
        fault = to_fault(error)
        self.deliver(0, Event(Kind.FAILED, fault=fault), 0)


def may_return(event: Event) -> bool:
    """Whether this end only says that the worker was lost, which may be back with the attempt."""
    return event.fault is not None and event.fault.details.get("may_return") is True


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
        self._hub = hub
        self._store = store
        self._following = following
        self._track = track
        self._wake = wake
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

    def say(self, attempt: Attempt) -> None:
        """Write what an attempt has said, soon."""
        self._track(self._record(attempt))

    async def _record(self, attempt: Attempt) -> None:
        """Write what an attempt has said, in as few writes as it comes, until nothing more waits."""
        try:
            while attempt.said and not attempt.over:
                said, attempt.said, attempt.chatter = tuple(attempt.said), [], 0
                if may_return(said[-1].event):
                    await self._let_go(attempt, said[:-1])
                elif said[-1].event.kind.final:
                    await self._finish(attempt, said)
                elif not await self._go_on(attempt, said):
                    self.lose(attempt)
        except FarhandError as error:
            self._log.warning("what a job says can't be kept; it is given up", job=attempt.lease.id, why=error.message)
            self.lose(attempt)
        except Exception:
            self._log.exception("a job's events can't be kept", job=attempt.kept.job.id)
            self.lose(attempt)
        finally:
            attempt.recording = False

    async def _go_on(self, attempt: Attempt, said: tuple[Said, ...]) -> bool:
        """Keep events before the end; whether the attempt still has its lease."""

        async def write() -> int | None:
            id, epoch = attempt.lease.id, attempt.lease.epoch
            if said[0].event.kind is Kind.STARTED:
                change = Change(id=id, sources=frozenset({State.ASSIGNED}), to=State.RUNNING, epoch=epoch, said=said)
                if await self.change(change) is not None:
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

    async def _let_go(self, attempt: Attempt, said: tuple[Said, ...]) -> None:
        """Its worker was lost, and may come back with it while its lease holds; else the lease's end decides."""
        if said and not await self._go_on(attempt, said):
            self.lose(attempt)
        self.drop(attempt)

    async def _finish(self, attempt: Attempt, said: tuple[Said, ...]) -> None:
        kept, now = attempt.kept, self._store.now()
        verdict = judge(
            kept.job.retries, kept.attempt, said[-1].event, now, random.random(), to_the_end=attempt.to_the_end
        )

        async def write() -> None:
            await self.settle(kept, verdict, said)  # fenced by the state it moves from, so it may be done again

        await self._holding.write(attempt, True, write, write)
        if not attempt.over:
            self.drop(attempt)
            self._hub.release(attempt.call)

    # -- moves -------------------------------------------------------------------------------------------------------

    async def settle(self, kept: KeptJob, verdict: Verdict, said: tuple[Said, ...]) -> None:
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
        if await self.change(change) is None and verdict.move is Move.RETRY:
            fault = Fault("CANCELLED", f"{kept.job.handler!r} was cancelled, and its attempt was lost meanwhile")
            stopped = Said(Event(Kind.CANCELLED, fault=fault, outcome="unconfirmed"))
            only = frozenset({State.CANCELLING})
            await self.change(
                Change(id=kept.job.id, sources=only, to=State.CANCELLED, epoch=kept.epoch, said=(*before, stopped))
            )
        self._wake()

    async def change(self, change: Change) -> KeptJob | None:
        """Make a move and tell those who follow the job; the job after it, None where it could not be made."""
        kept = await self._store.change(change, self._store.now())
        if kept is not None:
            self._following.changed(change.id)
            if change.to in ENDS:
                self._following.ended(kept, change.said[-1].number)
                if self._hub.meter is not None:
                    self._hub.meter.kept(kept.job.handler, kept.job.group, change.to.value)
        return kept

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
        if self.by_job.get(attempt.kept.job.id) is attempt:
            del self.by_job[attempt.kept.job.id]

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
