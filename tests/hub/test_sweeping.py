"""Blobs that nobody wants are deleted, and nothing else."""

from __future__ import annotations

import time

import pytest

from farhand.assembly import serve_hub
from farhand.client import AsyncClient
from farhand.client.jobs import Job
from farhand.engines.memory.blobs import MemoryBlobs
from farhand.engines.memory.store import MemoryStore
from farhand.errors import OutOfSpace, RefNotFound
from farhand.hub.chores import Troubles
from farhand.hub.sweeping import GRACE, Sweeping
from tests.hub.large import app
from tests.hub.serving import working

SIZE = 200_000


async def test_what_no_job_wants_goes_once_its_time_is_over() -> None:
    store, blobs = MemoryStore(), MemoryBlobs()
    async with (
        await serve_hub(store=store, blobs=blobs) as hub,
        working(hub.address, app, reference="tests/hub/large.py"),
        AsyncClient(hub.address) as client,
    ):
        job = await client.submit("echo", {"value": b"x" * SIZE})
        await job.result()
        async with await blobs.begin("0" * 32) as writer:
            await writer.write(b"given up")
            await writer.commit(8, "")
        later = [0.0]
        sweeping = Sweeping(store, hub.hub.transfers, Troubles(), lambda: time.time() + later[0])
        assert await sweeping.sweep() == 0
        later[0] = GRACE + 1
        assert await sweeping.sweep() == 1
        assert await job.result() == b"x" * SIZE
        ref = await job.ref()
        store._jobs.clear()
        assert await sweeping.sweep() == 2  # its arguments and its result
        with pytest.raises(RefNotFound):
            await client.fetch(ref)
        assert hub.hub.transfers.used == 32  # the secret of refs stays


async def test_over_the_budget_the_oldest_go_and_new_ones_are_refused() -> None:
    store, blobs = MemoryStore(), MemoryBlobs()
    async with (
        await serve_hub(store=store, blobs=blobs, blob_budget=5 * SIZE) as hub,
        working(hub.address, app, reference="tests/hub/large.py"),
        AsyncClient(hub.address) as client,
    ):
        assert hub.durables is not None
        jobs: list[Job] = []

        async def fill() -> None:
            for _ in range(9):
                jobs.append(await client.submit("ones", {"size": SIZE}))
                await jobs[-1].result()

        with pytest.raises(OutOfSpace, match="--blob-budget"):
            await fill()
        assert len(jobs) >= 5
        assert await hub.durables.sweeping.sweep() >= 1
        with pytest.raises(RefNotFound):
            await jobs[0].result(timeout=10)
        assert len(await jobs[4].result()) == SIZE
        assert len(await (await client.submit("ones", {"size": SIZE})).result()) == SIZE
