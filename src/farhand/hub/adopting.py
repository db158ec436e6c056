"""Adopting: workers that lost their hub go on with their leased jobs, and present them to the hub they find.

A lease that still holds is made this hub's, with a new epoch, so that the hub before can write no more; then the worker
says again what isn't kept of what it said. A job that is over, or another's, is disowned: its worker stops it.
"""

from __future__ import annotations

import asyncio
import contextlib
import random

import structlog

from farhand.core.retrying import Backoff
from farhand.errors import FarhandError
from farhand.hub.attempts import Attempt, Attempts
from farhand.hub.service import Hub
from farhand.model.durable import KeptJob
from farhand.model.event import Event, Kind
from farhand.model.job import ATTEMPT_MARK, Job
from farhand.model.limits import WINDOW_LIMIT
from farhand.model.state import LEASED, State
from farhand.model.worker import Hold, WorkerInfo
from farhand.ports.store import Lease, Store

PAGE = 64


class Adopting:
    """The taking up of one hub; `lease` in seconds."""

    def __init__(self, hub: Hub, store: Store, attempts: Attempts, lease: float) -> None:
        self._hub = hub
        self._store = store
        self._attempts = attempts
        self._lease = lease
        self._stopping = asyncio.Event()
        self._log = structlog.get_logger("farhand.durable")

    def stop(self) -> None:
        """Take up nothing more."""
        self._stopping.set()

    async def adopt(self, link: int, worker: WorkerInfo, hold: Hold) -> None:
        """Decide on a job that the worker on `link` holds; where the store is away, once it is back."""
        backoff, settled = Backoff(0.05, 1.0), False
        while not self._stopping.is_set():
            try:
                settled = await self._decide(link, worker, hold)
            except FarhandError as error:
                if not error.retryable:
                    self._log.warning("a job can't be taken up", job=hold.job, why=error.message)
                    self._disown(link, hold)
                    return
            if settled:
                return
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(backoff.next(random.random())):
                    await self._stopping.wait()

    async def _decide(self, link: int, worker: WorkerInfo, hold: Hold) -> bool:
        """Whether it is decided; else the lease changed hands meanwhile.

        Raises:
            FarhandError: the store is away, or refuses.
        """
        id, _, attempt = hold.job.rpartition(ATTEMPT_MARK)
        kept = await self._store.get(id)
        if (
            kept is None
            or str(kept.attempt) != attempt
            or kept.state not in LEASED
            or self._hub.knows(hold.job)
            or not self._hub.holds(link, hold.job)
        ):
            self._disown(link, hold)
            return True
        kept = await self._store.adopt(Lease(id, kept.epoch), worker.id, self._store.now() + self._lease)
        if kept is None:
            return False
        self._begin(link, worker, hold, kept, await self._chunks(kept, hold))
        return True

    def _begin(self, link: int, worker: WorkerInfo, hold: Hold, kept: KeptJob, chunks: int) -> None:
        attempt = Attempt(self._attempts, kept)
        attempt.call = hold.job
        job, now = kept.job, self._hub.now()
        left = job.end_by - self._store.now()
        attempt.to_the_end = hold.left is None or left <= hold.left
        left = left if hold.left is None else min(left, hold.left)
        call = Job(
            hold.job,
            job.handler,
            group=job.group,
            deadline=self._hub.deadline(max(0.001, left)),
            priority=job.priority,
            labels=job.labels,
            window=min(hold.window, WINDOW_LIMIT),
            events=True,
            submitted=now,
            attempt=kept.attempt,
            leased=True,
        )
        try:
            self._hub.adopt(link, attempt, call, chunks)
        except FarhandError as error:  # it has gone meanwhile, or ended the job
            self._log.info("a job was not taken up", job=hold.job, why=error.message)
            return
        self._attempts.add(attempt)
        self._log.info("a job goes on", job=job.id, attempt=kept.attempt, worker=worker.id)
        if kept.state is State.ASSIGNED:
            attempt.deliver(0, Event(Kind.STARTED, worker=worker.id), 0)
        if kept.state is State.CANCELLING:
            self._hub.cancel(hold.job)
        self._hub.settle()

    def _disown(self, link: int, hold: Hold) -> None:
        self._log.info("a job that a worker held is over, or another's", job=hold.job)
        self._hub.disown(link, hold.job)
        self._hub.settle()

    async def _chunks(self, kept: KeptJob, hold: Hold) -> int:
        """How many chunks of this attempt are kept: its log is read from its end."""
        if not hold.chunks or kept.state is State.ASSIGNED:
            return 0
        end = kept.offset
        while end > kept.first:
            begin = at = max(kept.first, end - PAGE)
            last, begun = 0, False
            while at < end and (page := await self._store.read(kept.job.id, at, end - at)):
                for entry in page:
                    if entry.event.kind is Kind.CHUNK:
                        last = entry.number
                    elif entry.event.kind is Kind.STARTED:
                        last, begun = 0, True
                at = page[-1].offset + 1
            if last or begun:
                return last
            end = begin
        return kept.cut
