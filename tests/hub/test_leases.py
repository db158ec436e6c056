"""Leases hold as long as their work is alive, however busy it is; what is said after one is over is refused."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

from farhand import AsyncClient
from farhand.assembly import open_store, serve_hub
from farhand.client.jobs import Job
from farhand.model.event import Kind
from farhand.wire.farhand._pb import common_pb2, worker_pb2
from tests.fronts.raw import STARTED, SUCCEEDED, RawWorker, events
from tests.hub.ledger import sqlite
from tests.hub.processes import a_hub, serving, until, worker
from tests.sizes import reliability, size
from tests.tallies import Tally

LEASE = 3.0
SHORT_LEASE = 2.0
HELD = 10.0
"""Seconds for which a job holds the GIL."""
AT_ONCE = 5
"""Workers that are stopped together, and jobs that hold the GIL beside each other."""


async def kinds_of(job: Job) -> list[Kind]:
    """A job's log."""
    return [entry.event.kind async for entry in job.watch()]


async def not_once(jobs: list[Job], runs: list[Path], seconds: float) -> int:
    """How many of these jobs began more than once, or did not end well, by their logs and their own files."""
    for job in jobs:
        assert await job.result(60 + len(jobs) * seconds) == "waited"
    logs = [await kinds_of(job) for job in jobs]
    once = [Kind.QUEUED, Kind.STARTED, Kind.SUCCEEDED]
    return sum(log != once or file.read_text() != "begun\n" for log, file in zip(logs, runs, strict=True))


@reliability("R6", 120)
async def test_jobs_that_hold_the_gil_for_many_leases_run_once(tmp_path: Path, tally: Tally) -> None:
    """At full size, one of them holds it for 100 s.

    It fails when `worker/links/farhand.py` counts a lease from the welcome only.
    """
    count, wrong = size("R6"), 0
    store = ("--lease", f"{LEASE:g}", "--store", sqlite(tmp_path))
    async with (
        serving("hub", "--grpc", "127.0.0.1:0", *store) as (_, address),
        serving(*worker(address, "one", "--slots", f"{AT_ONCE}")),
        serving(*worker(address, "other", "--slots", f"{AT_ONCE}")),
        AsyncClient(address, connect_timeout=5.0) as client,
    ):
        for first in range(0, count, AT_ONCE):
            runs = [tmp_path / f"runs-{number}" for number in range(first, min(first + AT_ONCE, count))]
            seconds = [float(size("R6_SECONDS") if not first and not n else HELD) for n in range(len(runs))]
            args = [{"path": str(file), "seconds": long} for file, long in zip(runs, seconds, strict=True)]
            jobs = [await client.submit("grip_for", one, retries=3) for one in args]
            wrong += await not_once(jobs, runs, max(seconds))
    tally.count(wrong, count, f"leases of {LEASE:g} s lost by a live job that held the GIL for {HELD:g} s or longer")
    assert wrong == 0


@reliability("R6", 120)
async def test_what_is_said_after_the_lease_is_refused(tmp_path: Path, tally: Tally) -> None:
    """Workers are stopped for longer than their lease, and their hub is killed; continued, each ends its job, by which
    time another has begun it again. Only the other's end may count.

    It fails when the hub that they find takes up any attempt, and `worker/executor.py` doesn't look at its leases.
    """
    stops, late, wrong = size("R6"), 0, 0
    async with (
        a_hub(tmp_path, lease=SHORT_LEASE) as hub,
        AsyncClient(hub.address, connect_timeout=5.0) as client,
    ):
        for first in range(0, stops, AT_ONCE):
            count = min(AT_ONCE, stops - first)
            runs = [tmp_path / f"runs-{first + number}" for number in range(count)]
            async with AsyncExitStack() as stack:
                commands = [worker(hub.address, f"w{number}", "--slots", "1") for number in range(count)]
                stopped = await asyncio.gather(*[stack.enter_async_context(serving(*one)) for one in commands])
                jobs = [await client.submit("end_deaf", {"path": str(file)}, retries=3) for file in runs]
                await until(have(runs, "begun", 1), within=30)
                for process, _ in stopped:
                    process.send_signal(signal.SIGSTOP)
                await hub.kill()
                await hub.start()
                last = worker(hub.address, "last", "--slots", f"{count}")
                other, _ = await stack.enter_async_context(serving(*last))
                await until(have(runs, "begun", 2), within=30)
                await touch(runs, ".stale")
                for process, _ in stopped:
                    process.send_signal(signal.SIGCONT)
                await until(have(runs, "ended", 1), within=30)
                await until(all_there(client, count + 1), within=30)
                await touch(runs, ".now")
                results = [await job.result(30) for job in jobs]
                ends = [sum(kind.final for kind in await kinds_of(job)) for job in jobs]
            late += sum(len(lines(file, "ended")) == 2 for file in runs)
            wrong += sum((result, end) != (other.pid, 1) for result, end in zip(results, ends, strict=True))
    tally.count(wrong, late, "ends that workers said after their lease was over not refused")
    assert late == stops
    assert wrong == 0


