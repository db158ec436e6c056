"""Leases: those of this hub's attempts are extended while they run; what nobody holds any more is decided on."""

from __future__ import annotations

import asyncio
import random

from farhand.core.lifecycle import Move, sources
from farhand.core.retrying import judge
from farhand.hub import chores
from farhand.hub.attempts import Attempts
from farhand.hub.chores import Troubles
from farhand.model.durable import KeptJob, Said
from farhand.model.event import Event, Fault, Kind
from farhand.model.state import LEASED, State
from farhand.ports.store import Change, Store

LEASE = 30.0
"""Seconds a lease lasts, unless said otherwise; renewed RENEWALS times meanwhile."""
RENEWALS = 6
PAGE = 256


class Leases:
    """The chores of one hub about leases, of `lease` seconds."""

    def __init__(self, store: Store, attempts: Attempts, lease: float, troubles: Troubles) -> None:
        self._store = store
        self._attempts = attempts
        self._lease = lease
        self._troubles = troubles

    async def renewing(self) -> None:
        """Extend what runs here, again and again."""
        pause = self._lease / RENEWALS
        while True:
            await asyncio.sleep(pause)
            pause = min(1.0, self._lease / RENEWALS)  # until it has been done
            with self._troubles.excused("leases can't be renewed; trying again"):
                await self._attempts.renew(self._lease)
                pause = self._lease / RENEWALS
            self._attempts.lose_late(self._lease)

    async def looking(self) -> None:
        """Decide on what is overdue, again and again."""
        while True:
            await asyncio.sleep(chores.LOOK_EVERY)
            with self._troubles.excused("overdue jobs can't be looked up; trying again"):
                now = self._store.now()
                for kept in await self._store.overdue(now, PAGE):
                    await self._overdue(kept, now)

    async def _overdue(self, kept: KeptJob, now: float) -> None:
        job = kept.job
        if job.end_by <= now or (job.begin_by <= now and kept.state not in LEASED):
            began = kept.attempt > 0
            text = f"{job.handler!r} did not {'end' if began else 'begin'} within {now - job.created:.1f} s"
            fault = Fault("DEADLINE_EXCEEDED", text, False, {"dispatched": began})
            end = Said(Event(Kind.EXPIRED, fault=fault))
            await self._attempts.change(Change(id=job.id, sources=sources(Move.EXPIRE), to=State.EXPIRED, said=(end,)))
            self._attempts.lose_job(job.id)
        elif kept.state in LEASED and job.id not in self._attempts.by_job:
            await self._lapse(kept, "its lease ran out, so its worker or hub was lost")

    async def _lapse(self, kept: KeptJob, why: str) -> None:
        """An attempt is over without a word."""
        lost = Event(Kind.FAILED, fault=Fault("OUTCOME_UNKNOWN", why))
        verdict = judge(kept.job.retries, kept.attempt, lost, self._store.now(), random.random())
        await self._attempts.settle(kept, verdict, (Said(lost),))
