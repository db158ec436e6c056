"""Workers that are killed in the middle of durable jobs: each is tried again and ends once; what kills is parked."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

import pytest

from farhand.assembly import open_store, serve_hub
from farhand.client import AsyncClient
from farhand.errors import AttemptsExhausted
from farhand.model.event import Kind
from tests.hub.processes import serving, until, worker

JOBS = 40
LEASE = 2.0


async def _kill_in_the_middle(folder: Path, kills: int) -> int:
    """Jobs that ended once and well, though their workers were killed."""
    store = await open_store(f"sqlite:///{folder}/farhand.db")
    async with (
        await serve_hub(store=store, lease=LEASE) as hub,
        AsyncClient(hub.address, connect_timeout=5.0) as client,
    ):
        jobs = []
        for kill in range(kills):
            gate = folder / f"gate-{kill}"
            async with serving(*worker(hub.address, f"w{kill}", "--slots", "16")) as (process, _):
                blocked = [await client.submit("wait_async", {"path": str(gate)}) for _ in range(4)]
                jobs += blocked + [await client.submit("square", {"number": n}) for n in range(JOBS // 4)]

                async def all_run(wanted: int = len(blocked)) -> bool:
                    found = await client.jobs(status="running", handler="wait_async", limit=1000)
                    return len(found) >= wanted

                await until(all_run)
                process.send_signal(signal.SIGKILL)
            await asyncio.to_thread(gate.touch)
        async with serving(*worker(hub.address, "last", "--slots", "64")):
            for job in jobs:
                await job.result(60)
                ends = [entry async for entry in job.watch() if entry.event.kind.final]
                assert [entry.event.kind for entry in ends] == [Kind.SUCCEEDED]
            again = [job for job in jobs if (await job.info()).attempt > 1]
            assert len(again) >= 4 * kills
        return len(jobs)


@pytest.mark.timeout(120)
async def test_what_a_killed_worker_had_is_tried_again_and_ends_once(tmp_path: Path) -> None:
    ended = await _kill_in_the_middle(tmp_path, kills=20)
    print(f"0 of {ended} jobs lost or ended twice in 20 kills of their worker")


@pytest.mark.chaos
@pytest.mark.timeout(7200)
async def test_what_many_killed_workers_had_is_tried_again_and_ends_once(tmp_path: Path) -> None:
    ended = await _kill_in_the_middle(tmp_path, kills=200)
    print(f"0 of {ended} jobs lost or ended twice in 200 kills of their worker")


@pytest.mark.timeout(120)
async def test_a_job_that_kills_its_workers_is_parked(tmp_path: Path) -> None:
    store = await open_store(f"sqlite:///{tmp_path}/farhand.db")
    async with (
        await serve_hub(store=store, lease=LEASE) as hub,
        AsyncClient(hub.address, connect_timeout=5.0) as client,
    ):
        poison = await client.submit("kill_me", backoff=0.01)
        async with serving(*worker(hub.address, "pool", "--processes", "2")):
            with pytest.raises(AttemptsExhausted, match="the last of 5 failed"):
                await poison.result(90)
        assert (await poison.info()).attempt == 5
        assert [job.id for job in await client.jobs(status="failed")] == [poison.id]
