"""Run, Stream, Cancel and the listings, as a program in any gRPC language meets them: rows, statuses, trailers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import grpc
import msgspec
import pytest

from farhand.assembly import RunningHub, serve_hub
from farhand.core.machine import Limits
from farhand.model.event import Kind
from farhand.model.limits import PAYLOAD_LIMIT
from farhand.model.payload import Media
from farhand.wire.farhand._pb import client_pb2, common_pb2
from farhand.worker.context import capture_prints, release_prints
from tests.conftest import Eventually, working
from tests.fronts.raw import CLIENT, OPTIONS, RawWorker, Refusal

JSON, MSGPACK, BYTES, NONE = int(Media.JSON), int(Media.MSGPACK), int(Media.BYTES), int(Media.NONE)
Request = client_pb2.RunRequest


class Caller:
    """A bare gRPC client."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self.channel = channel

    def run(self, handler: str, args: Any = None, timeout: float | None = None, **more: Any) -> Any:
        """Call Run with JSON arguments."""
        method: Any = self.channel.unary_unary(
            CLIENT + "Run", Request.SerializeToString, client_pb2.RunResponse.FromString
        )
        return method(request(handler, args, **more), timeout=timeout)

    def stream(self, handler: str, args: Any = None, timeout: float | None = None, **more: Any) -> Any:
        """Call Stream with JSON arguments."""
        method: Any = self.channel.unary_stream(
            CLIENT + "Stream", Request.SerializeToString, client_pb2.JobEvent.FromString
        )
        return method(request(handler, args, **more), timeout=timeout)

    async def ask(self, method: str, question: Any, answer: Any) -> Any:
        """Call one of the other methods."""
        call: Any = self.channel.unary_unary(CLIENT + method, type(question).SerializeToString, answer.FromString)
        return await call(question, timeout=10)

    async def hub(self) -> Any:
        """GetHub."""
        return await self.ask("GetHub", client_pb2.GetHubRequest(), client_pb2.GetHubResponse)

    async def refused(self, streams: bool, handler: str, args: Any = None, **more: Any) -> Refusal:
        """How Run or Stream refuses this."""
        call = read(self.stream(handler, args, **more)) if streams else self.run(handler, args, **more)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call
        return Refusal(caught.value)


async def read(events: Any) -> list[Any]:
    return [event async for event in events]


def request(handler: str, args: Any, **more: Any) -> Request:
    media: Any = more.pop("media", JSON)
    data = args if isinstance(args, bytes) else b"" if args is None else msgspec.json.encode(args)
    made = Request(handler=handler, **more)
    if args is not None:
        made.args.CopyFrom(common_pb2.Payload(data=data, media=media))
    return made


@pytest.fixture
async def caller(hub: RunningHub) -> AsyncIterator[Caller]:
    async with working(hub.address, id="w1"), grpc.aio.insecure_channel(hub.address, options=OPTIONS) as channel:
        yield Caller(channel)


@pytest.fixture
async def alone(hub: RunningHub) -> AsyncIterator[Caller]:
    """A caller of a hub without workers."""
    async with grpc.aio.insecure_channel(hub.address, options=OPTIONS) as channel:
        yield Caller(channel)


both = pytest.mark.parametrize("streams", [False, True], ids=["Run", "Stream"])


async def test_json_in_json_out(caller: Caller) -> None:
    answer = await caller.run("add", {"a": 1, "b": 2})
    assert (answer.result.data, answer.result.media) == (b"3.0", JSON)
    assert len(answer.job_id) == 36
    answer = await caller.run("echo", {"value": {"é": [1, None, "x"]}})
    assert (answer.result.data.decode(), answer.result.media) == ('{"é":[1,null,"x"]}', JSON)
    answer = await caller.run("count", {"n": 2})
    assert [(chunk.data, chunk.media) for chunk in answer.chunks] == [(b"0", JSON), (b"1", JSON)]
    assert answer.result.media == NONE


async def test_messagepack_in_messagepack_out(caller: Caller) -> None:
    answer = await caller.run("echo", msgspec.msgpack.encode({"value": {1: b"\xff"}}), media=MSGPACK)
    assert (msgspec.msgpack.decode(answer.result.data), answer.result.media) == ({1: b"\xff"}, MSGPACK)
    answer = await caller.run("echo", msgspec.msgpack.encode({"value": b"\xff"}), media=MSGPACK)
    assert (answer.result.data, answer.result.media) == (b"\xff", BYTES)


