"""Bytes that are no frame, or a frame that lies: always a `ProtocolViolation`, never anything else."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from farhand.errors import FarhandError, InvalidArguments, ProtocolViolation
from farhand.model.event import Event, Fault, Kind, Progress
from farhand.model.handler import HandlerSpec
from farhand.model.job import Job
from farhand.model.payload import Media, Payload
from farhand.model.worker import WorkerInfo
from farhand.wire.farhand import bodies, incoming, nouns
from farhand.wire.farhand._pb import client_pb2, worker_pb2
from farhand.wire.farhand.outgoing import FromClient, FromWorker, ToClient, ToWorker, call_extra
from tests.sizes import reliability, size

FAULT = bodies.fault_bytes(Fault("HANDLER_FAILED", "no", False, {"type": "ValueError"}), "stopped")
PROGRESS = bodies.progress_bytes(Progress(1, 2, "half"))


def say_events(buffer: Any, key: Any) -> None:
    buffer.event(key, int(Kind.STARTED), b"w")
    buffer.event(key, int(Kind.PROGRESS), PROGRESS)
    buffer.mergeable(key, Event(Kind.CONSOLE, text="héllo"))
    buffer.event(key, int(Kind.CHUNK), b"\x07", Media.MSGPACK, 1)
    buffer.event(key, int(Kind.SUCCEEDED), b"\x07", Media.MSGPACK, 1)
    buffer.event(key, int(Kind.FAILED), FAULT, 0, 2**64 - 1)


def a_workers_frame() -> bytes:
    buffer = FromWorker()
    buffer.hello(WorkerInfo(id="w", slots=4, labels={"a": "b"}, handlers=(HandlerSpec(name="add", isolate="thread"),)))
    say_events(buffer, "0192-job")
    buffer.rejected("0193-job")
    buffer.heartbeat(3)
    buffer.draining()
    buffer.goodbye("CODE", "why")
    return buffer.take()[0]


def a_hubs_frame() -> bytes:
    buffer = ToWorker()
    buffer.welcome("hub-1", "0.1.0")
    buffer.assign(Job("0192-job", "add", Payload(b"\x80", Media.MSGPACK), window=9), 1000)
    buffer.assign(Job("0193-job", "add", session="s"), 1000, Payload(b"\x80", Media.MSGPACK), True)
    buffer.credit("0192-job", 100)
    buffer.cancel("0192-job", "CANCELLED")
    buffer.close_session("s")
    buffer.heartbeat()
    buffer.goodbye("CODE", "why")
    return buffer.take()[0]


def a_clients_frame() -> bytes:
    buffer = FromClient()
    buffer.hello()
    buffer.call(1, "add", Payload(b"\x80", Media.MSGPACK), 1000, 100, True)
    buffer.call(2, "add", Payload(b"{}"), 0, 0, False, call_extra("g", -1, {"a": "b"}, "s"))
    buffer.cancel(1)
    buffer.credit(2, 100)
    buffer.heartbeat()
    buffer.goodbye()
    return buffer.take()[0]


def a_channels_frame() -> bytes:
    buffer = ToClient()
    buffer.welcome("hub-1", "0.1.0")
    say_events(buffer, 7)
    buffer.heartbeat()
    buffer.draining()
    buffer.goodbye("CODE", "why")
    return buffer.take()[0]


def read_worker(data: bytes) -> None:
    frame = incoming.parse(worker_pb2.WorkerFrame, data)
    incoming.worker_says(frame)
    for _, kind, body, media, _ in incoming.job_events(frame):
        bodies.event_of(kind, body, media)
    with contextlib.suppress(InvalidArguments):  # a name that isn't one; the door makes it a violation
        nouns.worker_info(frame.hello)


def read_hub(data: bytes) -> None:
    frame = incoming.parse(worker_pb2.HubFrame, data)
    incoming.hub_says(frame)
    incoming.assignments(frame.assign, 0.0)
    incoming.credits(frame.credit)
    incoming.cancels(frame.cancel)


def read_client(data: bytes) -> None:
    frame = incoming.parse(client_pb2.ClientFrame, data)
    incoming.client_says(frame)
    for *_, extra in incoming.calls(frame.calls):
        assert extra is None or isinstance(extra.labels, object)


def read_channel(data: bytes) -> None:
    frame = incoming.parse(client_pb2.ChannelFrame, data)
    incoming.channel_says(frame)
    for _, kind, body, media, _ in incoming.call_events(frame):
        bodies.event_of(kind, body, media)


READERS: list[tuple[bytes, Callable[[bytes], None]]] = [
    (a_workers_frame(), read_worker),
    (a_hubs_frame(), read_hub),
    (a_clients_frame(), read_client),
    (a_channels_frame(), read_channel),
]
each_reader = pytest.mark.parametrize(("good", "read"), READERS, ids=["worker", "hub", "client", "channel"])


def only_violations(read: Callable[[bytes], None], data: bytes) -> bool:
    """Whether the frame was refused; any other exception passes through and fails the test."""
    try:
        read(data)
    except ProtocolViolation:
        return True
    return False


def flip(data: bytes, bits: list[int]) -> bytes:
    changed = bytearray(data)
    for bit in bits:
        changed[bit // 8 % len(changed)] ^= 1 << bit % 8
    return bytes(changed)


@each_reader
@settings(max_examples=300, deadline=None)
@given(data=st.binary(max_size=300))
def test_random_bytes(data: bytes, good: bytes, read: Callable[[bytes], None]) -> None:
    only_violations(read, data)


@each_reader
@reliability("S3_BITS", 60)
@settings(max_examples=size("S3_BITS"), deadline=None)
@given(bits=st.lists(st.integers(0, 1 << 14), min_size=1, max_size=12), cut=st.integers(0, 400))
def test_flipped_bits_and_cuts(bits: list[int], cut: int, good: bytes, read: Callable[[bytes], None]) -> None:
    only_violations(read, flip(good, bits))
    only_violations(read, flip(good, bits)[:cut])


@each_reader
def test_every_single_flipped_bit_and_every_cut(good: bytes, read: Callable[[bytes], None]) -> None:
    assert not only_violations(read, good)
    refused = sum(only_violations(read, flip(good, [bit])) for bit in range(8 * len(good)))
    refused += sum(only_violations(read, good[:end]) for end in range(len(good)))
    assert refused > len(good)


def columns(count: int) -> dict[str, Any]:
    return {
        "job": ["j"] * count,
        "kind": [int(Kind.STARTED)] * count,
        "body": [b""] * count,
        "media": [0] * count,
        "number": [0] * count,
    }


@pytest.mark.parametrize("column", ["job", "kind", "body", "media", "number"])
@pytest.mark.parametrize("length", [0, 1, 3])
def test_event_columns_of_another_length(column: str, length: int) -> None:
    made = columns(2) | {column: columns(length)[column]}
    with pytest.raises(ProtocolViolation, match="differ in length"):
        incoming.job_events(worker_pb2.WorkerFrame(events=worker_pb2.JobEvents(**made)))
    made["call"] = [7] * len(made.pop("job"))
    with pytest.raises(ProtocolViolation, match="differ in length"):
        incoming.call_events(client_pb2.ChannelFrame(events=client_pb2.CallEvents(**made)))


@pytest.mark.parametrize("column", ["handler", "args", "media", "timeout_ms", "window"])
@pytest.mark.parametrize("length", [0, 1, 3])
def test_call_and_assignment_columns_of_another_length(column: str, length: int) -> None:
    def made(size: int) -> dict[str, Any]:
        zeros = [0] * size
        return {"handler": ["h"] * size, "args": [b""] * size, "media": zeros, "timeout_ms": zeros, "window": zeros}

    unequal = made(2) | {column: made(length)[column]}
    with pytest.raises(ProtocolViolation, match="differ in length"):
        incoming.assignments(worker_pb2.Assignments(job=["a", "b"], **unequal), 0.0)
    with pytest.raises(ProtocolViolation, match="differ in length"):
        incoming.calls(client_pb2.Calls(call=[1, 2], events=[True, True], **unequal))
    with pytest.raises(ProtocolViolation, match="differ in length"):
        incoming.calls(client_pb2.Calls(call=[1, 2], events=[True] * (length + (length > 1)), **made(2)))


def test_an_extra_that_points_past_the_columns() -> None:
    with pytest.raises(ProtocolViolation, match="past the columns"):
        incoming.assignments(worker_pb2.Assignments(extra=[worker_pb2.AssignExtra(at=0)]), 0.0)
    with pytest.raises(ProtocolViolation, match="past the columns"):
        incoming.calls(client_pb2.Calls(extra=[client_pb2.CallExtra(at=2**32 - 1)]))
    with pytest.raises(ProtocolViolation, match="past the columns"):
        incoming.assignments(worker_pb2.Assignments(leased=[0]), 0.0)


@pytest.mark.parametrize(
    "wrong",
    [
        {"slots": 0},
        {"slots": 1_000_001},
        {"worker_id": ""},
        {"worker_id": "a b"},
        {"worker_id": "x" * 201},
        {"group": "../etc"},
        {"handlers": [worker_pb2.Handler(name="a\nb", isolate="none")]},
        {"handlers": [worker_pb2.Handler(name="a", isolate="elsewhere")]},
    ],
    ids=str,
)
def test_a_hello_that_makes_no_sense(wrong: dict[str, Any]) -> None:
    hello: dict[str, Any] = {"protocol": 1, "worker_id": "w", "slots": 1} | wrong
    with pytest.raises(FarhandError) as caught:
        nouns.worker_info(worker_pb2.Hello(**hello))
    assert caught.value.code in ("PROTOCOL_VIOLATION", "INVALID_ARGUMENTS")
