"""What a hub and its clients say to wrong jobs, options and offsets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import grpc
import pytest

from farhand import AsyncClient
from farhand.assembly import open_store, serve_hub
from farhand.client.jobs import Job
from farhand.errors import InvalidArguments, JobNotFound
from farhand.wire.farhand._pb import client_pb2
from tests.conftest import working
from tests.fronts.raw import CLIENT, OPTIONS, Refusal

NAN, INF = float("nan"), float("inf")


@pytest.fixture
async def client() -> AsyncIterator[AsyncClient]:
    hub = await serve_hub(store=await open_store("memory:"))
    async with hub, working(hub.address), AsyncClient(hub.address, connect_timeout=5.0) as client:
        yield client


async def _watch(job: Job) -> None:
    async for _ in job.watch():
        pass


VERBS: dict[str, Callable[[AsyncClient, Job], Awaitable[Any]]] = {
    "info": lambda client, job: job.info(),
    "status": lambda client, job: job.status(),
    "watch": lambda client, job: _watch(job),
    "result": lambda client, job: job.result(5),
    "result with progress": lambda client, job: job.result(5, progress=print),
    "progress": lambda client, job: job.progress(),
    "cancel": lambda client, job: job.cancel(),
    "cancel by id": lambda client, job: client.cancel(job.id),
    "retry": lambda client, job: job.retry(),
    "after": lambda client, job: client.submit("add", {"a": 1, "b": 1}, after=[job]),
    "inputs": lambda client, job: client.submit("add", {"a": 1}, inputs={"b": job}),
}


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("id", ["nobody", "", "00000000-0000-7000-8000-000000000000", "x" * 10_000, "ü\n\x00'--"])
async def test_an_unknown_job_is_not_found(client: AsyncClient, verb: str, id: str) -> None:
    with pytest.raises(JobNotFound) as caught:
        await VERBS[verb](client, client.job(id))
    assert len(caught.value.message) < 500
    assert await client.jobs() == []


@pytest.mark.parametrize(
    ("option", "values"),
    [
        ("run_at", [-1, NAN, "soon", True]),
        ("delay", [-1, NAN, INF, "1", True, 1e12]),
        ("timeout", [0, -1, NAN, INF, "1", True]),
        ("retries", [-1, 1.5, "3", True, 1_000, 2**40]),
        ("backoff", [-0.1, NAN, "1"]),
        ("begin_within", [-1, NAN]),
        ("end_within", [-1, INF]),
        ("never", ["ValueError", [1], [""], 7, {"a": 1}]),
        ("priority", [1.5, "1", True, 2**31, -(2**31) - 1]),
        ("labels", ["a=b", {"a": 1}, {1: "a"}, [("a", "b")]]),
        ("idempotency_key", ["", 7, b"k"]),
        ("cache", ["yes", 0, -1, NAN, INF, [], 1e12]),
        ("cache_failures", [1, "yes"]),
        ("after", ["0" * 36, 7, {"a": 1}, [7], [None]]),
        ("inputs", ["a", ["a"], {"a": 7}, {7: "a"}]),
        ("group", ["", 7]),
    ],
)
async def test_a_bad_option_is_refused_and_named(client: AsyncClient, option: str, values: list[Any]) -> None:
    for value in values:
        options: Any = {option: value}
        with pytest.raises(InvalidArguments) as caught:
            await client.submit("add", {"a": 1, "b": 1}, **options)
        assert option in caught.value.message or "a job is given as its id" in caught.value.message, value
    assert await client.jobs() == []


async def test_none_says_no_more_than_leaving_an_option_out(client: AsyncClient) -> None:
    names = (
        "timeout retries backoff never priority labels delay run_at begin_within end_within idempotency_key cache after"
    )
    options: Any = dict.fromkeys([*names.split(), "inputs", "group", "cache_failures"])
    assert await (await client.submit("add", {"a": 1, "b": 1}, **options)).result(10) == 2.0
    for cache in (False, True):
        assert (await client.submit("add", {"a": 1, "b": 1}, cache=cache)).how == "new"


@pytest.mark.parametrize(
    "wanted",
    [
        {"limit": 0},
        {"limit": -1},
        {"limit": 1_001},
        {"limit": "9"},
        {"status": 7},
        {"labels": "a"},
        {"handler": 7},
        {"before": 7},
        {"state": "failed"},
    ],
)
async def test_a_bad_filter_is_refused_and_named(client: AsyncClient, wanted: Any) -> None:
    with pytest.raises(InvalidArguments, match=next(iter(wanted))):
        await client.jobs(**wanted)
    with pytest.raises(InvalidArguments, match="no such state: done; there are waiting, queued"):
        await client.jobs(status=["failed", "done"])


@pytest.mark.parametrize("offset", [-1, 1.5, "1", None, True, 2**64])
async def test_a_bad_offset_is_refused(client: AsyncClient, offset: Any) -> None:
    job = await client.submit("add", {"a": 1, "b": 1})
    with pytest.raises(InvalidArguments, match="offset is a whole number, 0 or more"):
        await anext(job.watch(offset))


async def test_an_offset_past_the_end_waits(client: AsyncClient) -> None:
    """For what comes there, or for the job's end."""
    job = await client.submit("count", {"n": 3}, delay=0.5)
    chunk = await asyncio.wait_for(anext(job.watch(3)), 10)
    assert (chunk.offset, chunk.number) == (3, 2)
    held = await client.submit("sleep")
    far = asyncio.ensure_future(_watch_from(held, 1_000_000))
    async with asyncio.timeout(10):
        while await held.status() != "running":  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    assert not far.done()
    await held.cancel()
    assert await asyncio.wait_for(far, 10) == 0
    assert await asyncio.wait_for(_watch_from(held, 1_000_000), 10) == 0


async def _watch_from(job: Job, offset: int) -> int:
    return len([entry async for entry in job.watch(offset)])


RAW: dict[str, dict[str, Any]] = {
    "delay": {"delay": NAN},
    "backoff": {"backoff": -1.0},
    "backoff_limit": {"backoff_limit": INF},
    "begin_within": {"begin_within": -INF},
    "end_within": {"end_within": 1e300},
    "cache_ttl": {"cache_ttl": NAN},
    "attempts": {"attempts": 2**32 - 1},
    "idempotency_key": {"idempotency_key": "x" * 201},
    "cache_key": {"cache_key": "x" * 201},
    "others": {"after": [f"{n}" for n in range(1_001)]},
    "argument": {"inputs": {"": "a"}},
    "session": {"call": client_pb2.RunRequest(handler="add", session="s")},
    "handler": {"call": client_pb2.RunRequest(handler="")},
}


@pytest.mark.parametrize("named", RAW)
async def test_a_hub_trusts_no_client_to_have_checked(client: AsyncClient, named: str) -> None:
    given: Any = {"call": client_pb2.RunRequest(handler="add"), **RAW[named]}
    async with grpc.aio.insecure_channel(client.address, OPTIONS) as channel:
        submit: Any = channel.unary_unary(
            CLIENT + "Submit",
            request_serializer=client_pb2.SubmitRequest.SerializeToString,
            response_deserializer=client_pb2.SubmitResponse.FromString,
        )
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await submit(client_pb2.SubmitRequest(**given))
    refusal = Refusal(caught.value)
    assert (refusal.reason, refusal.code) == ("INVALID_ARGUMENTS", grpc.StatusCode.INVALID_ARGUMENT)
    assert named in refusal.message
    assert await client.jobs() == []