async def test_a_stream_is_the_jobs_log_in_order(caller: Caller) -> None:
    capture_prints()  # pytest puts its own stdout there for each test
    log = [event async for event in caller.stream("lines", {"n": 3})]
    release_prints()
    assert len({event.job_id for event in log}) == 1
    kinds = [event.kind for event in log]
    assert kinds[:2] == [Kind.QUEUED, Kind.STARTED]
    assert kinds[-1] == Kind.SUCCEEDED
    assert sum(kind >= Kind.SUCCEEDED for kind in kinds) == 1
    assert log[1].worker_id == "w1"
    chunks = [(event.number, event.payload.data) for event in log if event.kind == Kind.CHUNK]
    assert chunks == [(1, b"0"), (2, b"1"), (3, b"2")]
    assert log[-1].payload.data == b'"all"'
    assert "".join(event.text for event in log if event.kind == Kind.CONSOLE) == "line 0\nline 1\nline 2\n"
    last = [event.progress for event in log if event.kind == Kind.PROGRESS][-1]
    assert (last.current, last.total, last.message) == (3, 3, "counting")


@both
async def test_an_unknown_handler_is_not_found_and_near_matches_are_named(caller: Caller, streams: bool) -> None:
    refusal = await caller.refused(streams, "cuont")
    assert (refusal.code, refusal.reason, refusal.domain) == (
        grpc.StatusCode.NOT_FOUND,
        "HANDLER_NOT_FOUND",
        "farhand",
    )
    assert "did you mean count" in refusal.message
    assert "count" in refusal.details["similar"]
    assert refusal.retryable is False


@both
async def test_wrong_arguments_name_the_path_of_each_wrong_field(caller: Caller, streams: bool) -> None:
    refusal = await caller.refused(
        streams, "total", {"items": [{"name": "a"}, {"name": "b", "price": "x"}], "itemz": 1}
    )
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_ARGUMENTS")
    paths = [problem["path"] for problem in refusal.details["problems"]]
    assert paths == ["items[1].price", "itemz"]
    for path in paths:
        assert path in refusal.message


@both
@pytest.mark.parametrize(
    ("args", "media"),
    [(b"{", JSON), (b"\xc1", MSGPACK), (b"[1]", JSON), (b"raw", BYTES), (b"{}", 77), (b"[" * 100_000, JSON)],
    ids=["cut JSON", "no MessagePack", "a list", "bytes", "unknown media", "deep"],
)
async def test_arguments_that_cannot_be_read_are_the_callers_mistake(
    caller: Caller, streams: bool, args: bytes, media: int
) -> None:
    refusal = await caller.refused(streams, "add", args, media=media)
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_ARGUMENTS")


@both
async def test_a_handlers_exception_arrives_with_type_message_and_remote_traceback(
    caller: Caller, streams: bool
) -> None:
    refusal = await caller.refused(streams, "boom", {"text": "héllo"})
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.UNKNOWN, "HANDLER_FAILED")
    assert refusal.message == "héllo"
    assert refusal.details["type"] == "ValueError"
    assert "raise ValueError(text)" in refusal.details["traceback"]
    assert "ValueError: héllo" in refusal.details["traceback"]
    assert refusal.retryable is False


@both
async def test_a_long_traceback_fits_the_trailers(caller: Caller, streams: bool) -> None:
    """Trailers are bounded to 8 or 16 KiB by most peers; the end of a traceback says most."""
    for letter in "xé😀\x01\n%":
        refusal = await caller.refused(streams, "boom", {"text": letter * 20_000 + " the end"})
        assert refusal.reason == "HANDLER_FAILED"
        assert refusal.details["type"] == "ValueError"
        assert refusal.details["traceback"].rstrip().endswith("the end")
        assert refusal.message.startswith(letter * 50)
        assert refusal.size < 8000


