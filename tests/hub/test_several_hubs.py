"""Hubs on one PostgreSQL database: what one takes another runs, shows, cancels, and takes over."""

from __future__ import annotations

import asyncio
import random
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from farhand.assembly import open_blobs, open_store, serve_hub
from farhand.client import AsyncClient
from farhand.client.jobs import Job
from farhand.hub import chores
from farhand.model.event import Kind
from tests.conftest import working
from tests.engines.postgres import schema, url_of
from tests.hub import large
from tests.hub.processes import serving, until, worker
from tests.hub.serving import working as large_working
from tests.sizes import reliability, size
from tests.tallies import Tally

__all__ = ["schema"]

LEASE = 3.0


@pytest.fixture(params=["heard", "looked for"])
async def url(request: pytest.FixtureRequest, schema: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """A store whose hubs either only hear what others do, or only look."""
    heard = request.param == "heard"
    monkeypatch.setattr(chores, "LOOK_EVERY", 600.0 if heard else 0.2)
    return url_of(schema) if heard else url_of(schema, notify="off")


@asynccontextmanager
async def two_hubs(url: str) -> AsyncIterator[tuple[AsyncClient, AsyncClient]]:
    """Clients of two hubs; only the second has a worker."""
    async with (
        await serve_hub(store=await open_store(url)) as one,
        await serve_hub(store=await open_store(url)) as other,
        AsyncClient(one.address, connect_timeout=5.0) as here,
        AsyncClient(other.address, connect_timeout=5.0) as there,
        working(other.address, id="w", slots=4),
    ):
        yield here, there


async def is_running(job: Job) -> bool:
    return await job.status() == "running"


async def test_what_one_hub_takes_another_runs(url: str) -> None:
    async with two_hubs(url) as (here, there):
        jobs = [await here.submit("add", {"a": n, "b": 1}) for n in range(50)]
        assert await asyncio.gather(*[job.result(20) for job in jobs]) == [n + 1 for n in range(50)]
        assert {(await job.info()).attempt for job in jobs} == {1}
        assert await there.job(jobs[0].id).result(5) == 1


async def test_what_runs_at_one_hub_is_seen_at_another_as_it_comes(url: str, tmp_path: Path) -> None:
    async with two_hubs(url) as (here, there):
        job = await there.submit("chunk_until", {"path": str(tmp_path / "gate")})
        seen: list[Kind] = []
        async with asyncio.timeout(20):
            async for entry in here.job(job.id).watch():
                seen.append(entry.event.kind)
                if entry.event.kind is Kind.CHUNK:
                    (tmp_path / "gate").touch()
        assert seen == [Kind.QUEUED, Kind.STARTED, Kind.CHUNK, Kind.SUCCEEDED]


async def test_a_cancel_reaches_the_handler_at_another_hub(url: str) -> None:
    async with two_hubs(url) as (here, there):
        job = await here.submit("sleep")
        await until(lambda: is_running(job))
        assert (await here.job(job.id).cancel()).outcome == "stopped"
        assert await there.job(job.id).status() == "cancelled"
        assert [entry.event.kind async for entry in there.job(job.id).watch()][-1] is Kind.CANCELLED


async def test_hubs_share_large_payloads_in_a_bucket(url: str, s3: str) -> None:
    value = random.Random(1).randbytes(12 * 1024 * 1024)
    async with (
        await serve_hub(store=await open_store(url), blobs=open_blobs(s3)) as one,
        await serve_hub(store=await open_store(url), blobs=open_blobs(s3)) as other,
        AsyncClient(one.address, connect_timeout=5.0) as here,
        AsyncClient(other.address, connect_timeout=5.0) as there,
        large_working(other.address, large.app, reference=large.__file__),
    ):
        job = await here.submit("echo", {"value": value})
        assert await job.result(30) == value
        assert await there.job(job.id).result(5) == value
        assert await there.fetch(await job.ref()) == value
        again = await here.submit("echo", {"value": await job.ref()})
        assert await again.result(30) == value
    async with (
        await serve_hub(store=await open_store(url), blobs=open_blobs(s3)) as third,
        AsyncClient(third.address, connect_timeout=5.0) as client,
    ):
        assert await client.job(job.id).result(5) == value


async def test_what_a_stopped_hub_had_is_taken_over_and_its_own_end_is_refused(schema: str, tmp_path: Path) -> None:
    options = ("--grpc", "127.0.0.1:0", "--lease", f"{LEASE:g}", "--store", url_of(schema))
    gate = tmp_path / "gate"
    async with (
        serving("hub", *options) as (_, stays),
        serving("hub", *options) as (stopped, address),
        AsyncClient(stays, connect_timeout=5.0) as client,
        AsyncClient(address, connect_timeout=5.0) as other,
        serving(*worker(address, "theirs")),
    ):
        job = await client.submit("wait_async", {"path": str(gate)}, backoff=0.1)
        await until(lambda: is_running(job))
        stopped.send_signal(signal.SIGSTOP)
        async with serving(*worker(stays, "ours")):

            async def taken_over() -> bool:
                info = await job.info()
                return info.attempt == 2 and info.status == "running"

            await until(taken_over, within=LEASE + 5)
            stopped.send_signal(signal.SIGCONT)
            gate.touch()
            assert await job.result(20) == "waited"
            await until(lambda: _is_idle(other))
            events = [entry.event async for entry in other.job(job.id).watch()]
        assert [event.worker for event in events if event.kind is Kind.STARTED] == ["theirs", "ours"]
        assert [event.kind for event in events if event.kind.final] == [Kind.SUCCEEDED]


async def _is_idle(client: AsyncClient) -> bool:
    return (await client.hub()).running == 0


async def _kill_one_of_two(schema: str, folder: Path, kills: int) -> int:
    """Kill a hub in the midst of its jobs: how many were taken over in time and ended once."""
    options = ("--grpc", "127.0.0.1:0", "--lease", f"{LEASE:g}", "--store", url_of(schema))
    count = 0
    async with (
        serving("hub", *options) as (_, stays),
        AsyncClient(stays, connect_timeout=5.0) as client,
    ):
        for kill in range(kills):
            gate = folder / f"gate-{kill}"
            async with (
                serving("hub", *options) as (hub, address),
                serving(*worker(address, f"theirs-{kill}", "--slots", "16")),
            ):
                jobs = [await client.submit("wait_async", {"path": str(gate)}, backoff=0.1) for _ in range(8)]
                jobs += [await client.submit("square", {"number": n}) for n in range(50)]

                async def all_run(wanted: int = 8) -> bool:
                    return len(await client.jobs(status="running", handler="wait_async", limit=100)) == wanted

                await until(all_run)
                hub.send_signal(signal.SIGKILL)
                killed = time.monotonic()
                async with serving(*worker(stays, f"ours-{kill}", "--slots", "16")):

                    async def taken_over(jobs: list[Job] = jobs[:8]) -> bool:
                        infos = await asyncio.gather(*[job.info() for job in jobs])
                        return all(info.attempt == 2 and info.status == "running" for info in infos)

                    await until(taken_over, within=LEASE + 5 - (time.monotonic() - killed))
                    gate.touch()
                    for job in jobs:
                        await job.result(20)
                        ends = [entry.event.kind async for entry in job.watch() if entry.event.kind.final]
                        assert ends == [Kind.SUCCEEDED]
            count += len(jobs)
    return count


@reliability("R1_SHARED", 120)
async def test_jobs_of_a_killed_hub_go_on_at_another_and_end_once(schema: str, tmp_path: Path, tally: Tally) -> None:
    ended = await _kill_one_of_two(schema, tmp_path, kills=size("R1_SHARED"))
    tally.count(0, ended, "jobs lost or ended twice by one of two hubs that was killed")
