"""What was done at other hubs of a shared store to jobs that run at this one: a cancel has to reach the handler here,
and what has ended or is another's has to stop."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Protocol

from farhand.model.durable import KeptJob
from farhand.model.state import LEASED, State
from farhand.ports.store import Filter, Lease, Store

PAGE = 256
_CANCELLING = frozenset({State.CANCELLING})


class Running(Protocol):
    """An attempt at this hub."""

    @property
    def lease(self) -> Lease: ...


class Elsewhere:
    """Looks, and has attempts cancelled or given up. `attempts` are this hub's, by job."""

    def __init__(
        self,
        store: Store,
        attempts: Mapping[str, Running],
        cancel: Callable[[str], None],
        lose: Callable[[str], None],
    ) -> None:
        self._store = store
        self._attempts = attempts
        self._cancel = cancel
        self._lose = lose

    async def look(self) -> None:
        """See which jobs are being cancelled. What has ended or is another's shows when a lease is renewed."""
        if not self._store.shared or not self._attempts:
            return
        before = ""
        while page := await self._store.find(Filter(states=_CANCELLING, before=before, limit=PAGE)):
            for kept in page:
                self._judge(kept)
            if len(page) < PAGE:
                return
            before = page[-1].job.id

    async def heed(self, jobs: Iterable[str]) -> None:
        """Look at these, of which another hub said that it had changed them."""
        for id in jobs:
            kept = await self._store.get(id)
            if kept is not None:
                self._judge(kept)

    def _judge(self, kept: KeptJob) -> None:
        attempt = self._attempts.get(kept.job.id)
        if attempt is None or kept.epoch < attempt.lease.epoch:
            return
        if kept.epoch > attempt.lease.epoch or kept.state not in LEASED:
            self._lose(kept.job.id)
        elif kept.state is State.CANCELLING:
            self._cancel(kept.job.id)