@both
async def test_oversized_arguments_name_the_limit_and_the_connection_lives_on(caller: Caller, streams: bool) -> None:
    for handler, args in (("echo", {"value": "x" * PAYLOAD_LIMIT}),):
        refusal = await caller.refused(streams, handler, args)
        assert (refusal.code, refusal.reason) == (grpc.StatusCode.OUT_OF_RANGE, "TOO_LARGE")
        assert "1,048,576" in refusal.message
        assert refusal.details["limit"] == PAYLOAD_LIMIT
    refusal = await caller.refused(streams, "echo", {"value": "x" * (5 << 20)})
    assert refusal.code is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert (await caller.run("add", {"a": 1, "b": 2})).result.data == b"3.0"


async def test_a_large_result_comes_in_one_piece_where_a_message_holds_it(caller: Caller) -> None:
    assert len((await caller.run("large", {"size": 2_000_000})).result.data) == 2_000_002
    larger = (await caller.run("large", {"size": 9_000_000})).result
    assert larger.media == common_pb2.MEDIA_TYPE_REF
    assert len(larger.data) < 1_000


async def test_chunks_that_do_not_fit_one_answer_are_refused_and_the_job_stopped(
    caller: Caller, eventually: Eventually
) -> None:
    refusal = await caller.refused(False, "count", {"n": 10**9, "size": 100_000})
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.OUT_OF_RANGE, "TOO_LARGE")
    assert "stream them" in refusal.message

    async def idle() -> bool:
        return bool((await caller.hub()).running == 0)

    await eventually(idle)


@both
async def test_no_worker_in_the_group_waits_until_the_deadline_and_says_since_when_and_which_groups(
    caller: Caller, streams: bool
) -> None:
    began = time.monotonic()
    refusal = await caller.refused(streams, "add", {"a": 1, "b": 2}, group="gpu", timeout_ms=300)
    assert time.monotonic() - began >= 0.3
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.DEADLINE_EXCEEDED, "DEADLINE_EXCEEDED")
    assert "group 'gpu' has no worker (groups with workers: default)" in refusal.message
    assert f"waited {refusal.details['waited']:g} s" in refusal.message
    assert 0.3 <= refusal.details["waited"] < 2
    assert refusal.details["groups"] == {"default": 1}
    assert refusal.details["dispatched"] is False
    assert refusal.retryable is True


async def test_the_grpc_deadline_is_the_jobs(caller: Caller, eventually: Eventually) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await caller.run("sleep", timeout=0.3)
    assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    left = msgspec.json.decode((await caller.run("about", {}, timeout=20)).result.data)["left"]
    assert 15 < left < 21  # gRPC rounds a deadline up

    async def idle() -> bool:
        return bool((await caller.hub()).running == 0)

    await eventually(idle)


@both
async def test_a_running_job_past_its_timeout_says_it_was_dispatched(caller: Caller, streams: bool) -> None:
    refusal = await caller.refused(streams, "sleep", timeout_ms=200)
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.DEADLINE_EXCEEDED, "DEADLINE_EXCEEDED")
    assert refusal.details["dispatched"] is True
    assert refusal.details["worker"] == "w1"
    assert refusal.retryable is False


@both
async def test_a_full_queue_refuses_within_100_ms_with_a_retry_hint(streams: bool, eventually: Eventually) -> None:
    async with (
        await serve_hub(limits=Limits(queue=3)) as hub,
        grpc.aio.insecure_channel(hub.address, options=OPTIONS) as channel,
    ):
        caller = Caller(channel)
        waiting = [caller.run("add") for _ in range(3)]

        async def full() -> bool:
            return bool((await caller.hub()).waiting == 3)

        await eventually(full)
        for _ in range(5):
            began = time.monotonic()
            refusal = await caller.refused(streams, "add")
            assert time.monotonic() - began < 0.1
            assert (refusal.code, refusal.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "OVERLOADED")
            assert refusal.retry_delay is not None
            assert refusal.retry_delay > 0
            assert refusal.retryable is True
            assert "3 jobs wait for group 'default' already" in refusal.message
        waiting[0].cancel()

        async def room() -> bool:
            return bool((await caller.hub()).waiting == 2)

        await eventually(room)
        waiting[0] = caller.run("add")
        await eventually(full)
        for call in waiting:
            call.cancel()


