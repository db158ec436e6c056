"""Workers that are killed in the middle of durable jobs: each is tried again and ends once; what kills is parked."""

from __future__ import annotations

import asyncio
import signal
import time
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from farhand.assembly import open_store, serve_hub
from farhand.client import AsyncClient
from farhand.errors import AttemptsExhausted
from tests.hub.ledger import all_ended, look_up, sqlite
from tests.hub.processes import serving, until, worker
from tests.sizes import reliability, size
from tests.tallies import Tally, share

BLOCKED, SHORT = 4, 10
"""Jobs of one kill: those that the worker is killed with, and others beside them."""
LEASE = 2.0
AGAIN = LEASE + 5.0
"""Seconds from a kill to the next begin of what the worker had."""


def begun(runs: Path) -> dict[int, list[float]]:
    """When each job began, by its number: what the handlers themselves wrote down."""
    found: dict[int, list[float]] = {}
    for line in runs.read_text().splitlines() if runs.exists() else []:
        number, at = line.split()
        found.setdefault(int(number), []).append(float(at))
    return found


async def give(folder: Path, client: AsyncClient, kill: int) -> dict[str, int]:
    """Give jobs to the one worker there is, and wait until it is in the middle of those that wait for a gate."""
    gate, runs, numbers = folder / f"gate-{kill}", folder / f"runs-{kill}", range(BLOCKED)
    jobs = {}
    for number in numbers:
        args = {"path": str(gate), "runs": str(runs), "number": number}
        jobs[(await client.submit("square_then", args, retries=9)).id] = number
    for number in range(SHORT):
        jobs[(await client.submit("square", {"number": number}, retries=9)).id] = number

    async def all_run() -> bool:
        return begun(runs).keys() == set(numbers)

    await until(all_run, within=30)
    return jobs


@reliability("R2", 150)
async def test_what_a_killed_worker_had_is_tried_again_and_ends_once(tmp_path: Path, tally: Tally) -> None:
    """Each is killed when the next is there. The time is judged by the share of 95 % of the jobs.

    It fails when the store's `overdue` tells of leases 10 s late.
    """
    jobs, killed = dict[str, int](), list[float]()
    store = await open_store(sqlite(tmp_path))
    async with (
        await serve_hub(store=store, lease=LEASE) as hub,
        AsyncClient(hub.address, connect_timeout=5.0) as client,
        AsyncExitStack() as stack,
    ):
        process, _ = await stack.enter_async_context(serving(*worker(hub.address, "w", "--slots", "32")))
        for kill in range(size("R2")):
            jobs |= await give(tmp_path, client, kill)
            other = serving(*worker(hub.address, f"w{kill}", "--slots", "32"))
            following, _ = await stack.enter_async_context(other)
            process.send_signal(signal.SIGKILL)
            killed.append(time.time())
            (tmp_path / f"gate-{kill}").touch()
            await asyncio.to_thread(process.communicate)
            process = following
        await all_ended(client, jobs)
    found = await look_up(sqlite(tmp_path), jobs)
    again = [
        min((begin - at for begin in begins if begin > at), default=float("inf"))
        for kill, at in enumerate(killed)
        for begins in begun(tmp_path / f"runs-{kill}").values()
    ]
    tally.count(found.lost, len(jobs), "jobs lost by workers that were killed")
    tally.count(found.not_once, len(jobs), "jobs without exactly one end, after such kills")
    tally.times(again, AGAIN, "what a killed worker had began again")
    assert len(again) == BLOCKED * size("R2")
    assert found == (0, 0)
    assert share(again, 0.95) <= AGAIN


@reliability("R2_POISON", 120)
async def test_a_job_that_kills_its_workers_is_parked(tmp_path: Path, tally: Tally) -> None:
    """It fails when `core/retrying.py` gives what was lost another attempt whatever their number."""
    store = await open_store(sqlite(tmp_path))
    async with (
        await serve_hub(store=store, lease=LEASE) as hub,
        AsyncClient(hub.address, connect_timeout=5.0) as client,
        serving(*worker(hub.address, "pool", "--processes", "2")),
    ):
        poison = [await client.submit("kill_me", backoff=0.01) for _ in range(size("R2_POISON"))]
        for job in poison:
            with pytest.raises(AttemptsExhausted, match="the last of 5 failed"):
                await job.result(90)
        attempts = [(await job.info()).attempt for job in poison]
        parked = {job.id for job in await client.jobs(status="failed")}
    unparked = sum(job.id not in parked or tries != 5 for job, tries in zip(poison, attempts, strict=True))
    tally.count(unparked, len(poison), "jobs that kill their workers not parked after 5 attempts")
    assert unparked == 0
