"""Workers that break the protocol: cut off with the reason, their callers told at once, and nobody else notices."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import grpc
import msgspec
import pytest

from farhand.assembly import RunningHub
from farhand.client import AsyncClient
from farhand.errors import HandlerFailed, OutcomeUnknown
from farhand.model.event import Kind
from farhand.model.limits import CHUNK_OVERHEAD, PAYLOAD_LIMIT, WINDOW_LIMIT
from farhand.wire.farhand._pb import client_pb2, common_pb2, worker_pb2
from tests.conftest import Eventually
from tests.fronts.conftest import Bystander
from tests.fronts.raw import CHUNK, FAILED, STARTED, SUCCEEDED, RawClient, RawWorker, events, fault

Frame = worker_pb2.WorkerFrame
SEVEN = b"\x07"


def unequal(job: str, column: str) -> Frame:
    frame = events(job, (STARTED,), (SUCCEEDED, SEVEN))
    del getattr(frame.events, column)[1:]
    return frame


BREACHES: dict[str, tuple[Callable[[str], Frame | bytes], str]] = {
    "random bytes": (lambda job: b"\xff\xff\xff\xff", "can't be read as farhand.v1.WorkerFrame"),
    "a cut frame": (lambda job: events(job, (STARTED,)).SerializeToString()[:-1], "can't be read"),
    "too few kinds": (lambda job: unequal(job, "kind"), "differ in length"),
    "too few bodies": (lambda job: unequal(job, "body"), "differ in length"),
    "too few numbers": (lambda job: unequal(job, "number"), "differ in length"),
    "a job it doesn't have": (lambda job: events("0192-none", (STARTED,)), "which this worker doesn't have"),
    "an end of no job": (lambda job: events("", (SUCCEEDED, SEVEN)), "which this worker doesn't have"),
    "started twice": (lambda job: events(job, (STARTED,), (STARTED,)), "was started twice"),
    "ended twice": (lambda job: events(job, (FAILED,), (FAILED,)), "which this worker doesn't have"),
    "a chunk after the end": (lambda job: events(job, (FAILED,), (CHUNK, SEVEN, 1)), "which this worker doesn't have"),
    "chunk 2 first": (lambda job: events(job, (CHUNK, SEVEN, 2)), "chunk 2 came where 1 was due"),
    "chunk 0": (lambda job: events(job, (CHUNK, SEVEN, 0)), "chunk 0 came where 1 was due"),
    "a chunk twice": (lambda job: events(job, (CHUNK, SEVEN, 1), (CHUNK, SEVEN, 1)), "chunk 1 came where 2 was due"),
    "a chunk is missing": (
        lambda job: events(job, (CHUNK, SEVEN, 1), (SUCCEEDED, SEVEN, 2)),
        "ended after 2 chunks, of which 1 came",
    ),
    "the end denies a chunk": (
        lambda job: events(job, (CHUNK, SEVEN, 1), (SUCCEEDED, SEVEN, 0)),
        "ended after 0 chunks, of which 1 came",
    ),
    "chunks that never came": (
        lambda job: events(job, (SUCCEEDED, SEVEN, 2**64 - 1)),
        "chunks, of which 0 came",
    ),
    "a result over the limit": (
        lambda job: events(job, (SUCCEEDED, b"x" * (PAYLOAD_LIMIT + 1))),
        "1,048,577 bytes is over the limit of 1,048,576",
    ),
    "it queues": (lambda job: events(job, (int(Kind.QUEUED),)), "a worker can't queue jobs"),
    "an unknown kind": (lambda job: events(job, (77,)), "unknown kind 77"),
    "no fault": (lambda job: events(job, (FAILED, b"\xff")), "failed event can't be read"),
    "rejected though begun": (lambda job: Frame(rejected=[job], events=events(job, (STARTED,)).events), "rejected by"),
    "rejected, of no job": (lambda job: Frame(rejected=["none"], draining=True), "which this worker doesn't have"),
    "a second hello": (
        lambda job: Frame(hello=worker_pb2.Hello(protocol=1, worker_id="bad", slots=1)),
        "HELLO from the peer is not allowed",
    ),
}


@asynccontextmanager
async def held(hub: RunningHub, **more: Any) -> AsyncIterator[tuple[RawWorker, RawClient, str]]:
    """A worker that has been given call 1 of a client, and its job's id."""
    async with RawWorker(hub.address) as bad, RawClient(hub.address) as caller:
        await bad.greet()
        await caller.greet()
        await caller.call(1, "work", group="bad", **more)
        yield bad, caller, await bad.job()


