"""What handlers print and report comes into a durable job's log at a pace, all of it, over a real hub."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path

import pytest

from farhand import App, AsyncClient, Context
from farhand.assembly import open_store, serve_hub
from farhand.client.jobs import Job
from farhand.core import pacing
from farhand.hub import attempts
from farhand.model.durable import Entry
from farhand.model.event import Kind
from farhand.model.limits import PACE
from tests.hub.serving import working

app = App()
gates: dict[str, asyncio.Event] = {}


@app.handler
async def shout(lines: int, seconds: float) -> None:
    for line in range(lines):
        print("line", line)
        if line % 100 == 99:
            await asyncio.sleep(seconds / lines * 100)


@app.handler
async def speak(ctx: Context, turns: int, report: bool = False) -> AsyncIterator[int]:
    for turn in range(turns):
        print("line", turn)
        if report:
            ctx.progress(turn + 1, turns)
        yield turn
        await asyncio.sleep(0.002)


@app.handler
async def speak_twice(name: str) -> AsyncIterator[int]:
    """Two lines, each with a chunk after it, and the end when the gate is open."""
    for turn in range(2):
        print("line", turn)
        yield turn
    await gates.setdefault(name, asyncio.Event()).wait()


@app.handler
async def speak_when_told(name: str) -> AsyncIterator[int]:
    """Two lines, each with a chunk after it, the second once the gate is open; it doesn't end by itself."""
    print("line", 0)
    yield 0
    await gates.setdefault(name, asyncio.Event()).wait()
    print("line", 1)
    yield 1
    await asyncio.Event().wait()


@pytest.fixture(autouse=True)
def no_gates() -> None:
    gates.clear()


@pytest.fixture(params=["memory:", "sqlite:///{}"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return str(request.param).format(tmp_path / "farhand.db")


@asynccontextmanager
async def serving(url: str) -> AsyncIterator[AsyncClient]:
    """A client of a hub with a worker. Begun in the test itself: pytest has another stdout for each phase."""
    async with (
        await serve_hub(store=await open_store(url)) as hub,
        AsyncClient(hub.address, connect_timeout=5.0) as client,
        working(hub.address, app),
    ):
        yield client


async def log_of(job: Job) -> list[Entry]:
    await job.result(30)
    return [entry async for entry in job.watch()]


def lines_of(log: list[Entry]) -> list[str]:
    return "".join(entry.event.text for entry in log if entry.event.kind is Kind.CONSOLE).splitlines()


def busiest(log: list[Entry], kind: Kind) -> int:
    """The most entries of a kind in any one second, by their own times."""
    times = [entry.at for entry in log if entry.event.kind is kind]
    return max(sum(first <= at < first + 1.0 for at in times) for first in times)


def check_pace(log: list[Entry], kind: Kind) -> None:
    """At most 20 a second, and none before its time but the one that the end takes with it."""
    times = [entry.at for entry in log if entry.event.kind is kind]
    assert busiest(log, kind) <= 20
    assert all(second >= first + PACE for first, second in pairwise(times[:-1]))


async def test_ten_thousand_lines_come_whole_and_at_a_pace(url: str) -> None:
    async with serving(url) as client:
        log = await log_of(await client.submit("shout", {"lines": 10_000, "seconds": 2.0}))
        assert lines_of(log) == [f"line {n}" for n in range(10_000)]
        check_pace(log, Kind.CONSOLE)
        assert log[-1].event.kind is Kind.SUCCEEDED


async def test_printing_and_yielding_in_turns_keeps_the_pace_and_every_chunk(url: str) -> None:
    async with serving(url) as client:
        log = await log_of(await client.submit("speak", {"turns": 600}))
        assert lines_of(log) == [f"line {n}" for n in range(600)]
        assert [entry.number for entry in log if entry.event.kind is Kind.CHUNK] == list(range(1, 601))
        check_pace(log, Kind.CONSOLE)
        kinds = [entry.event.kind for entry in log]
        assert kinds.index(Kind.CONSOLE) < kinds.index(Kind.CHUNK), "the first line was printed before the first chunk"
        assert kinds[:2] == [Kind.QUEUED, Kind.STARTED]


async def test_progress_keeps_the_pace_and_the_last_of_it_is_kept(url: str) -> None:
    async with serving(url) as client:
        log = await log_of(await client.submit("speak", {"turns": 600, "report": True}))
        check_pace(log, Kind.PROGRESS)
        check_pace(log, Kind.CONSOLE)
        told = [entry.event.progress for entry in log if entry.event.progress is not None]
        assert [one.current for one in told] == sorted(one.current for one in told)
        assert (told[-1].current, told[-1].total) == (600, 600)


async def test_a_watcher_sees_both_lines_while_the_handler_waits(url: str) -> None:
    async with serving(url) as client:
        job = await client.submit("speak_twice", {"name": "live"})
        seen = ""
        async with asyncio.timeout(10):
            async for entry in job.watch():
                seen += entry.event.text if entry.event.kind is Kind.CONSOLE else ""
                if seen == "line 0\nline 1\n":
                    break
        gates["live"].set()
        assert await job.result(10) == [0, 1]


async def test_a_stream_that_is_not_durable_sees_lines_before_the_chunks_that_follow_them(url: str) -> None:
    async with serving(url) as client:
        said: list[str] = []
        async with asyncio.timeout(10):
            async for event in client.stream("speak_twice", {"name": "stream"}).events():
                if event.kind is Kind.CONSOLE:
                    said += event.text.splitlines()
                elif event.kind is Kind.CHUNK:
                    said.append("chunk")
                    if said.count("chunk") == 2:
                        gates["stream"].set()
        assert said == ["line 0", "chunk", "line 1", "chunk"]


@pytest.mark.parametrize("lost", ["hub", "worker"])
async def test_text_that_waits_for_its_pace_is_kept_when_hub_or_worker_go(
    tmp_path: Path, lost: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (pacing, attempts):
        monkeypatch.setattr(module, "PACE", 3600.0)
    url = f"sqlite:///{tmp_path}/farhand.db"
    async with await serve_hub(store=await open_store(url)) as hub, AsyncClient(hub.address) as client:
        async with working(hub.address, app):
            job = await client.submit("speak_when_told", {"name": lost})
            await chunks_of(job, 1)
            gates[lost].set()
            for entry in await chunks_of(job, 2):
                assert "line 1" not in entry.event.text, "it was to wait"
            if lost == "hub":
                await hub.stop()
        if lost == "worker":
            async with asyncio.timeout(10):
                async for entry in job.watch():
                    if entry.event.text == "line 1\n":
                        break
    store = await open_store(url)
    log = await store.read(job.id, 0, 100)
    await store.close()
    texts = [entry.event.text for entry in log if entry.event.kind is Kind.CONSOLE]
    assert texts[:2] == ["line 0\n", "line 1\n"]


async def chunks_of(job: Job, count: int) -> list[Entry]:
    """The log up to its chunk of this number."""
    log: list[Entry] = []
    async with asyncio.timeout(10):
        async for entry in job.watch():
            log.append(entry)
            if entry.number == count:
                break
    return log
