"""Clients that break the protocol or ask too much: they are cut off or refused, and nobody else notices."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import grpc
import pytest

from farhand.assembly import RunningHub, serve_hub
from farhand.client import AsyncClient
from farhand.core.machine import Limits
from farhand.model.limits import PAYLOAD_LIMIT
from farhand.wire.farhand._pb import client_pb2
from tests.conftest import Eventually
from tests.fronts.conftest import Bystander, served_throughout
from tests.fronts.raw import FAILED, STARTED, SUCCEEDED, RawClient, calls, fault

Frame = client_pb2.ClientFrame
HELLO = Frame(protocol=1)


def unequal(column: str) -> Frame:
    frame = calls([7, 8], "add", group="good")
    del getattr(frame.calls, column)[1:]
    return frame


@pytest.mark.parametrize(
    ("frame", "why"),
    [
        (b"\xff\xff\xff\xff", "can't be read as farhand.v1.ClientFrame"),
        (calls([7], "add").SerializeToString()[:-3], "can't be read as farhand.v1.ClientFrame"),
        (unequal("handler"), "differ in length"),
        (unequal("args"), "differ in length"),
        (unequal("events"), "differ in length"),
        (Frame(credit=client_pb2.CallCredits(call=[1, 2], bytes=[3])), "differ in length"),
        (Frame(calls=client_pb2.Calls(extra=[client_pb2.CallExtra(at=1)])), "past the columns"),
        (calls([7, 7], "add", group="good"), "call number 7 was used before"),
        (calls([0], "add", group="good"), "call number 0 was used before"),
        (calls(range(2, 4099), "add", group="good"), "at most 4096 calls"),
        (Frame(submit=[client_pb2.ChannelSubmit(call=7)] * 2), "call number 7 was used before"),
        (Frame(follow=[client_pb2.ChannelFollow(call=0)]), "call number 0 was used before"),
        (HELLO, "HELLO from the peer is not allowed"),
        (Frame(protocol=2), "speaks protocol 2, this side speaks 1"),
    ],
    ids=[
        "random bytes",
        "a cut frame",
        "too few handlers",
        "too few args",
        "too few flags",
        "credits",
        "extra",
        "a number twice",
        "number 0",
        "too many calls",
        "a submit's number twice",
        "a follow of number 0",
        "a second hello",
        "another version later",
    ],
)
async def test_a_broken_frame_ends_its_channel_with_the_reason_and_cancels_its_jobs(
    hub: RunningHub, good: Bystander, eventually: Eventually, frame: Frame | bytes, why: str
) -> None:
    async with RawClient(hub.address) as bad:
        await bad.greet()
        await bad.call(1, "sleep", group="good")
        await bad.event(1, STARTED)
        await bad.say(frame)
        refusal = await bad.ended()
        assert bad.goodbye is not None
        assert bad.goodbye.code == "PROTOCOL_VIOLATION"
        assert why in bad.goodbye.message
        assert (refusal.code, refusal.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "PROTOCOL_VIOLATION")
        assert why in refusal.message
    await nothing_sleeps(good, eventually)


async def nothing_sleeps(good: Bystander, eventually: Eventually) -> None:
    """By the worker's own word, no slot is taken but perhaps for the bystander's call."""

    async def free() -> bool:
        return (await good.client.hub()).running <= 1

    await eventually(free)


@pytest.mark.parametrize(
    ("frames", "why"),
    [
        ([calls([1], "add")], "WORK from the peer is not allowed while the link is new"),
        ([Frame(protocol=1, calls=calls([1], "add").calls)], "WORK from the peer is not allowed while the link is gre"),
        ([Frame(cancel=[1])], "WORK from the peer is not allowed while the link is new"),
        ([Frame(heartbeat=client_pb2.ClientFrame().heartbeat)], "HEARTBEAT from the peer is not allowed"),
        ([b"\x00"], "can't be read"),
        ([Frame(protocol=99)], "the peer speaks protocol 99, this side speaks 1: use the same major version"),
    ],
    ids=["calls", "calls with the hello", "a cancel", "a heartbeat", "no frame", "an unknown version"],
)
async def test_who_does_not_begin_with_a_hello_we_know_is_refused(
    hub: RunningHub, good: Bystander, frames: list[Frame | bytes], why: str
) -> None:
    async with RawClient(hub.address) as bad:
        for frame in frames:
            await bad.say(frame)
        refusal = await bad.ended()
        assert (refusal.code, refusal.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "PROTOCOL_VIOLATION")
        assert why in refusal.message


async def test_who_says_no_hello_in_time_is_cut_off(
    hub: RunningHub, good: Bystander, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("farhand.fronts.grpc.conversation.HANDSHAKE_TIMEOUT", 0.2)
    async with RawClient(hub.address) as silent, RawClient(hub.address) as empty, RawClient(hub.address) as polite:
        await polite.greet()
        await empty.say(b"")
        for bad in (silent, empty):
            refusal = await bad.ended()
            assert refusal.code is grpc.StatusCode.INVALID_ARGUMENT
            assert "no hello within 0.2 s" in refusal.message
        await polite.call(1, "add", {"a": 1, "b": 1}, group="good")
        await polite.event(1, SUCCEEDED)


async def test_a_client_that_floods_is_refused_within_100_ms_and_others_go_on(eventually: Eventually) -> None:
    async with (
        await serve_hub(limits=Limits(queue=50_000)) as hub,
        served_throughout(hub) as good,
        RawClient(hub.address) as bad,
    ):

        async def waiting(count: int) -> bool:
            return (await good.client.hub()).waiting == count

        await bad.greet()
        for first in (1, 4001, 8001):
            await bad.say(calls(range(first, min(first + 4000, 10_001)), "add", group="nobody", events=False))
        await eventually(lambda: waiting(10_000))
        for number in range(10_001, 10_011):
            began = time.monotonic()
            await bad.call(number, "add", group="nobody")
            _, body, _ = await bad.event(number, FAILED)
            assert time.monotonic() - began < 0.1
            assert fault(body).code == "OVERLOADED"
            assert "10,000 unfinished calls" in fault(body).message
            assert b"retry_after" in fault(body).details
        assert await waiting(10_000)
        await bad.say(Frame(cancel=[1]))
        await eventually(lambda: waiting(9_999))
        await bad.call(20_000, "add", {"a": 1, "b": 1}, group="good")
        await bad.event(20_000, SUCCEEDED)
        await bad.drop()
        await eventually(lambda: waiting(0))


async def test_a_client_that_never_reads_is_cut_off_and_its_jobs_cancelled(
    hub: RunningHub, good: Bystander, eventually: Eventually, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("farhand.fronts.grpc.conversation.BACKLOG_LIMIT", 2 << 20)
    async with RawClient(hub.address) as bad:
        await bad.greet()
        endless = {"n": 10**9, "size": 60_000}
        await bad.say(calls(range(1, 11), "count", endless, group="good", window=1 << 40, events=False))

        async def counting() -> bool:
            return (await good.client.hub()).running >= 2

        await eventually(counting)
        await nothing_sleeps(good, eventually)
        refusal = await bad.ended()
        assert (refusal.code, refusal.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "OVERLOADED")
        assert "unread" in refusal.message


async def test_a_reader_who_grants_nothing_holds_back_only_its_own_handler(hub: RunningHub, good: Bystander) -> None:
    """The window is the client's word: what it has not granted is not sent, and takes no memory in the hub."""
    async with RawClient(hub.address) as slow:
        await slow.greet()
        await slow.call(1, "count", {"n": 10**9, "size": 1000}, group="good", window=10_000)
        got = 0
        while got < 10_000:
            await slow.event(1, 5)
            got = sum(len(one) for frame in slow.frames for one in frame.events.body)
        await good.still_served()
        await slow.call(2, "add", {"a": 1, "b": 1}, group="good")
        await slow.event(2, SUCCEEDED)
        assert sum(len(one) for frame in slow.frames for one in frame.events.body) < 20_000
        await slow.say(Frame(credit=client_pb2.CallCredits(call=[1], bytes=[10_000])))
        await slow.event(1, 5)


