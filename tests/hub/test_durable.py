"""Durable jobs over a real hub, worker and client: kept, tried again, followed, found again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from farhand import App, AsyncClient, Context
from farhand.assembly import build_worker, open_store, serve_hub
from farhand.client.jobs import Job
from farhand.errors import (
    Cancelled,
    DeadlineExceeded,
    FarhandError,
    HandlerFailed,
    InvalidArguments,
    JobNotFound,
    ParentFailed,
    Unavailable,
)
from farhand.model.event import Kind
from farhand.worker.context import capture_prints, release_prints
from farhand.worker.worker import WorkerOptions
from tests.engines.postgres import fresh_schema, url_of

app = App()
tries: dict[str, int] = {}
gate: dict[str, asyncio.Event] = {}


@app.handler
async def add(a: float, b: float) -> float:
    return a + b


@app.handler
async def count(ctx: Context, n: int) -> AsyncIterator[int]:
    for number in range(n):
        ctx.progress(number + 1, n)
        print("at", number)
        yield number


@app.handler
async def fail_until(ctx: Context, name: str, succeed_at: int) -> int:
    tries[name] = tries.get(name, 0) + 1
    assert ctx.attempt == tries[name]
    if tries[name] < succeed_at:
        raise ValueError(f"try {tries[name]}")
    return ctx.attempt


@app.handler
async def wait_for(ctx: Context, name: str) -> str:
    tries[name] = tries.get(name, 0) + 1
    await gate.setdefault(name, asyncio.Event()).wait()
    return ctx.job_id


@app.handler
async def refuse(number: int) -> None:
    raise KeyError("never")


@pytest.fixture(params=["memory", "sqlite", "postgres"])
async def client(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[AsyncClient]:
    tries.clear()
    gate.clear()
    async with AsyncExitStack() as stack:
        url = "memory:" if request.param == "memory" else f"sqlite:///{tmp_path}/farhand.db"
        if request.param == "postgres":
            url = url_of(await stack.enter_async_context(fresh_schema()))
        yield await stack.enter_async_context(serving(url))


@asynccontextmanager
async def serving(url: str) -> AsyncIterator[AsyncClient]:
    """A client of a hub with a worker, in this process."""
    store = await open_store(url)
    async with await serve_hub(store=store) as hub, AsyncClient(hub.address, connect_timeout=5.0) as client:
        worker = build_worker(app, WorkerOptions(hub=hub.address, slots=4, id="w1"))
        running = asyncio.ensure_future(worker.run(grace=0.5))
        yield client
        worker.stop()
        await running


async def until(job: Job, status: str) -> None:
    async with asyncio.timeout(10):
        while await job.status() != status:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_a_job_is_submitted_followed_and_answers(client: AsyncClient) -> None:
    job = await client.submit("add", {"a": 1, "b": 2})
    assert await job.result(10) == 3.0
    entries = [entry async for entry in job.watch()]
    assert [entry.offset for entry in entries] == list(range(len(entries)))
    assert [entry.event.kind for entry in entries] == [Kind.QUEUED, Kind.STARTED, Kind.SUCCEEDED]
    assert entries[1].event.worker == (await job.info()).worker == "w1"
    info = await job.info()
    assert (info.status, info.attempt, info.entries) == ("succeeded", 1, 3)
    assert [one.id for one in await client.jobs(handler="add", status="succeeded")] == [job.id]


async def test_any_offset_can_be_followed_by_anyone_while_it_runs(client: AsyncClient) -> None:
    capture_prints()  # pytest puts its own stdout there for each test
    job = await client.submit("count", {"n": 5})
    assert await job.result(10) == [0, 1, 2, 3, 4]
    release_prints()
    whole = [entry async for entry in job.watch()]
    for offset in range(len(whole) + 1):
        assert [entry async for entry in client.job(job.id).watch(offset)] == whole[offset:]
    assert [entry.number for entry in whole if entry.event.kind is Kind.CHUNK] == [1, 2, 3, 4, 5]
    assert "at 0\n" in "".join(entry.event.text for entry in whole)


async def test_a_watcher_sees_what_comes(client: AsyncClient) -> None:
    job = await client.submit("wait_for", {"name": "x"})
    seen: list[Kind] = []

    async def watch() -> None:
        async for entry in job.watch():
            seen.append(entry.event.kind)

    watching = asyncio.ensure_future(watch())
    await until(job, "running")
    assert not watching.done()
    assert (await job.info()).worker == "w1"
    gate["x"].set()
    await asyncio.wait_for(watching, 10)
    assert seen == [Kind.QUEUED, Kind.STARTED, Kind.SUCCEEDED]
    assert await job.result() == job.id


async def test_it_is_tried_again_until_its_attempts_are_used_up(client: AsyncClient) -> None:
    job = await client.submit("fail_until", {"name": "a", "succeed_at": 3}, retries=3, backoff=0.01)
    assert await job.result(10) == 3
    texts = [entry.event.text async for entry in job.watch() if entry.event.kind is Kind.CONSOLE]
    assert [text.partition(":")[0] for text in texts] == [
        "attempt 1 failed and is tried again",
        "attempt 2 failed and is tried again",
    ]
    job = await client.submit("fail_until", {"name": "b", "succeed_at": 9}, retries=1, backoff=0.01)
    with pytest.raises(FarhandError, match="attempts exhausted: the last of 2 failed: try 2") as caught:
        await job.result(10)
    assert caught.value.code == "ATTEMPTS_EXHAUSTED"
    (dead,) = await client.jobs(status="failed")
    assert (dead.id, dead.error) == (job.id, "ATTEMPTS_EXHAUSTED")


async def test_some_errors_are_not_tried_again(client: AsyncClient) -> None:
    job = await client.submit("refuse", {"number": 1}, retries=5, never=["KeyError"])
    with pytest.raises(HandlerFailed):
        await job.result(10)
    assert (await job.info()).attempt == 1
    job = await client.submit("add", {"a": "x"}, retries=5)
    with pytest.raises(InvalidArguments):
        await job.result(10)
    assert (await job.info()).attempt == 1


async def test_the_same_key_and_the_same_work_give_the_same_job(client: AsyncClient) -> None:
    first = await client.submit("wait_for", {"name": "k"}, idempotency_key="once", cache=True)
    again = await client.submit("wait_for", {"name": "other"}, idempotency_key="once")
    twin = await client.submit("wait_for", {"name": "k"}, cache=True)
    assert (first.id, again.how, twin.how) == (again.id, "key", "twin")
    assert twin.id == first.id
    gate.setdefault("k", asyncio.Event()).set()
    assert await first.result(10) == await twin.result(10)
    done = await client.submit("wait_for", {"name": "k"}, cache=True)
    assert done.cached
    assert tries == {"k": 1}


async def test_a_job_comes_after_others_or_fails_with_them(client: AsyncClient) -> None:
    parent = await client.submit("wait_for", {"name": "p"})
    child = await client.submit("add", {"a": 1, "b": 1}, after=[parent])
    grandchild = await client.submit("add", {"a": 2, "b": 2}, after=[child.id])
    assert await child.status() == "waiting"
    await until(parent, "running")
    gate["p"].set()
    assert await grandchild.result(10) == 4.0
    bad = await client.submit("refuse", {"number": 1})
    orphan = await client.submit("add", {"a": 1, "b": 1}, after=[bad])
    with pytest.raises(FarhandError) as caught:
        await orphan.result(10)
    assert caught.value.code == "PARENT_FAILED"
    with pytest.raises(JobNotFound):
        await client.submit("add", {"a": 1, "b": 1}, after=["nobody"])


async def test_a_cancel_reaches_it_wherever_it_is(client: AsyncClient) -> None:
    soon = datetime.now() + timedelta(hours=1)
    for at in (soon, soon.astimezone(UTC), soon.timestamp()):
        timed = await client.submit("add", {"a": 1, "b": 1}, run_at=at)
        assert abs((await timed.info()).run_at - soon.timestamp()) < 1e-3
        await timed.cancel()
    later = await client.submit("add", {"a": 1, "b": 1}, delay=3600)
    assert (await later.cancel()).outcome == "not_started"
    with pytest.raises(Cancelled):
        await later.result(10)
    running = await client.submit("wait_for", {"name": "c"}, retries=5)
    await until(running, "running")
    assert (await running.cancel()).outcome == "stopped"
    assert await running.status() == "cancelled"
    assert (await running.cancel()).outcome == "stopped"
    with pytest.raises(JobNotFound):
        await client.job("nobody").cancel()


async def test_it_expires_unless_it_begins_or_ends_in_time(client: AsyncClient) -> None:
    nobody = await client.submit("add", {"a": 1, "b": 1}, group="elsewhere", begin_within=0.1)
    with pytest.raises(DeadlineExceeded, match="did not begin"):
        await nobody.result(10)
    slow = await client.submit("wait_for", {"name": "s"}, end_within=0.3, retries=3, backoff=0.01)
    with pytest.raises(DeadlineExceeded):
        await slow.result(10)
    attempt = await client.submit("wait_for", {"name": "t"}, timeout=0.1, retries=1, backoff=0.01)
    with pytest.raises(FarhandError) as caught:
        await attempt.result(10)
    assert (caught.value.code, tries["t"]) == ("ATTEMPTS_EXHAUSTED", 2)


async def test_an_ended_job_can_be_started_anew(client: AsyncClient) -> None:
    job = await client.submit("fail_until", {"name": "r", "succeed_at": 1})
    with pytest.raises(InvalidArguments, match="only what has ended"):
        await (await client.submit("add", {"a": 1, "b": 1}, delay=3600)).retry()
    assert await job.result(10) == 1
    tries["r"] = 0
    again = await job.retry()
    assert await again.result(10) == 1
    assert (await again.info()).retry_of == job.id


async def test_hundreds_are_submitted_and_followed_at_once(client: AsyncClient) -> None:
    """More than a hub allows streams on one connection."""
    jobs = await asyncio.gather(*[client.submit("add", {"a": n, "b": n}) for n in range(300)])
    assert await asyncio.gather(*[job.result(30) for job in jobs]) == [2.0 * n for n in range(300)]


async def test_bad_options_are_named(client: AsyncClient) -> None:
    with pytest.raises(InvalidArguments, match="delay is seconds"):
        await client.submit("add", {"a": 1, "b": 1}, delay=-1)
    with pytest.raises(InvalidArguments, match="no such state: done"):
        await client.jobs(status="done")
    with pytest.raises(InvalidArguments, match="idempotency_key may have 200"):
        await client.submit("add", {"a": 1, "b": 1}, idempotency_key="x" * 201)


async def test_a_hub_without_a_store_says_so() -> None:
    async with await serve_hub() as hub, AsyncClient(hub.address) as client:
        with pytest.raises(Unavailable, match="keeps no durable jobs"):
            await client.submit("add", {"a": 1, "b": 1})


async def test_failures_are_cached_only_if_asked_for(client: AsyncClient) -> None:
    plain = await client.submit("refuse", {"number": 1}, cache=True)
    with pytest.raises(HandlerFailed):
        await plain.result(10)
    kept = await client.submit("refuse", {"number": 1}, cache=True, cache_failures=True)
    assert kept.how == "new"
    with pytest.raises(HandlerFailed):
        await kept.result(10)
    again = await client.submit("refuse", {"number": 1}, cache=True)
    assert (again.id, again.cached) == (kept.id, True)
    with pytest.raises(HandlerFailed, match="never"):
        await again.result(10)
    parent = await client.submit("refuse", {"number": 2})
    child = {"a": 1, "b": 1}
    first = await client.submit("add", child, after=[parent], cache=True, cache_failures=True)
    with pytest.raises(ParentFailed):
        await first.result(10)
    assert (await client.submit("add", child, cache=True)).how == "new"


async def test_cached_work_is_uncached_by_its_arguments_or_its_handler(client: AsyncClient) -> None:
    async def done(**args: float) -> Job:
        job = await client.submit("add", args, cache=True)
        await job.result(10)
        return job

    await done(a=1, b=1)
    await done(a=2, b=2)
    assert (await done(a=1.0, b=1)).cached
    assert await client.uncache("add", {"a": 9, "b": 9}) == 0
    assert await client.uncache("add", {"a": 1, "b": 1}, group="other") == 0
    assert await client.uncache("add", {"b": 1, "a": 1}) == 1
    assert not (await done(a=1, b=1)).cached
    assert (await done(a=2, b=2)).cached
    assert await client.uncache("add") == 2
    assert not (await done(a=2, b=2)).cached
    with pytest.raises(InvalidArguments):
        await client.uncache("")
    short = await client.submit("add", {"a": 5, "b": 5}, cache=1e-9)
    assert await short.result(10) == 10.0
    await asyncio.sleep(0.01)
    assert not (await done(a=5, b=5)).cached
