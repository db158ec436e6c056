"""Claiming: due jobs of the store go to free slots."""

from __future__ import annotations

import asyncio
import contextlib

from farhand.errors import FarhandError
from farhand.hub import chores
from farhand.hub.attempts import Attempt, Attempts
from farhand.hub.chores import Troubles
from farhand.hub.inputs import inputs_of
from farhand.hub.service import Hub
from farhand.model.event import Event, Fault, Kind
from farhand.model.job import Input
from farhand.model.limits import CREDIT_WINDOW
from farhand.ports.store import Claim, Store

CLAIMS = 256


class Claiming:
    """The chore of one hub. `lease` is how long a claim holds, in seconds."""

    def __init__(
        self,
        hub: Hub,
        store: Store,
        attempts: Attempts,
        lease: float,
        troubles: Troubles,
    ) -> None:
        self._hub = hub
        self._store = store
        self._attempts = attempts
        self._lease = lease
        self._troubles = troubles
        self._work = asyncio.Event()

    def wake(self) -> None:
        """There may be new jobs, or new room."""
        self._work.set()

    async def run(self) -> None:
        """Give due jobs to free slots, whenever there may be both."""
        while True:
            self._work.clear()
            claimed = 0
            with self._troubles.excused("jobs can't be claimed; trying again"):
                claimed = 0 if self._hub.draining else await self._claim()
            if not claimed:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(chores.LOOK_EVERY):
                        await self._work.wait()

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
            attempts = [Attempt(self._attempts, kept) for kept in claimed]
            for attempt in attempts:
                self._attempts.add(attempt)
                if self._hub.meter is not None:
                    job = attempt.kept.job
                    self._hub.meter.claimed(job.handler, job.group, now - attempt.kept.run_at)
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
