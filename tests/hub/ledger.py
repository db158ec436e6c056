"""An outside ledger of durable jobs: what was acknowledged, and what the store has of it when all is over."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

from farhand.assembly import open_store
from farhand.client import AsyncClient
from farhand.errors import FarhandError
from farhand.model.durable import KeptJob
from farhand.model.event import Kind
from farhand.model.state import State
from farhand.ports.store import Store
from farhand.wire.values import from_payload

LOG_LIMIT = 10_000
AT_ONCE = 50


class Ledger:
    """The jobs that a hub has acknowledged, each with the number it is to square, and when the last one was."""

    def __init__(self) -> None:
        self.jobs: dict[str, int] = {}
        self._changed = asyncio.Condition()
        self._last = 0

    async def fill(self, client: AsyncClient) -> None:
        """Submit one after another, and write down what was acknowledged."""
        while True:
            self._last = number = self._last + 1
            try:
                job = await client.submit("square", {"number": number})
            except FarhandError:
                await asyncio.sleep(0.01)
                continue
            async with self._changed:
                self.jobs[job.id] = number
                self._changed.notify_all()

    async def grow(self, more: int, within: float = 60.0) -> float:
        """Wait until so many more were acknowledged; the monotonic time at which they were."""
        wanted = len(self.jobs) + more
        async with asyncio.timeout(within), self._changed:
            await self._changed.wait_for(lambda: len(self.jobs) >= wanted)
            return time.monotonic()

    @asynccontextmanager
    async def filled_by(self, client: AsyncClient, submitters: int = 8) -> AsyncIterator[None]:
        """Fill it meanwhile."""
        tasks = [asyncio.ensure_future(self.fill(client)) for _ in range(submitters)]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


class Found(NamedTuple):
    """What the store has of a ledger's jobs: how many it doesn't have, and how many didn't end once and well."""

    lost: int
    not_once: int


async def all_ended(client: AsyncClient, jobs: Mapping[str, object], within: float = 60.0) -> None:
    """Wait until each has ended, whichever way, or the store doesn't have it."""

    async def one(id: str) -> None:
        try:
            await client.job(id).result(within)
        except FarhandError:
            return

    names = list(jobs)
    for at in range(0, len(names), AT_ONCE):
        await asyncio.gather(*[one(id) for id in names[at : at + AT_ONCE]])


async def look_up(url: str, jobs: Mapping[str, int]) -> Found:
    """Read the store that a hub has left: whole logs, so that a second end is seen too."""
    store = await open_store(url)
    try:
        kept = [await store.get(id) for id in jobs]
        wrong = [one for one in kept if one is not None and not await _ended_once(store, one, jobs[one.job.id])]
        return Found(lost=sum(one is None for one in kept), not_once=len(wrong))
    finally:
        await store.close()


async def _ended_once(store: Store, kept: KeptJob, number: int) -> bool:
    log = await store.read(kept.job.id, 0, LOG_LIMIT)
    ends = [entry for entry in log if entry.event.kind.final]
    return (
        kept.state is State.SUCCEEDED
        and [entry.event.kind for entry in ends] == [Kind.SUCCEEDED]
        and ends[0] is log[-1]
        and from_payload(ends[0].event.payload) == number * number
    )


def sqlite(folder: Path) -> str:
    """The store of a test."""
    return f"sqlite:///{folder}/farhand.db"