async def test_a_message_over_4_mib_ends_only_its_stream(
    hub: RunningHub, good: Bystander, eventually: Eventually
) -> None:
    async with RawClient(hub.address) as bad:
        await bad.greet()
        await bad.call(1, "sleep", group="good")
        await bad.event(1, STARTED)
        await bad.say(calls([2], "echo", b"x" * (5 << 20), group="good"))
        refusal = await bad.ended()
        assert refusal.code is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert "4194304" in refusal.message
    await nothing_sleeps(good, eventually)


async def test_an_oversized_argument_fails_its_call_and_the_connection_lives_on(
    hub: RunningHub, good: Bystander
) -> None:
    async with RawClient(hub.address) as big:
        await big.greet()
        await big.call(1, "echo", b"x" * (PAYLOAD_LIMIT + 1), group="good")
        _, body, _ = await big.event(1, FAILED)
        assert fault(body).code == "TOO_LARGE"
        assert "1,048,577 bytes; the limit is 1,048,576" in fault(body).message
        await big.call(3, "add", {"a": 1, "b": 1}, group="good")
        await big.event(3, SUCCEEDED)


HUGE = 2**64 - 1


@pytest.mark.parametrize(
    "more",
    [
        {"timeout_ms": HUGE},
        {"timeout_ms": HUGE // 2},
        {"window": HUGE},
        {"extra": {"priority": -(2**31)}},
        {"extra": {"priority": 2**31 - 1}},
    ],
    ids=str,
)
async def test_numbers_at_their_ends_harm_nobody(hub: RunningHub, good: Bystander, more: dict[str, Any]) -> None:
    async with RawClient(hub.address) as odd:
        await odd.greet()
        await odd.call(1, "add", {"a": 1, "b": 1}, group="good", **more)
        await odd.event(1, SUCCEEDED)
        await odd.call(2, "count", {"n": 3}, group="good", **more)
        await odd.say(Frame(credit=client_pb2.CallCredits(call=[2, 2, 99], bytes=[HUGE, HUGE, HUGE])))
        _, _, chunks = await odd.event(2, SUCCEEDED)
        assert chunks == 3
    views = await good.client.workers()
    assert [view.info.id for view in views] == ["good"]
    assert views[0].connected_for > 0


@pytest.mark.parametrize(
    ("handler", "more", "code", "why"),
    [
        ("ad", {"group": "good"}, "HANDLER_NOT_FOUND", "did you mean add"),
        ("a b", {"group": "good"}, "INVALID_ARGUMENTS", "handler name 'a b'"),
        ("", {"group": "good"}, "INVALID_ARGUMENTS", "handler name ''"),
        ("x" * 300_000, {"group": "good"}, "INVALID_ARGUMENTS", "handler name"),
        ("add", {"group": "../../etc"}, "INVALID_ARGUMENTS", "group name"),
        ("add", {"group": "good", "extra": {"session": "no such"}}, "SESSION_LOST", "not open"),
        ("add", {"group": "good", "extra": {"session": "s" * 300_000}}, "SESSION_LOST", "not open"),
        ("add", {"group": "good", "extra": {"labels": {"a" * 300: "b" * 300}}}, "INVALID_ARGUMENTS", "labels"),
        ("add", {"group": "good", "extra": {"labels": {str(n): "" for n in range(33)}}}, "INVALID_ARGUMENTS", "labels"),
    ],
    ids=["unknown", "bad name", "no name", "long name", "bad group", "session", "long session", "labels", "33 labels"],
)
async def test_a_call_that_is_refused_fails_alone(
    hub: RunningHub, good: Bystander, handler: str, more: dict[str, Any], code: str, why: str
) -> None:
    async with RawClient(hub.address) as client:
        await client.greet()
        await client.call(1, handler, **more)
        _, body, _ = await client.event(1, FAILED)
        assert fault(body).code == code
        assert why in fault(body).message
        assert len(body) < 200_000
        await client.call(2, "add", {"a": 1, "b": 1}, group="good")
        await client.event(2, SUCCEEDED)


async def test_a_client_that_vanishes_leaves_no_job_behind(
    hub: RunningHub, good: Bystander, eventually: Eventually
) -> None:
    bad = RawClient(hub.address)
    await bad.greet()
    await bad.say(calls(range(1, 6), "sleep", group="good"))
    await bad.say(calls(range(6, 11), "sleep", group="nobody"))
    for number in range(1, 6):
        if not any(number in frame.events.call and STARTED in frame.events.kind for frame in bad.frames):
            await bad.event(number, STARTED)
    await bad.drop()

    async def nothing_waits() -> bool:
        return (await good.client.hub()).waiting == 0

    await eventually(nothing_waits)
    await nothing_sleeps(good, eventually)


async def test_cancels_and_credits_of_calls_that_are_not_there_are_passed_over(
    hub: RunningHub, good: Bystander
) -> None:
    async with RawClient(hub.address) as client:
        await client.greet()
        await client.say(Frame(cancel=[1, HUGE], credit=client_pb2.CallCredits(call=[5], bytes=[5])))
        await client.call(1, "add", {"a": 1, "b": 1}, group="good")
        await client.event(1, SUCCEEDED)
        await client.say(Frame(cancel=[1, 1]))
        await client.call(2, "add", {"a": 1, "b": 1}, group="good")
        await client.event(2, SUCCEEDED)


async def test_a_client_that_says_goodbye_is_let_go_quietly(
    hub: RunningHub, good: Bystander, eventually: Eventually
) -> None:
    async with RawClient(hub.address) as client:
        await client.greet()
        await client.call(1, "sleep", group="good")
        await client.event(1, STARTED)
        await client.say(Frame(goodbye=client_pb2.ClientFrame().goodbye))
        assert (await client.ended()).code is grpc.StatusCode.OK
    await nothing_sleeps(good, eventually)
    async with AsyncClient(hub.address) as another:
        assert await another.run("add", {"a": 1, "b": 1}, group="good") == 2


async def test_many_offenders_at_once(hub: RunningHub, good: Bystander) -> None:
    async def offend() -> grpc.StatusCode:
        async with RawClient(hub.address) as bad:
            await bad.greet()
            await bad.say(b"\xff\xff")
            return (await bad.ended()).code

    assert set(await asyncio.gather(*(offend() for _ in range(20)))) == {grpc.StatusCode.INVALID_ARGUMENT}
