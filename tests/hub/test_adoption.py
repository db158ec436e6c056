"""Workers that lose their hub go on with durable jobs, and present them to the hub they find."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from farhand.client import AsyncClient
from farhand.client.jobs import Job
from farhand.errors import Cancelled
from farhand.hub import leases
from farhand.model.durable import Entry
from farhand.model.event import Kind
from tests.engines.postgres import schema, url_of
from tests.hub.processes import a_hub, serving, until, worker

__all__ = ["schema"]

LEASE = 12.0
HANDLERS = ["count", "count_in_thread", "count_in_process"]


def notes(gate: Path) -> list[str]:
    """What happened to a counting handler, in order."""
    file = Path(f"{gate}.notes")
    return [line.split()[0] for line in file.read_text().splitlines()] if file.exists() else []


def when(gate: Path, word: str) -> float:
    """The time at which it happened last."""
    lines = [line.split() for line in Path(f"{gate}.notes").read_text().splitlines()]
    return max(float(at) for what, at in lines if what == word)


async def has_chunks(job: Job, count: int) -> None:
    """Wait until so many chunks are kept."""
    seen = 0
    async for entry in job.watch():
        seen += entry.event.kind is Kind.CHUNK
        if seen >= count:
            return


def check(log: list[Entry]) -> list[int]:
    """A log without gap or double that ended well after one attempt; its chunks' numbers."""
    assert [entry.offset for entry in log] == list(range(len(log)))
    assert [entry.event.kind for entry in log].count(Kind.STARTED) == 1
    assert log[-1].event.kind is Kind.SUCCEEDED
    assert [entry.event.kind.final for entry in log].count(True) == 1
    numbers = [entry.number for entry in log if entry.event.kind is Kind.CHUNK]
    assert numbers == list(range(1, len(numbers) + 1))
    return numbers


@pytest.mark.timeout(120)
@pytest.mark.parametrize("handler", HANDLERS)
@pytest.mark.parametrize("store", ["sqlite", "postgres"])
async def test_a_hub_that_is_killed_costs_a_running_stream_nothing(
    tmp_path: Path, schema: str, store: str, handler: str
) -> None:
    gate = tmp_path / "gate"
    url = url_of(schema) if store == "postgres" else ""
    async with (
        a_hub(tmp_path, url, leases.LEASE) as hub,  # as it is by default: a busy machine takes seconds to start a hub
        serving(*worker(hub.address, "w")),
        AsyncClient(hub.address, connect_timeout=5.0) as client,
    ):
        job = await client.submit(handler, {"path": str(gate), "numbers": 100})
        await has_chunks(job, 100)
        before = [entry async for entry in _so_far(job, 50)]
        for kill in range(1, 4):
            await hub.kill()
            await asyncio.sleep(0.3)  # it goes on meanwhile, as far as its credit goes
            await hub.start()
            await has_chunks(job, 100 + 400 * kill)
        gate.touch()
        await job.result(60)
        assert (await job.info()).attempt == 1
        log = [entry async for entry in job.watch()]
        assert log[: len(before)] == before
        assert len(check(log)) > 100
    assert notes(gate) == ["begun"]


async def _so_far(job: Job, count: int) -> AsyncIterator[Entry]:
    async for entry in job.watch():
        yield entry
        if entry.offset >= count:
            return


