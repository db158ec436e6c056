"""What callers get, over real sockets: results, streams, errors, cancels, sessions."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from farhand.assembly import RunningHub, serve_hub
from farhand.client import AsyncClient
from farhand.core.machine import Limits
from farhand.errors import (
    Cancelled,
    DeadlineExceeded,
    FarhandError,
    HandlerFailed,
    HandlerNotFound,
    InvalidArguments,
    JobNotFound,
    OutcomeUnknown,
    Overloaded,
    PermissionDenied,
    SessionLost,
    Unavailable,
)
from farhand.model.event import Kind
from farhand.worker.context import capture_prints, release_prints
from tests.conftest import Eventually, working


async def test_run_and_types(client: AsyncClient) -> None:
    assert await client.run("add", {"a": 1, "b": 2}) == 3.0
    value = {"bytes": b"\x00\xff", "nan": [1.5, None], 3: "x"}
    assert await client.run("echo", {"value": value}) == value
    assert await client.run("echo", {"value": b"raw"}) == b"raw"
    assert await client.run("total", {"items": [{"name": "a"}, {"name": "b", "price": 2}]}) == 3.0
    assert await client.run("add", {"a": 1, "b": 2}, returns=int) == 3


async def test_context(client: AsyncClient) -> None:
    about = await client.run("about", timeout=20)
    assert about["model"] == "loaded"
    assert about["session"] is None
    assert 0 < about["left"] <= 20


async def test_stream_with_progress_and_prints(client: AsyncClient) -> None:
    capture_prints()  # pytest puts its own stdout there for each test
    progress: list[float] = []
    printed: list[str] = []
    stream = client.stream("lines", {"n": 50}, progress=lambda p: progress.append(p.current), console=printed.append)
    assert [chunk async for chunk in stream] == list(range(50))
    assert stream.result == "all"
    assert stream.job_id
    assert stream.worker_id
    assert progress[-1] == 50
    release_prints()
    assert "".join(printed) == "".join(f"line {n}\n" for n in range(50))


async def test_run_of_a_stream_is_its_chunks(client: AsyncClient) -> None:
    assert await client.run("count", {"n": 3}) == [0, 1, 2]
    assert await client.run("count", {"n": 0}) == []


async def test_a_slow_reader_holds_the_handler_back(client: AsyncClient) -> None:
    stream = client.stream("count", {"n": 3000, "size": 10_000})
    seen = 0
    async for _ in stream:
        seen += 1
        if seen == 1:
            await client.run("add", {"a": 1, "b": 1})
            assert len(stream._call.events) < 300
    assert seen == 3000


async def test_wrong_arguments_name_each_field(client: AsyncClient) -> None:
    with pytest.raises(InvalidArguments) as caught:
        await client.run("total", {"items": [{"name": 1}], "itemz": 2})
    paths = [problem["path"] for problem in caught.value.details["problems"]]
    assert paths == ["items[0].name", "itemz"]
    with pytest.raises(InvalidArguments, match="a: is missing"):
        await client.run("add", {"b": 1})
    with pytest.raises(InvalidArguments, match="by name"):
        await client.run("add", [1, 2])


async def test_unknown_handler(client: AsyncClient) -> None:
    with pytest.raises(HandlerNotFound, match="did you mean add"):
        await client.run("ad")
    with pytest.raises(InvalidArguments, match="handler name"):
        await client.run("no such thing")


async def test_a_handlers_exception(client: AsyncClient) -> None:
    with pytest.raises(HandlerFailed, match="ValueError: héllo") as caught:
        await client.run("boom", {"text": "héllo"})
    assert caught.value.type == "ValueError"
    assert "apps.py" in caught.value.traceback
    assert "farhand/worker" not in caught.value.traceback


async def test_large_both_ways_and_what_cannot_be_sent(client: AsyncClient) -> None:
    assert await client.run("echo", {"value": "x" * 2_000_000}) == "x" * 2_000_000
    assert len(await client.run("large", {"size": 2_000_000})) == 2_000_000
    with pytest.raises(FarhandError, match="can't be sent"):
        await client.run("odd")
    assert len(await client.run("large", {"size": 1_000_000})) == 1_000_000


async def test_no_worker_waits_and_says_so(hub: RunningHub) -> None:
    async with AsyncClient(hub.address) as client:
        with pytest.raises(DeadlineExceeded, match="no worker is connected at all") as caught:
            await client.run("add", timeout=0.2)
        assert caught.value.retryable


async def test_a_waiting_call_is_taken_by_a_worker_that_comes(hub: RunningHub) -> None:
    async with AsyncClient(hub.address) as client:
        call = asyncio.ensure_future(client.run("add", {"a": 1, "b": 1}))
        async with working(hub.address):
            assert await call == 2.0


@pytest.mark.parametrize(("handler", "outcome"), [("sleep", "stopped"), ("spin", "stopped"), ("apart", "killed")])
async def test_cancel_reaches_the_handler(client: AsyncClient, handler: str, outcome: str) -> None:
    stream = client.stream(handler, {"seconds": 60})
    sign = Kind.CONSOLE if handler == "apart" else Kind.STARTED  # a process is taken as started while it is made
    async for event in stream.events():
        if event.kind is sign:
            receipt = await stream.cancel()
            assert receipt.outcome == outcome
            break
    assert (await client.hub()).running == 0


async def test_a_deaf_handler_finishes_and_the_receipt_says_so(client: AsyncClient) -> None:
    stream = client.stream("deaf", {"seconds": 0.3})
    async for event in stream.events():
        if event.kind is Kind.STARTED:
            assert (await stream.cancel()).outcome == "finished"
            break


async def test_cancel_by_id(client: AsyncClient) -> None:
    stream = client.stream("sleep")
    events = stream.events()
    async for event in events:
        if event.kind is Kind.STARTED:
            assert (await client.cancel(stream.job_id)).outcome == "stopped"
            with pytest.raises(Cancelled) as caught:
                async for _ in events:
                    pass
            assert caught.value.details["receipt"] == "stopped"
            break
    with pytest.raises(JobNotFound):
        await client.cancel("nothing")


async def test_leaving_the_loop_cancels(client: AsyncClient, eventually: Eventually) -> None:
    async def idle() -> bool:
        return (await client.hub()).running == 0

    async with client.stream("count", {"n": 10**9}) as stream:
        async for _ in stream:
            break
    await eventually(idle)
    task = asyncio.ensure_future(client.run("sleep"))
    while not (await client.hub()).running:
        pass
    task.cancel()
    await eventually(idle)


async def test_deadlines(client: AsyncClient, eventually: Eventually) -> None:
    with pytest.raises(DeadlineExceeded, match="told to stop it"):
        await client.run("sleep", timeout=0.2)
    with pytest.raises(DeadlineExceeded, match=r"its own timeout of 0.2 s"):
        await client.run("limited")

    async def idle() -> bool:
        return (await client.hub()).running == 0

    await eventually(idle)


async def test_map_is_in_order_and_bounded(client: AsyncClient) -> None:
    made = 0

    def args() -> Any:
        nonlocal made
        for number in range(5000):
            made += 1
            yield {"a": number, "b": 0}

    results = []
    async for result in client.map("add", args(), window=100):
        results.append(result)
        assert made <= len(results) + 100
    assert results == list(range(5000))
    mixed = [r async for r in client.map("echo", [{"value": 1}, {}], return_exceptions=True)]
    assert mixed[0] == 1
    assert isinstance(mixed[1], InvalidArguments)
    with pytest.raises(InvalidArguments):
        [r async for r in client.map("echo", [{"value": 1}, {}])]


async def test_sessions_keep_state_on_one_worker(client: AsyncClient) -> None:
    async with client.session(data={"words": ["zero"]}) as session:
        await session.run("remember", {"word": "one"})
        assert (await session.run("remember", {"word": "two"}))["words"] == ["zero", "one", "two"]
        assert (await client.workers())[0].sessions == 1
    with pytest.raises(SessionLost, match="not open"):
        await session.run("remember", {"word": "three"})


async def test_a_session_is_lost_with_its_worker(hub: RunningHub) -> None:
    async with AsyncClient(hub.address) as client:
        async with working(hub.address):
            stays = await client.session()
            moves = await client.session(on_loss="move", data={"words": []})
            await stays.run("remember", {"word": "a"})
            await moves.run("remember", {"word": "a"})
        async with working(hub.address):
            with pytest.raises(SessionLost):
                await stays.run("remember", {"word": "b"})
            assert await moves.run("remember", {"word": "b"}) == {"words": ["b"], "restored": True}


async def test_a_process_that_dies_in_the_middle(client: AsyncClient) -> None:
    with pytest.raises(OutcomeUnknown, match="SIGKILL"):
        await client.run("crash")
    first = await client.run("apart")
    assert await client.run("apart") == first


async def test_a_queue_that_is_full_refuses_at_once() -> None:
    async with await serve_hub(limits=Limits(queue=3)) as hub, AsyncClient(hub.address) as client:
        waiting = [asyncio.ensure_future(client.run("add", timeout=20)) for _ in range(3)]
        while (await client.hub()).waiting < 3:
            pass
        with pytest.raises(Overloaded) as caught:
            await client.run("add")
        assert caught.value.retry_after > 0
        for task in waiting:
            task.cancel()


async def test_listings(client: AsyncClient) -> None:
    handlers = {view.handler.name: view for view in await client.handlers()}
    assert handlers["add"].handler.doc == "Add two numbers."
    assert b'"number"' in handlers["add"].handler.parameters
    assert handlers["lines"].handler.streams
    assert handlers["apart"].handler.isolate == "process"
    workers = await client.workers()
    assert [view.info.slots for view in workers] == [32]
    assert await client.workers("nobody") == []


async def test_only_loopback() -> None:
    with pytest.raises(PermissionDenied, match="loopback only"):
        await serve_hub("0.0.0.0:0")
    with pytest.raises(ValueError, match="HOST:PORT"):
        await serve_hub("nonsense")


async def test_no_hub_at_all() -> None:
    async with AsyncClient("127.0.0.1:1", connect_timeout=0.5) as client:
        with pytest.raises(Unavailable, match="is `farhand hub` running"):
            await client.run("add")


async def test_drain_finishes_what_runs_and_refuses_the_rest(hub: RunningHub) -> None:
    async with working(hub.address), AsyncClient(hub.address, connect_timeout=0.5) as client:
        call = asyncio.ensure_future(client.run("sleep", {"seconds": 0.5}))
        while not (await client.hub()).running:
            pass
        drain = asyncio.ensure_future(hub.drain(10))
        while not (await client.hub()).draining:
            pass
        with pytest.raises(Unavailable, match="stopping"):
            await client.run("add", {"a": 1, "b": 1})
        assert await call == "slept"
        assert await drain is True