@pytest.mark.parametrize(("breach", "why"), BREACHES.values(), ids=BREACHES)
async def test_a_breach_cuts_the_worker_off_and_its_caller_knows_at_once(
    hub: RunningHub, good: Bystander, breach: Callable[[str], Frame | bytes], why: str
) -> None:
    async with held(hub) as (bad, caller, job):
        began = time.monotonic()
        await bad.say(breach(job))
        kind, body, _ = await caller.event(1, FAILED, SUCCEEDED)
        assert time.monotonic() - began < 2
        assert kind == FAILED
        ended_itself = body == b""  # the worker ended it before it broke the protocol
        assert ended_itself or fault(body).code == "OUTCOME_UNKNOWN"
        refusal = await bad.ended()
        assert bad.goodbye is not None
        assert bad.goodbye.code == "PROTOCOL_VIOLATION"
        assert why in bad.goodbye.message
        assert (refusal.code, refusal.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "PROTOCOL_VIOLATION")
        assert [view.info.id for view in await good.client.workers()] == ["good"]


def durable(**defaults: Any) -> worker_pb2.Handler:
    """A handler that declares so."""
    return worker_pb2.Handler(name="a", isolate="none", durable=worker_pb2.JobDefaults(**defaults))


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"protocol": 2}, "the peer speaks protocol 2, this side speaks 1: use the same major version"),
        ({"protocol": 0}, "the peer speaks protocol 0"),
        ({"worker_id": ""}, "worker name ''"),
        ({"worker_id": "two words"}, "worker name 'two words'"),
        ({"group": "../up"}, "group name"),
        ({"slots": 0}, "1 to 1,000,000 slots, not 0"),
        ({"handlers": [worker_pb2.Handler(name="<script>", isolate="none")]}, "handler name '<script>'"),
        ({"handlers": [worker_pb2.Handler(name="a", isolate="cage")]}, "unknown isolation 'cage'"),
        ({"handlers": [durable(attempts=1001)]}, "what handler 'a' declares for durable jobs makes no sense"),
        ({"handlers": [durable(backoff=float("nan"))]}, "what handler 'a' declares for durable jobs makes no sense"),
        ({"handlers": [durable(version="x" * 201)]}, "what handler 'a' declares for durable jobs makes no sense"),
        ({"handlers": [durable(schedule="61 * * * *")]}, "'61 * * * *' has the minute '61'"),
        ({"handlers": [durable(schedule="* * * * *", missed="all")]}, "missed='all'"),
    ],
    ids=str,
)
async def test_a_hello_that_makes_no_sense_is_refused_with_the_reason(
    hub: RunningHub, good: Bystander, wrong: dict[str, Any], why: str
) -> None:
    async with RawWorker(hub.address) as bad:
        await bad.say(bad.hello(**wrong))
        refusal = await bad.ended()
        assert (refusal.code, refusal.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "PROTOCOL_VIOLATION")
        assert why in refusal.message
        assert not any(frame.HasField("welcome") for frame in bad.frames)