@reliability("R6", 60)
async def test_what_a_worker_presents_after_the_lease_is_refused(tmp_path: Path, tally: Tally) -> None:
    """A worker that knows nothing of leases comes back with its jobs and says their ends, after another has begun them.

    It fails when `hub/adopting.py` takes up any attempt that a worker holds.
    """
    count, wrong = size("R6"), 0
    async with (
        await serve_hub(store=await open_store(sqlite(tmp_path)), lease=1.0) as hub,
        AsyncClient(hub.address, connect_timeout=5.0) as client,
    ):
        for first in range(0, count, AT_ONCE):
            some = min(AT_ONCE, count - first)
            jobs = [await client.submit("work", retries=9) for _ in range(some)]
            async with RawWorker(hub.address, "late", "default", slots=some) as late:
                await late.greet()
                held = await begin(late, some)
            async with (
                RawWorker(hub.address, "next", "default", slots=some) as other,
                RawWorker(hub.address, "late", "default", slots=some) as late,
            ):
                await other.greet()
                again = await begin(other, some)
                await late.say(late.hello(holds=[worker_pb2.Hold(job=job, window=1 << 20) for job in held]))
                for job in held:
                    await late.say(events(job, (SUCCEEDED, b"\x07")))
                await late.say(worker_pb2.WorkerFrame(goodbye=common_pb2.Goodbye()))
                await late.ended()
                for job in again:
                    await other.say(events(job, (SUCCEEDED, b"\x08")))
                results = [await job.result(20) for job in jobs]
                ends = [sum(kind.final for kind in await kinds_of(job)) for job in jobs]
            wrong += sum((result, end) != (8, 1) for result, end in zip(results, ends, strict=True))
    tally.count(wrong, count, "ends said by workers that presented a job after its lease not refused")
    assert wrong == 0


async def begin(worker: RawWorker, count: int) -> list[str]:
    """The next so many jobs of a worker, which it has said it began."""
    jobs = [await worker.job() for _ in range(count)]
    for job in jobs:
        await worker.say(events(job, (STARTED,)))
    return jobs


def have(runs: list[Path], word: str, times: int) -> Callable[[], Awaitable[bool]]:
    """Whether each handler's own file says so that often."""

    async def condition() -> bool:
        return all(len(lines(file, word)) >= times for file in runs)

    return condition


def all_there(client: AsyncClient, count: int) -> Callable[[], Awaitable[bool]]:
    """Whether so many workers have been let in."""

    async def condition() -> bool:
        return len(await client.workers()) == count

    return condition


async def touch(runs: list[Path], suffix: str) -> None:
    """Let the handlers go on that wait for these files."""
    for file in runs:
        await asyncio.to_thread(Path(f"{file}{suffix}").touch)


def lines(file: Path, word: str) -> list[str]:
    """What happened to a handler, by its own file."""
    return [line for line in file.read_text().splitlines() if line.startswith(word)] if file.exists() else []
