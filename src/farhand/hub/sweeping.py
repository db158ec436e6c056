"""Blobs that nobody wants any more: those of jobs that were deleted, uploads of jobs that never came, refs that were
given up, and over the budget those of jobs that ended longest ago.

A blob begins with the id of its job, so that who wants it is found by asking the store; there is no table of its own.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable

import structlog

from farhand.core.discarding import Candidate, to_delete
from farhand.hub.chores import Troubles
from farhand.hub.transfers import SECRET, Transfers
from farhand.model.blob import Blob
from farhand.ports.store import Store

LOOK_EVERY = 60.0
"""Seconds between two sweeps, at least."""
REST = 9.0
"""How much longer than a sweep the pause after it is."""
GRACE = 3600.0
"""Seconds for which a blob is kept that belongs to no job: its submit may be on its way, or its ref be fetched."""
PAGE = 500


class Sweeping:
    """The chore of one hub. `now` is in seconds since 1970."""

    def __init__(
        self, store: Store, transfers: Transfers, troubles: Troubles, now: Callable[[], float] = time.time
    ) -> None:
        self._store = store
        self._transfers = transfers
        self._troubles = troubles
        self._now = now
        self._log = structlog.get_logger("farhand.durable")

    async def run(self) -> None:
        """Sweep, again and again."""
        pause = LOOK_EVERY
        while True:
            await asyncio.sleep(pause)
            begun = time.monotonic()
            with self._troubles.excused("large payloads can't be looked through; trying again"):
                await self.sweep()
            pause = max(LOOK_EVERY, REST * (time.monotonic() - begun))

    async def sweep(self) -> int:
        """Delete what nobody wants; how many there were.

        Raises:
            FarhandError: the store or the blobs are away.
        """
        blobs = self._transfers.blobs
        if blobs is None:
            return 0
        found: list[Candidate] = []
        after = ""
        while page := await blobs.list(after, PAGE):
            found += [await self._candidate(blob) for blob in page]
            after = page[-1].id
        budget = self._transfers.budget or sum(one.size for one in found)
        old = to_delete(found, budget, self._now())
        deleted = await blobs.delete(old) if old else 0
        self._transfers.used = (await blobs.usage()).size
        if deleted:
            self._log.info("large payloads deleted", count=deleted)
        return deleted

    async def _candidate(self, blob: Blob) -> Candidate:
        if blob.id == SECRET:
            return Candidate(blob.id, blob.size, blob.time, math.inf, wanted=True)
        job, _, _ = blob.id.rpartition("-")
        kept = await self._store.get(job) if job else None
        if kept is None:
            return Candidate(blob.id, blob.size, blob.time, blob.time + GRACE)
        return Candidate(blob.id, blob.size, blob.time, math.inf, wanted=kept.ended is None)
