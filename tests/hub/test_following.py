"""Those who wait for a durable job's end, over the client's channel."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from farhand import App, AsyncClient, Context
from farhand.assembly import build_worker, open_store, serve_hub
from farhand.errors import DeadlineExceeded, JobNotFound, OutcomeUnknown, Unavailable
from farhand.model.limits import CREDIT_WINDOW
from farhand.worker.worker import Worker, WorkerOptions

app = App()
gate: dict[str, asyncio.Event] = {}
SIZE = 50_000
CHUNKS = 3 * CREDIT_WINDOW // SIZE


@app.handler
async def echo(text: str) -> str:
    return text


@app.handler
async def wait_for(name: str) -> str:
    await gate.setdefault(name, asyncio.Event()).wait()
    return name


@app.handler
async def chunks(ctx: Context, n: int, fail_first: bool = False) -> AsyncIterator[str]:
    for number in range(n):
        if fail_first and ctx.attempt == 1 and number == n // 2:
            raise ValueError("half way")
        yield f"{ctx.attempt}:{number}:" + "x" * SIZE


def working(address: str) -> tuple[Worker, asyncio.Future[object]]:
    worker = build_worker(app, WorkerOptions(hub=address, slots=4))
    return worker, asyncio.ensure_future(worker.run(grace=0.5))


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[AsyncClient]:
    gate.clear()
    store = await open_store(f"sqlite:///{tmp_path}/farhand.db")
    async with await serve_hub(store=store) as hub, AsyncClient(hub.address, connect_timeout=5.0) as client:
        worker, running = working(hub.address)
        yield client
        worker.stop()
        await running


async def test_a_stream_larger_than_the_window_comes_whole(client: AsyncClient) -> None:
    job = await client.submit("chunks", {"n": CHUNKS})
    for wanted in (job, client.job(job.id)):  # while it runs, and after
        result = await wanted.result(30)
        assert [text.split(":")[1] for text in result] == [str(number) for number in range(CHUNKS)]


async def test_only_the_last_attempts_chunks_are_the_result(client: AsyncClient) -> None:
    job = await client.submit("chunks", {"n": 6, "fail_first": True}, retries=1, backoff=0.01)
    for wanted in (job, client.job(job.id)):
        assert [text[:3] for text in await wanted.result(30)] == [f"2:{number}" for number in range(6)]


async def test_who_leaves_leaves_the_job_alone(client: AsyncClient) -> None:
    job = await client.submit("wait_for", {"name": "a"})
    other = asyncio.ensure_future(job.result(30))
    with pytest.raises(DeadlineExceeded, match="it runs on"):
        await job.result(0.1)
    assert await job.status() in ("queued", "assigned", "running")
    gate.setdefault("a", asyncio.Event()).set()
    assert await other == "a"
    assert await job.result(10) == "a"


async def test_an_unknown_job_is_not_waited_for(client: AsyncClient) -> None:
    with pytest.raises(JobNotFound, match="'nobody'"):
        await client.job("nobody").result(10)


async def test_waiting_for_many_does_not_hold_up_calls(client: AsyncClient) -> None:
    jobs = [await client.submit("wait_for", {"name": "many"}, group="elsewhere") for _ in range(5)]
    waiting = [asyncio.ensure_future(jobs[n % 5].result()) for n in range(12_000)]
    assert await client.run("echo", {"text": "through"}) == "through"
    for one in waiting:
        one.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    assert await client.run("echo", {"text": "after"}) == "after"


async def test_it_is_waited_for_over_a_restart_of_the_hub(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/farhand.db"
    hub = await serve_hub(store=await open_store(url))
    async with AsyncClient(hub.address, connect_timeout=5.0) as client:
        job = await client.submit("echo", {"text": "kept"})
        waiting = asyncio.ensure_future(job.result(30))
        await asyncio.sleep(0)
        await hub.stop()
        hub = await serve_hub(hub.address, store=await open_store(url))
        worker, running = working(hub.address)
        assert await waiting == "kept"
        worker.stop()
        await running
        await hub.stop()


async def test_a_client_that_closes_ends_the_waiting(client: AsyncClient) -> None:
    async with AsyncClient(client.address) as other:
        job = await other.submit("wait_for", {"name": "c"})
        waiting = asyncio.ensure_future(job.result())
        while await job.status() != "running":  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    with pytest.raises(Unavailable, match="closed"):
        await waiting
    assert await client.job(job.id).status() == "running"
    gate["c"].set()
    assert await client.job(job.id).result(10) == "c"


async def test_a_submit_that_may_have_been_kept_says_so(client: AsyncClient) -> None:
    async with AsyncClient(client.address) as other:
        await other.run("echo", {"text": "dialled"})
        submitting = asyncio.ensure_future(other.submit("echo", {"text": "x"}))
        await asyncio.sleep(0)
        other.connection()._lose()
        with pytest.raises(OutcomeUnknown, match="idempotency_key"):
            await submitting