async def test_leaving_an_rpc_cancels_its_job(caller: Caller, eventually: Eventually) -> None:
    async def running(count: int) -> bool:
        return bool((await caller.hub()).running == count)

    call = caller.run("sleep")
    events = caller.stream("sleep")
    async for event in events:
        if event.kind == Kind.STARTED:
            break
    await eventually(lambda: running(2))
    call.cancel()
    events.cancel()
    await eventually(lambda: running(0))


async def test_cancel_by_id_gives_the_receipt_and_the_caller_learns_it(caller: Caller) -> None:
    events = caller.stream("sleep")
    job = ""
    async for event in events:
        job = event.job_id
        if event.kind == Kind.STARTED:
            break
    receipt = await caller.ask("Cancel", client_pb2.CancelRequest(job_id=job), client_pb2.CancelResponse)
    assert receipt.outcome == "stopped"
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await read(events)
    refusal = Refusal(caught.value)
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.CANCELLED, "CANCELLED")
    assert refusal.details["receipt"] == "stopped"


@pytest.mark.parametrize(
    ("method", "question", "answer", "code", "reason"),
    [
        ("Cancel", client_pb2.CancelRequest(job_id="none"), client_pb2.CancelResponse, "NOT_FOUND", "JOB_NOT_FOUND"),
        (
            "Cancel",
            client_pb2.CancelRequest(job_id="x" * 1_000_000),
            client_pb2.CancelResponse,
            "NOT_FOUND",
            "JOB_NOT_FOUND",
        ),
        (
            "OpenSession",
            client_pb2.OpenSessionRequest(ttl=float("nan")),
            client_pb2.OpenSessionResponse,
            "INVALID_ARGUMENT",
            "INVALID_ARGUMENTS",
        ),
        (
            "OpenSession",
            client_pb2.OpenSessionRequest(on_loss="x" * 100_000),
            client_pb2.OpenSessionResponse,
            "INVALID_ARGUMENT",
            "INVALID_ARGUMENTS",
        ),
        (
            "OpenSession",
            client_pb2.OpenSessionRequest(data=common_pb2.Payload(data=b"x" * (PAYLOAD_LIMIT + 1), media=1)),  # type: ignore[arg-type]
            client_pb2.OpenSessionResponse,
            "OUT_OF_RANGE",
            "TOO_LARGE",
        ),
    ],
    ids=["no job", "a long id", "ttl", "on_loss", "data"],
)
async def test_what_else_is_refused_has_a_status_and_a_reason(
    alone: Caller, method: str, question: Any, answer: Any, code: str, reason: str
) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await alone.ask(method, question, answer)
    refusal = Refusal(caught.value)
    assert (refusal.code.name, refusal.reason, refusal.domain) == (code, reason, "farhand")


@pytest.mark.parametrize("method", ["Run", "Stream", "Cancel", "OpenSession", "ListWorkers"])
async def test_a_request_that_is_none_fails_alone(alone: Caller, method: str) -> None:
    unary: Any = alone.channel.unary_unary(CLIENT + method)
    stream: Any = alone.channel.unary_stream(CLIENT + method)
    noise = b"\xff\xff\xff"
    with pytest.raises(grpc.aio.AioRpcError):
        await (read(stream(noise, timeout=10)) if method == "Stream" else unary(noise, timeout=10))
    assert (await alone.hub()).protocol == 1


@both
async def test_a_hub_that_stops_tells_what_never_began_from_what_may_have(hub: RunningHub, streams: bool) -> None:
    async with grpc.aio.insecure_channel(hub.address, options=OPTIONS) as channel, RawWorker(hub.address) as worker:
        caller = Caller(channel)
        await worker.greet()
        waits = asyncio.ensure_future(caller.refused(streams, "add", group="nobody"))
        runs = asyncio.ensure_future(caller.refused(streams, "work", group="bad"))
        await worker.job()
        while not (await caller.hub()).waiting:
            pass
        await hub.stop()
        waited, ran = await waits, await runs
        assert (waited.code, waited.reason) == (grpc.StatusCode.UNAVAILABLE, "NEVER_DISPATCHED")
        assert waited.retryable is True
        assert (ran.code, ran.reason) == (grpc.StatusCode.ABORTED, "OUTCOME_UNKNOWN")
        assert ran.retryable is False
        await worker.ended()
        assert worker.goodbye is not None
        assert worker.goodbye.message == "the hub has stopped"
