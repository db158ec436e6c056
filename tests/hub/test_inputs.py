"""Jobs that take other jobs' results as arguments."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from farhand import App, AsyncClient
from farhand.assembly import build_worker, open_store, serve_hub
from farhand.errors import FarhandError, InvalidArguments, JobNotFound, TooLarge
from farhand.model.event import Event, Kind
from farhand.model.state import State
from farhand.ports.store import READ_SIZE, Filter, Mark, Store
from farhand.testing.conformance.store import prune
from farhand.worker.worker import WorkerOptions

app = App()
gates: list[asyncio.Event] = []


@app.handler
async def make(value: Any) -> Any:
    return value


@app.handler
async def nothing() -> None:
    return None


@app.handler
async def count(n: int, size: int = 0) -> AsyncIterator[Any]:
    for number in range(n):
        yield "x" * size if size else number


@app.handler
async def total(data: list[float], times: int = 1) -> float:
    return sum(data) * times


@app.handler
async def both(left: Any, right: Any = "none") -> list[Any]:
    return [left, right]


@app.handler
async def length(data: list[str]) -> int:
    return len(data)


@app.handler
async def size_of(data: bytes) -> int:
    return len(data)


@app.handler(isolate="process")
def apart(data: list[int]) -> Iterator[int]:
    yield from data


@app.handler
async def fail() -> None:
    raise ValueError("no")


@app.handler
async def wait(data: int) -> int:
    await gates[-1].wait()
    return data


@pytest.fixture(params=["memory", "sqlite"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    gates.append(asyncio.Event())
    return await open_store("memory:" if request.param == "memory" else f"sqlite:///{tmp_path}/farhand.db")


@pytest.fixture
async def client(store: Store) -> AsyncIterator[AsyncClient]:
    async with await serve_hub(store=store) as hub, AsyncClient(hub.address, connect_timeout=5.0) as client:
        worker = build_worker(app, WorkerOptions(hub=hub.address, slots=4, id="w1", reference=f"{__file__}:app"))
        running = asyncio.ensure_future(worker.run(grace=0.5))
        yield client
        worker.stop()
        await running


async def test_a_result_becomes_an_argument(client: AsyncClient) -> None:
    parent = await client.submit("make", {"value": [1.5, 2.5]})
    child = await client.submit("total", {"times": 2}, inputs={"data": parent})
    by_id = await client.submit("total", inputs={"data": parent.id}, after=[parent])
    grandchild = await client.submit("both", inputs={"left": child, "right": by_id})
    assert await grandchild.result(10) == [8.0, 4.0]
    info = await child.info()
    assert (info.after, info.inputs) == ((parent.id,), {"data": parent.id})


async def test_what_a_parent_streamed_becomes_a_list(client: AsyncClient) -> None:
    parent = await client.submit("count", {"n": 700})
    assert await (await client.submit("total", inputs={"data": parent})).result(10) == sum(range(700))
    empty = await client.submit("count", {"n": 0})
    assert await (await client.submit("total", inputs={"data": empty})).result(10) == 0


async def test_values_arrive_as_they_were(client: AsyncClient) -> None:
    for value in (b"\x00\xff", {"k": [1, {"n": None}]}, "text", 7, float("inf"), None, True):
        parent = await client.submit("make", {"value": value})
        child = await client.submit("both", inputs={"left": parent, "right": await client.submit("nothing")})
        assert await child.result(10) == [value, None]
    raw = await client.submit("make", {"value": b"x" * 1_000_000})
    assert await (await client.submit("size_of", inputs={"data": raw})).result(10) == 1_000_000


async def test_a_handler_in_a_process_gets_them_too(client: AsyncClient) -> None:
    parent = await client.submit("make", {"value": [3, 4]})
    assert await (await client.submit("apart", inputs={"data": parent})).result(30) == [3, 4]


async def test_too_much_fails_the_child_and_names_the_parent(client: AsyncClient) -> None:
    fits = await client.submit("count", {"n": 40, "size": 60_000})
    assert await (await client.submit("length", inputs={"data": fits})).result(30) == 40
    parent = await client.submit("count", {"n": 60, "size": 60_000})
    child = await client.submit("both", inputs={"left": parent}, retries=5)
    with pytest.raises(TooLarge, match=f"the result of job {parent.id} is too large to be the argument 'left'"):
        await child.result(30)
    assert (await child.info()).attempt == 1


async def test_large_results_are_inputs_too(client: AsyncClient) -> None:
    values = [str(n) * 2_000_000 for n in range(2)]
    left, right = [await client.submit("make", {"value": value}) for value in values]
    child = await client.submit("both", {}, inputs={"left": left, "right": right})
    assert await child.result(30) == values


async def test_an_argument_given_twice_is_refused(client: AsyncClient) -> None:
    parent = await client.submit("make", {"value": [1]})
    with pytest.raises(InvalidArguments, match="data: given twice"):
        await client.submit("total", {"data": [2]}, inputs={"data": parent})
    with pytest.raises(InvalidArguments, match="a job is given as its id"):
        await client.submit("total", inputs={"data": 7})
    with pytest.raises(InvalidArguments, match="dat: is not an argument; did you mean data"):
        await (await client.submit("total", inputs={"dat": parent})).result(10)
    text = await client.submit("make", {"value": "text"})
    with pytest.raises(InvalidArguments, match="data"):
        await (await client.submit("total", inputs={"data": text})).result(10)
    with pytest.raises(InvalidArguments, match="inputs maps arguments to jobs"):
        await client.submit("total", inputs={"": parent})


async def test_no_cycle_can_be_made(client: AsyncClient, store: Store) -> None:
    """A parent must be there before its child, and a job keeps the parents it was submitted with."""
    with pytest.raises(JobNotFound, match="'nobody'"):
        await client.submit("total", inputs={"data": "nobody"})
    assert await store.find(Filter()) == []
    first = await client.submit("make", {"value": [1]}, idempotency_key="a", delay=3600)
    again = await client.submit("make", inputs={"value": first}, idempotency_key="a")
    assert (again.id, again.how, (await again.info()).inputs) == (first.id, "key", {})


async def test_a_failed_parent_fails_the_child(client: AsyncClient) -> None:
    parent = await client.submit("fail")
    child = await client.submit("total", inputs={"data": parent})
    with pytest.raises(FarhandError) as caught:
        await child.result(10)
    assert (caught.value.code, caught.value.details["parent"]) == ("PARENT_FAILED", parent.id)


async def test_parents_are_kept_until_their_children_have_ended(client: AsyncClient, store: Store) -> None:
    parent = await client.submit("make", {"value": 5})
    child = await client.submit("wait", inputs={"data": parent})
    async with asyncio.timeout(10):
        while await child.status() != "running":  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    assert (await prune(store, Mark(4e9), "make")).jobs == 0
    gates[-1].set()
    assert await child.result(10) == 5
    again = await child.retry()
    assert await again.result(10) == 5
    assert (await again.info()).inputs == {"data": parent.id}
    assert (await prune(store, Mark(4e9), "make")).jobs == 1
    with pytest.raises(JobNotFound, match=parent.id):
        await child.retry()


async def test_other_inputs_are_other_work(client: AsyncClient) -> None:
    one, two = [await client.submit("make", {"value": [n]}) for n in (1, 2)]
    assert await (await client.submit("total", inputs={"data": one}, cache=True)).result(10) == 1
    other = await client.submit("total", inputs={"data": two}, cache=True)
    assert (other.how, await other.result(10)) == ("new", 2)
    assert (await client.submit("total", inputs={"data": one}, cache=True)).cached


async def test_a_cancel_reaches_a_child_whose_inputs_are_being_read(client: AsyncClient, store: Store) -> None:
    """The read is held up until the cancel has come."""
    parent = await client.submit("make", {"value": [1]})
    await parent.result(10)
    reading, go_on, read = asyncio.Event(), asyncio.Event(), store.read

    async def held_up(id: str, offset: int, limit: int, size: int = READ_SIZE) -> Any:
        if id == parent.id:
            reading.set()
            await go_on.wait()
        return await read(id, offset, limit, size)

    store.read = held_up  # type: ignore[method-assign]
    child = await client.submit("total", inputs={"data": parent})
    await reading.wait()
    cancelling = asyncio.ensure_future(child.cancel())
    async with asyncio.timeout(10):
        while await child.status() != State.CANCELLING:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        go_on.set()
        assert (await cancelling).outcome == "not_started"
    entries: list[Event] = [entry.event async for entry in child.watch()]
    assert [event.kind for event in entries] == [Kind.QUEUED, Kind.CANCELLED]


async def test_a_retry_comes_after_the_newest_retries_of_its_parents(client: AsyncClient) -> None:
    first = await client.submit("make", {"value": [1]})
    other = await client.submit("make", {"value": [5]})
    child = await client.submit("total", inputs={"data": first}, after=[other])
    assert await child.result(10) == 1
    again = await first.retry()
    assert await again.result(10) == [1]
    newest = await again.retry()
    retried = await child.retry()
    assert await retried.result(10) == 1
    info = await retried.info()
    assert (info.inputs, info.after) == ({"data": newest.id}, (other.id, newest.id))
    twice = await (await retried.retry()).info()
    assert twice.inputs == {"data": newest.id}


async def test_a_retry_passes_over_retries_of_a_parent_that_failed(client: AsyncClient) -> None:
    failing = await client.submit("fail")
    child = await client.submit("length", inputs={"data": failing})
    with pytest.raises(FarhandError):
        await child.result(10)
    with pytest.raises(FarhandError):
        await (await failing.retry()).result(10)
    newest = await failing.retry()
    with pytest.raises(FarhandError):
        await newest.result(10)
    retried = await child.retry()
    with pytest.raises(FarhandError) as caught:
        await retried.result(10)
    assert (caught.value.code, caught.value.details["parent"]) == ("PARENT_FAILED", newest.id)
    good = await client.submit("make", {"value": [1]})
    fine = await client.submit("total", inputs={"data": good})
    assert await fine.result(10) == 1
    waits = await good.retry()
    assert (await (await fine.retry()).info()).inputs == {"data": waits.id}