@pytest.mark.parametrize(
    "frame",
    [
        events("job", (STARTED,)),
        Frame(rejected=["job"]),
        Frame(heartbeat=common_pb2.Heartbeat(running=1)),
        Frame(draining=True),
    ],
    ids=["events", "rejected", "heartbeat", "draining"],
)
async def test_who_works_before_its_hello_is_refused(hub: RunningHub, good: Bystander, frame: Frame) -> None:
    async with RawWorker(hub.address) as bad:
        await bad.say(frame)
        refusal = await bad.ended()
        assert refusal.code is grpc.StatusCode.INVALID_ARGUMENT
        assert "is not allowed while the link is new" in refusal.message
    async with RawWorker(hub.address) as hasty:
        both = hasty.hello()
        both.MergeFrom(frame)
        await hasty.say(both)
        assert "is not allowed while the link is greeted" in (await hasty.ended()).message


async def test_a_worker_that_says_no_hello_in_time_is_cut_off(
    hub: RunningHub, good: Bystander, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("farhand.fronts.grpc.conversation.HANDSHAKE_TIMEOUT", 0.2)
    async with RawWorker(hub.address) as silent, RawWorker(hub.address, "polite", "polite") as polite:
        await polite.greet()
        refusal = await silent.ended()
        assert refusal.code is grpc.StatusCode.INVALID_ARGUMENT
        assert "no hello within 0.2 s" in refusal.message
        assert {view.info.id for view in await good.client.workers()} == {"good", "polite"}


async def test_chunks_beyond_credit_cut_the_worker_off(hub: RunningHub, good: Bystander) -> None:
    """One payload over the window is allowed for, since a worker sends while any credit is left."""
    async with held(hub, window=1000) as (bad, caller, job):
        chunk = b"x" * PAYLOAD_LIMIT
        await bad.say(events(job, (STARTED,), (CHUNK, chunk, 1)))
        await caller.event(1, CHUNK)
        for number in (2, 3):
            await bad.say(events(job, (CHUNK, chunk, number)))
        _, body, chunks = await caller.event(1, FAILED)
        assert fault(body).code == "OUTCOME_UNKNOWN"
        assert chunks <= 2
        await bad.ended()
        assert bad.goodbye is not None
        assert "faster than their reader allows" in bad.goodbye.message


async def test_empty_chunks_take_credit_too(hub: RunningHub, good: Bystander) -> None:
    async with held(hub, window=1000) as (bad, caller, job):
        many = 4000
        for first in range(1, 40_001, many):
            await bad.say(events(job, *((CHUNK, b"", number) for number in range(first, first + many))))
        _, body, chunks = await caller.event(1, FAILED)
        assert fault(body).code == "OUTCOME_UNKNOWN"
        assert chunks < 20_000


async def test_credit_that_is_granted_reaches_the_worker(hub: RunningHub, good: Bystander) -> None:
    async with held(hub, window=1000) as (bad, caller, job):
        await caller.say(client_pb2.ClientFrame(credit=client_pb2.CallCredits(call=[1], bytes=[500])))
        assert await bad.hear(lambda frame: list(zip(frame.credit.job, frame.credit.bytes, strict=True))) == [
            (job, 500)
        ]
        await bad.say(events(job, (CHUNK, SEVEN, 1), (SUCCEEDED, SEVEN, 1)))
        assert await caller.event(1, SUCCEEDED) == (SUCCEEDED, SEVEN, 1)


async def test_no_reader_can_open_a_jobs_window_without_bound(hub: RunningHub, good: Bystander) -> None:
    """Else a reader who takes nothing could have a worker fill its memory, and the hub's."""
    huge = 2**64 - 1
    async with held(hub, window=huge) as (bad, caller, job):
        (window,) = [one for frame in bad.frames for one in frame.assign.window]
        assert window == WINDOW_LIMIT
        await bad.say(events(job, (CHUNK, b"x" * 1000, 1)))
        await caller.event(1, CHUNK)
        await caller.say(client_pb2.ClientFrame(credit=client_pb2.CallCredits(call=[1, 1], bytes=[huge, huge])))
        await caller.say(client_pb2.ClientFrame(cancel=[1]))
        await bad.hear(lambda frame: list(frame.cancel.job))
        assert sum(amount for frame in bad.frames for amount in frame.credit.bytes) == 1000 + CHUNK_OVERHEAD


async def test_a_message_over_4_mib_ends_the_worker(hub: RunningHub, good: Bystander) -> None:
    async with held(hub) as (bad, caller, job):
        await bad.say(events(job, (SUCCEEDED, b"x" * (5 << 20))))
        _, body, _ = await caller.event(1, FAILED)
        assert fault(body).code == "OUTCOME_UNKNOWN"
        assert (await bad.ended()).code is grpc.StatusCode.RESOURCE_EXHAUSTED


async def test_a_worker_that_never_reads_is_cut_off_and_its_callers_know(
    hub: RunningHub, good: Bystander, eventually: Eventually, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("farhand.fronts.grpc.conversation.BACKLOG_LIMIT", 1 << 20)
    async with RawWorker(hub.address, slots=1000) as deaf, AsyncClient(hub.address) as caller:
        await deaf.greet()
        inline = {"data": b"x" * 60_000}
        asked = [asyncio.ensure_future(caller.run("work", inline, group="bad")) for _ in range(400)]

        async def gone() -> bool:
            return [view.info.id for view in await good.client.workers()] == ["good"]

        await eventually(gone)
        ended, waiting = await asyncio.wait(asked, return_when=asyncio.FIRST_COMPLETED)
        assert {type(one.exception()) for one in ended} == {OutcomeUnknown}
        for one in waiting:
            one.cancel()
        assert (await deaf.ended()).code is grpc.StatusCode.RESOURCE_EXHAUSTED


async def test_a_worker_that_drops_the_line_leaves_the_outcome_unknown_at_once(
    hub: RunningHub, good: Bystander
) -> None:
    async with held(hub) as (bad, caller, job):
        await bad.say(events(job, (STARTED,), (CHUNK, SEVEN, 1)))
        await caller.event(1, CHUNK)
        began = time.monotonic()
        await bad.drop()
        _, body, chunks = await caller.event(1, FAILED)
        assert time.monotonic() - began < 2
        assert (fault(body).code, fault(body).retryable, chunks) == ("OUTCOME_UNKNOWN", False, 1)
        assert "worker 'bad' was lost while it had the job" in fault(body).message


async def test_the_newer_of_two_workers_with_one_id_stays_and_the_older_is_told(
    hub: RunningHub, good: Bystander
) -> None:
    async with held(hub) as (older, caller, _), RawWorker(hub.address) as newer:
        await newer.greet()
        await older.ended()
        assert older.goodbye is not None
        assert older.goodbye.code == "REPLACED"
        assert "a newer worker registered as 'bad'" in older.goodbye.message
        _, body, _ = await caller.event(1, FAILED)
        assert fault(body).code == "OUTCOME_UNKNOWN"
        assert "replaced by a newer one of the same id" in fault(body).message
        await caller.call(2, "work", group="bad")
        await newer.say(events(await newer.job(), (SUCCEEDED, SEVEN)))
        await caller.event(2, SUCCEEDED)


async def test_one_of_a_thousand_ids_is_not_taken_over_by_another_group(hub: RunningHub, good: Bystander) -> None:
    """An id is unique on the hub, not in its group."""
    async with RawWorker(hub.address, "same", "a") as older, RawWorker(hub.address, "same", "b") as newer:
        await older.greet()
        await newer.greet()
        await older.ended()
        assert older.goodbye is not None
        assert older.goodbye.code == "REPLACED"


NASTY = '\x1b[31m<script>alert(1)</script>\n"; DROP TABLE jobs; --\x00{{7*7}}${jndi:ldap://x}'


@pytest.mark.parametrize(
    "details",
    [
        b"",
        b'{"type": 7, "traceback": [1], "retry_after": "soon"}',
        b'{"retry_after": 1e300}',
        b'{"retry_after": -5, "limit": null, "problems": "none"}',
        msgspec.json.encode({"type": NASTY, "traceback": NASTY}),
    ],
)
@pytest.mark.parametrize("code", ["HANDLER_FAILED", "OVERLOADED", "INVALID_ARGUMENTS", "OK", "", NASTY])
async def test_a_fault_made_up_by_a_worker_harms_nobody(
    hub: RunningHub, good: Bystander, code: str, details: bytes
) -> None:
    """Through the channel and through unary Run; the caller gets an error, never INTERNAL, UNKNOWN or a success."""
    async with held(hub) as (bad, caller, job), grpc.aio.insecure_channel(hub.address) as channel:
        lie = common_pb2.Fault(code=code, message=NASTY, details=details, retryable=True).SerializeToString()
        await bad.say(events(job, (FAILED, lie)))
        _, body, _ = await caller.event(1, FAILED)
        assert fault(body).message == NASTY
        run: Any = channel.unary_unary(
            "/farhand.v1.ClientService/Run",
            client_pb2.RunRequest.SerializeToString,
            client_pb2.RunResponse.FromString,
        )
        call = run(client_pb2.RunRequest(handler="work", group="bad"))
        await bad.say(events(await bad.job(), (FAILED, lie)))
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call
        trailers = dict(caught.value.trailing_metadata() or ())
        assert "grpc-status-details-bin" in trailers
        assert caught.value.code() is not grpc.StatusCode.OK


async def test_hostile_text_arrives_as_text(hub: RunningHub, good: Bystander) -> None:
    async with held(hub) as (bad, caller, job):
        await bad.say(events(job, (STARTED,), (int(Kind.CONSOLE), NASTY.encode() + b"\xff\xfe")))
        _, body, _ = await caller.event(1, int(Kind.CONSOLE))
        assert body.decode() == NASTY + "\ufffd\ufffd"
        await bad.say(events(job, (int(Kind.CONSOLE), b"y" * PAYLOAD_LIMIT)))
        _, body, _ = await caller.event(1, int(Kind.CONSOLE))
        assert body.endswith(b"more characters]")
        assert len(body) < 70_000
        await bad.say(events(job, (SUCCEEDED, SEVEN)))
        await caller.event(1, SUCCEEDED)


async def test_a_worker_without_work_may_say_what_it_likes_within_the_protocol(
    hub: RunningHub, good: Bystander, eventually: Eventually
) -> None:
    async with RawWorker(hub.address) as odd:
        await odd.greet()
        for _ in range(100):
            await odd.say(b"")
            await odd.say(Frame(heartbeat=common_pb2.Heartbeat(running=2**32 - 1)))
        await odd.say(Frame(draining=True))

        async def draining() -> bool:
            return {view.info.id: view.state for view in await good.client.workers()}.get("bad") == "draining"

        await eventually(draining)
        await odd.say(Frame(goodbye=common_pb2.Goodbye(code="ANY", message="thing")))
        assert (await odd.ended()).code is grpc.StatusCode.OK


async def test_a_result_that_cannot_be_read_is_no_success(hub: RunningHub, good: Bystander) -> None:
    async with RawWorker(hub.address) as bad, AsyncClient(hub.address) as caller:
        await bad.greet()
        call = asyncio.ensure_future(caller.run("work", group="bad"))
        await bad.say(events(await bad.job(), (SUCCEEDED, b"\xc1")))
        with pytest.raises(OutcomeUnknown):
            await call
        call = asyncio.ensure_future(caller.run("work", group="bad"))
        await bad.say(events(await bad.job(), (FAILED, common_pb2.Fault(code="HANDLER_FAILED").SerializeToString())))
        with pytest.raises(HandlerFailed):
            await call
