"""Arrays, tables, messages and files through a real hub: as arguments, as results, and as the types asked for."""

from __future__ import annotations

import asyncio
import dataclasses
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import numpy as np
import numpy.typing as npt
import pandas as pd
import polars as pl
import pyarrow as pa
import pydantic
import pytest

from farhand import App, AsyncClient, Client
from farhand.assembly import RunningHub, build_worker, open_store, serve_hub
from farhand.client import File
from farhand.errors import FarhandError, InvalidArguments
from farhand.wire.farhand._pb import client_pb2, common_pb2
from farhand.worker.worker import WorkerOptions

app = App()
trusting = App(codecs=["pickle"])


@dataclasses.dataclass
class Fit:
    """A result with an array in it."""

    weights: np.ndarray[Any, Any]
    name: str


class Score(pydantic.BaseModel):
    n: int


class Point(msgspec.Struct):
    x: int


class Secret:
    """Only pickle knows it."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret)

    __hash__ = None  # type: ignore[assignment]


@app.handler
async def echo(value: Any) -> Any:
    return value


@app.handler
def double(x: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return x * 2


@app.handler
def describe(table: pd.DataFrame, more: pl.DataFrame | None = None) -> dict[str, Any]:
    return {"rows": len(table), "type": type(table).__module__.partition(".")[0], "more": more}


@app.handler(isolate="process")
def apart(x: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return x + 1


@app.handler
async def ranges(n: int) -> AsyncIterator[Any]:
    for size in range(n):
        yield {"n": size}
    yield {"n": n}


@app.handler
def wrong() -> Any:
    return {"rows": [1, {"model": threading.Lock()}]}


@trusting.handler
async def secret(value: Any) -> Any:
    assert value == Secret()
    return value


@pytest.fixture
async def running() -> AsyncIterator[RunningHub]:
    """A hub with a worker for each app, the trusting one in its own group."""
    async with await serve_hub(store=await open_store("memory:"), http="127.0.0.1:0") as hub:
        workers = [
            build_worker(app, WorkerOptions(hub=hub.address, id="w1", reference=f"{__file__}:app")),
            build_worker(trusting, WorkerOptions(hub=hub.address, id="w2", group="trusting")),
        ]
        tasks = [asyncio.ensure_future(worker.run(grace=1.0)) for worker in workers]
        yield hub
        for worker in workers:
            worker.stop()
        await asyncio.gather(*tasks)


@pytest.fixture
def hub(running: RunningHub) -> str:
    """Its address."""
    return running.address


@pytest.fixture
async def client(hub: str) -> AsyncIterator[AsyncClient]:
    async with AsyncClient(hub, connect_timeout=5.0) as client:
        yield client


async def test_each_kind_goes_there_and_back(client: AsyncClient) -> None:
    frame, table = pd.DataFrame({"a": [1, 2]}), pl.DataFrame({"b": ["x"]})
    message = common_pb2.Progress(current=3)
    value = {"x": np.arange(6.0).reshape(2, 3), "t": [frame, table, pa.table({"c": [1]})], "m": message, "b": b"\xff"}
    back = await client.run("echo", {"value": value})
    np.testing.assert_array_equal(back["x"], value["x"])
    assert back["t"][0].equals(frame)
    assert back["t"][1].equals(table)
    assert isinstance(back["t"][2], pa.Table)
    assert (back["m"], back["b"]) == (message, b"\xff")
    file = await client.run("echo", {"value": File(Path(__file__))})
    assert (file.name, file.read()) == ("test_values_asked.py", File(__file__).read())
    assert await client.run("echo", {"value": message}) == message
    assert (await client.run("double", {"x": np.ones(3)})).tolist() == [2, 2, 2]
    assert (await client.run("apart", {"x": np.zeros(2)}, timeout=50)).tolist() == [1, 1]


async def test_an_object_with_arrays_is_an_argument_object(client: AsyncClient) -> None:
    class Call(msgspec.Struct):
        x: Any

    @dataclasses.dataclass
    class Other:
        x: Any

    for args in (Call(np.ones(2)), Other(np.ones(2)), {"x": np.ones(2)}):
        assert (await client.run("double", args)).tolist() == [2, 2]


async def test_another_librarys_table_becomes_the_handlers(client: AsyncClient) -> None:
    for table in (
        pd.DataFrame({"a": [1, 2]}),
        pl.DataFrame({"a": [1, 2]}),
        pa.table({"a": [1, 2]}),
        [{"a": 1}, {"a": 2}],
    ):
        found = await client.run("describe", {"table": table, "more": {"k": [1]}})
        assert (found["rows"], found["type"]) == (2, "pandas")
        assert found["more"].equals(pl.DataFrame({"k": [1]}))
    with pytest.raises(InvalidArguments, match=r"table: Expected `pandas.DataFrame`: got `str`"):
        await client.run("describe", {"table": "rows"})


async def test_results_come_as_the_type_asked_for(client: AsyncClient) -> None:
    async def ask(value: Any, returns: Any) -> Any:
        return await client.run("echo", {"value": value}, returns=returns)

    fit = await ask({"weights": np.arange(3), "name": "n"}, Fit)
    assert isinstance(fit, Fit)
    assert fit.weights.tolist() == [0, 1, 2]
    assert await ask([{"n": 1}], list[Score]) == [Score(n=1)]
    assert await ask({"n": 1}, Score) == Score(n=1)
    assert await ask({"x": 1}, Point) == Point(1)
    assert (await ask([[1, 2]], np.ndarray)).tolist() == [[1, 2]]
    assert (await ask(pd.DataFrame({"a": [1]}), pl.DataFrame)).equals(pl.DataFrame({"a": [1]}))
    assert (await ask(pl.Series("s", [1, 2]), pd.Series)).tolist() == [1, 2]
    assert (await ask([{"a": 1}], pa.Table)).to_pylist() == [{"a": 1}]
    assert await ask({"code": "X"}, common_pb2.Fault) == common_pb2.Fault(code="X")
    assert await ask(client_pb2.GetJobRequest(job_id="j"), client_pb2.GetJobRequest) == client_pb2.GetJobRequest(
        job_id="j"
    )
    assert await client.run("ranges", {"n": 1}, returns=list[Score]) == [Score(n=0), Score(n=1)]


@pytest.mark.parametrize(
    ("value", "returns", "path", "message"),
    [
        ({"a": [{"n": "x"}]}, dict[str, list[Score]], "$[...][0]", "n: Input should be a valid integer"),
        ({"n": "x"}, Score, "$.n", "Input should be a valid integer"),
        ([{"x": 1}, {"x": "y"}], list[Point], "$[1].x", "Expected `int`, got `str`"),
        ({"weights": "no", "name": "n"}, Fit, "$.weights", "Expected `numpy.ndarray`: got `str`"),
        (5, pd.DataFrame, "$", "Expected `pandas.DataFrame`: got `int`"),
        (common_pb2.Progress(), common_pb2.Fault, "$", "is no farhand.v1.Fault"),
        ([1], File, "$", "a file is an object with its name"),
    ],
)
async def test_a_result_that_does_not_fit_names_the_place(
    client: AsyncClient, value: Any, returns: Any, path: str, message: str
) -> None:
    with pytest.raises(InvalidArguments) as caught:
        await client.run("echo", {"value": value}, returns=returns)
    assert str(caught.value).startswith("the result doesn't fit ")
    (problem,) = caught.value.details["problems"]
    assert problem["path"] == path
    assert message in problem["message"]


async def test_streams_maps_sessions_and_jobs_take_the_type_too(client: AsyncClient) -> None:
    assert [one async for one in client.stream("ranges", {"n": 1}, returns=Score)] == [Score(n=0), Score(n=1)]
    calls = [{"value": {"x": n}} for n in range(3)]
    assert [one async for one in client.map("echo", calls, returns=Point)] == [Point(0), Point(1), Point(2)]
    mixed = [{"value": {"x": 1}}, {"value": {"x": "bad"}}, {"value": {"x": 2}}]
    found = [one async for one in client.map("echo", mixed, returns=Point, return_exceptions=True)]
    assert (found[0], found[2]) == (Point(1), Point(2))
    assert isinstance(found[1], InvalidArguments)
    async with client.session() as session:
        assert await session.run("echo", {"value": {"x": 4}}, returns=Point) == Point(4)
    job = await client.submit("echo", {"value": {"weights": np.ones(2), "name": "n"}})
    assert (await job.result(20, returns=Fit)).weights.tolist() == [1, 1]
    assert (await job.result(20, progress=lambda now: None, returns=Fit)).name == "n"
    assert (await job.result(20))["weights"].tolist() == [1, 1]
    streamed = await client.submit("ranges", {"n": 0})
    assert await streamed.result(20, returns=list[Score]) == [Score(n=0)]
    with pytest.raises(InvalidArguments, match="doesn't fit"):
        await job.result(20, returns=Point)


async def test_the_sync_client_does_the_same(hub: str) -> None:
    def work() -> None:
        with Client(hub, connect_timeout=5.0) as client:
            assert client.run("double", {"x": np.ones(2)}).tolist() == [2, 2]
            assert list(client.stream("ranges", {"n": 1}, returns=Score)) == [Score(n=0), Score(n=1)]
            stream: Iterator[Any] = iter(client.stream("ranges", {"n": 0}, returns=Point))
            with pytest.raises(InvalidArguments, match=r"doesn't fit .*Point: \$: Object missing required field `x`"):
                next(stream)
            assert list(client.map("echo", [{"value": {"x": 1}}], returns=Point)) == [Point(1)]
            with client.session() as session:
                assert session.run("echo", {"value": {"x": 4}}, returns=Point) == Point(4)
            job = client.submit("echo", {"value": [np.ones(2)]})
            assert job.result(20)[0].tolist() == [1, 1]
            assert job.result(20, returns=tuple[np.ndarray[Any, Any]])[0].tolist() == [1, 1]

    await asyncio.to_thread(work)


async def test_what_a_handler_cannot_send_is_named_with_its_path(client: AsyncClient) -> None:
    with pytest.raises(
        FarhandError, match=r"'wrong' can't be sent: \$.rows\[1\].model: a threading.Lock can't be sent"
    ):
        await client.run("wrong")


async def test_a_jobs_array_becomes_another_jobs_argument(client: AsyncClient) -> None:
    parent = await client.submit("echo", {"value": np.arange(3.0)})
    assert (await (await client.submit("double", inputs={"x": parent})).result(20)).tolist() == [0, 2, 4]
    both = await client.submit(
        "describe", {"more": [{"k": 1}]}, inputs={"table": await client.submit("echo", {"value": [{"a": 1}]})}
    )
    assert (await both.result(20))["rows"] == 1


async def test_pickle_needs_both_ends(hub: str, client: AsyncClient) -> None:
    async with AsyncClient(hub, codecs=["pickle"]) as other:
        assert await other.run("secret", {"value": Secret()}, group="trusting") == Secret()
        with pytest.raises(InvalidArguments, match="pickle is refused unless both ends name it"):
            await other.run("echo", {"value": Secret()})
        job = await other.submit("secret", {"value": Secret()}, group="trusting")
        assert await job.result(20) == Secret()
        with pytest.raises(InvalidArguments, match="pickle is refused unless both ends name it"):
            await client.job(job.id).result(20)
    with pytest.raises(InvalidArguments, match=r"a test.*Secret can't be sent.*pickle is refused"):
        await client.run("secret", {"value": Secret()}, group="trusting")


async def test_with_json_up_to_no_value_changes(hub: str) -> None:
    values = [{"a": 1}, b"x", [float("inf")], {1: b"y"}, "long" * 5_000, np.float32(1.5)]
    async with AsyncClient(hub, json_up_to=10_240) as client, AsyncClient(hub) as other:
        for value in values:
            assert await client.run("echo", {"value": value}) == await other.run("echo", {"value": value})
        assert (await client.run("double", {"x": [1.0, 2.0]})).tolist() == [2, 4]
    wrong: dict[str, Any]
    for wrong in ({"codecs": ["nobody"]}, {"json_up_to": -1}):
        with pytest.raises(InvalidArguments):
            Client(hub, **wrong)


async def test_a_caller_over_http_gets_json_and_what_others_left_as_it_is(
    running: RunningHub, client: AsyncClient
) -> None:
    async with httpx.AsyncClient(base_url=f"http://{running.http}", timeout=30, trust_env=False) as web:
        assert (await web.post("/v1/run/double", json={"x": [1, 2]})).json() == [2.0, 4.0]
        rows = (await web.post("/v1/run/describe", json={"table": [{"a": 1}], "more": [{"k": 2}]})).json()
        assert rows == {"rows": 1, "type": "pandas", "more": [{"k": 2}]}
        wrong = await web.post("/v1/run/double", json={"x": ["a"]})
        assert (wrong.status_code, wrong.json()["code"]) == (400, "INVALID_ARGUMENTS")
        job = await client.submit("double", {"x": np.ones(3)})
        await job.result(20)
        kept = await web.get(f"/v1/jobs/{job.id}/result", params={"wait": 20})
        assert kept.headers["content-type"] == "application/vnd.apache.arrow.stream"
        assert pa.ipc.open_stream(kept.content).read_all().column(0).to_pylist() == [2, 2, 2]