@pytest.mark.timeout(60)
async def test_what_ends_while_there_is_no_hub_is_kept_by_the_next(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    async with (
        a_hub(tmp_path, lease=LEASE) as hub,
        serving(*worker(hub.address, "w")),
        AsyncClient(hub.address, connect_timeout=5.0) as client,
    ):
        job = await client.submit("wait_async", {"path": str(gate)})
        counting = await client.submit("count", {"path": str(gate), "numbers": 10})
        await has_chunks(counting, 10)
        await hub.kill()
        gate.touch()
        await asyncio.sleep(0.3)
        await hub.start()
        assert await job.result(30) == "waited"
        check([entry async for entry in counting.watch()])
        assert (await job.info()).attempt == 1


@pytest.mark.timeout(60)
@pytest.mark.parametrize("handler", HANDLERS)
async def test_a_worker_without_a_hub_stops_at_two_thirds_of_its_lease(tmp_path: Path, handler: str) -> None:
    gate = tmp_path / "gate"
    async with (
        a_hub(tmp_path, lease=3.0) as hub,
        serving(*worker(hub.address, "w")),
        AsyncClient(hub.address, connect_timeout=5.0) as client,
    ):
        job = await client.submit(handler, {"path": str(gate), "numbers": 10}, retries=2)
        await has_chunks(job, 10)
        killed = time.time()
        await hub.kill()
        if handler == "count_in_process":  # it is killed, and can't say so
            await asyncio.sleep(3.0)
        else:

            async def stopped() -> bool:
                return notes(gate) == ["begun", "stopped"]

            await until(stopped, within=10)
            assert when(gate, "stopped") - killed < 3.0
        gate.touch()
        await hub.start()
        await job.result(30)
        assert (await job.info()).attempt == 2
    assert notes(gate).count("begun") == 2


@pytest.mark.timeout(60)
async def test_a_cancel_reaches_a_job_whose_worker_has_no_hub_yet(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    async with (
        a_hub(tmp_path, lease=20.0) as hub,
        serving(*worker(hub.address, "w")) as (process, _),
        AsyncClient(hub.address, connect_timeout=5.0) as client,
    ):
        job = await client.submit("count", {"path": str(gate), "numbers": 10})
        await has_chunks(job, 10)
        process.send_signal(signal.SIGSTOP)
        await hub.kill()
        await hub.start()
        cancelling = asyncio.ensure_future(job.cancel())

        async def asked() -> bool:
            return await job.status() == "cancelling"

        await until(asked)
        process.send_signal(signal.SIGCONT)
        await cancelling
        with pytest.raises(Cancelled):
            await job.result(5)
        assert notes(gate) == ["begun", "stopped"]


@pytest.mark.timeout(120)
async def test_what_a_stopped_process_says_after_its_lease_is_refused(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    async with (
        a_hub(tmp_path, lease=2.0) as hub,
        serving(*worker(hub.address, "one")) as (process, _),
        AsyncClient(hub.address, connect_timeout=5.0) as client,
    ):
        job = await client.submit("count", {"path": str(gate), "numbers": 10}, retries=3)
        await has_chunks(job, 10)
        process.send_signal(signal.SIGSTOP)
        await hub.kill()
        await hub.start()
        async with serving(*worker(hub.address, "other")):

            async def again() -> bool:
                return notes(gate) == ["begun", "begun"]

            await until(again, within=2.0 + 5.0)
            process.send_signal(signal.SIGCONT)

            async def refused() -> bool:
                return notes(gate) == ["begun", "begun", "stopped"]

            await until(refused, within=10)
            gate.touch()
            await job.result(30)
        log = [entry async for entry in job.watch()]
        assert [entry.event.kind for entry in log].count(Kind.STARTED) == 2
        last = max(entry.offset for entry in log if entry.event.kind is Kind.STARTED)
        numbers = [entry.number for entry in log[last:] if entry.event.kind is Kind.CHUNK]
        assert numbers == list(range(1, len(numbers) + 1))
        assert (await job.info()).attempt == 2


@pytest.mark.timeout(60)
async def test_a_worker_that_drains_waits_until_its_ends_are_kept(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    async with (
        a_hub(tmp_path, lease=LEASE) as hub,
        serving(*worker(hub.address, "w")) as (process, _),
        AsyncClient(hub.address, connect_timeout=5.0) as client,
    ):
        jobs = [await client.submit("wait_async", {"path": str(gate)}) for _ in range(20)]

        async def all_run() -> bool:
            return len(await client.jobs(status="running")) == 20

        await until(all_run)
        process.send_signal(signal.SIGTERM)
        gate.touch()
        assert await asyncio.to_thread(process.wait, 10) == 0
        assert [await job.result(5) for job in jobs] == ["waited"] * 20
        assert {(await job.info()).attempt for job in jobs} == {1}
