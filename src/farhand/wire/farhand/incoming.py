"""Frames as they arrive: parsed, checked, and what they say.

A frame that isn't one, or whose columns don't agree, is a `ProtocolViolation` and ends its connection.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeVar

from google.protobuf.message import DecodeError, Message

from farhand.core.link import Says
from farhand.errors import ProtocolViolation
from farhand.model.job import Input
from farhand.model.payload import NOTHING, Payload
from farhand.wire.farhand import bodies
from farhand.wire.farhand._pb import client_pb2, worker_pb2
from farhand.wire.farhand.columns import read_columns

M = TypeVar("M", bound=Message)
V = TypeVar("V")

CALLS_PER_FRAME = 4096
"""More calls than this in one frame would hold up everyone else while they are read."""


class Assignment:
    """A job as a worker gets it. `deadline` on this machine's monotonic clock, None for none."""

    __slots__ = (
        "args",
        "attempt",
        "deadline",
        "handler",
        "inputs",
        "job",
        "leased",
        "moved",
        "session",
        "session_data",
        "window",
    )

    def __init__(self, job: str, handler: str, args: Payload, deadline: float | None, window: int) -> None:
        self.job = job
        self.handler = handler
        self.args = args
        self.deadline = deadline
        self.window = window
        self.attempt = 1
        self.session = ""
        self.session_data = NOTHING
        self.moved = False
        self.inputs: tuple[Input, ...] = ()
        self.leased = False


def parse(kind: type[M], data: bytes) -> M:
    """The message in `data`.

    Raises:
        ProtocolViolation: it is not one.
    """
    try:
        return kind.FromString(data)
    except DecodeError as error:
        raise ProtocolViolation(f"a frame can't be read as {kind.DESCRIPTOR.full_name}: {error}") from error


def worker_says(frame: worker_pb2.WorkerFrame) -> int:
    """What a worker's frame says."""
    says = Says.WORK if frame.HasField("events") or frame.rejected else 0
    if frame.HasField("heartbeat"):
        says |= Says.HEARTBEAT
    if frame.HasField("hello"):
        says |= Says.HELLO
    if frame.draining:
        says |= Says.DRAINING
    if frame.HasField("goodbye"):
        says |= Says.GOODBYE
    return says


def hub_says(frame: worker_pb2.HubFrame) -> int:
    """What a hub's frame to a worker says."""
    has = frame.HasField
    says = 0
    if has("assign") or has("credit") or has("cancel") or frame.close_session or frame.released or frame.adopted:
        says |= Says.WORK
    if frame.push:
        says |= Says.WORK
    if has("welcome"):
        says |= Says.WELCOME
    if has("heartbeat"):
        says |= Says.HEARTBEAT
    if frame.draining:
        says |= Says.DRAINING
    if has("goodbye"):
        says |= Says.GOODBYE
    return says


def client_says(frame: client_pb2.ClientFrame) -> int:
    """What a client's frame says."""
    has = frame.HasField
    work = has("calls") or frame.submit or frame.follow or frame.cancel or has("credit")
    says = Says.WORK if work else 0
    if frame.protocol:
        says |= Says.HELLO
    if has("heartbeat"):
        says |= Says.HEARTBEAT
    if has("goodbye"):
        says |= Says.GOODBYE
    return says


def channel_says(frame: client_pb2.ChannelFrame) -> int:
    """What a hub's frame to a client says."""
    has = frame.HasField
    says = Says.WORK if has("events") or frame.submitted or frame.push else 0
    if has("welcome"):
        says |= Says.WELCOME
    if has("heartbeat"):
        says |= Says.HEARTBEAT
    if frame.draining:
        says |= Says.DRAINING
    if has("goodbye"):
        says |= Says.GOODBYE
    return says


def job_events(frame: worker_pb2.WorkerFrame) -> Iterator[tuple[str, int, bytes, int, int]]:
    """Each event of a worker's frame as (job id, kind, body, media, number)."""
    return read_columns(frame.events.job, frame.events)


def call_events(frame: client_pb2.ChannelFrame) -> Iterator[tuple[int, int, bytes, int, int]]:
    """Each event of a hub's frame to a client as (call number, kind, body, media, number)."""
    return read_columns(frame.events.call, frame.events)


def assignments(message: worker_pb2.Assignments, now: float) -> list[Assignment]:
    """The jobs of a hub's frame, which came at `now`.

    Raises:
        ProtocolViolation: the columns are not of one length.
    """
    count = len(message.job)
    columns = (message.handler, message.args, message.media, message.timeout_ms, message.window)
    if any(len(column) != count for column in columns):
        raise ProtocolViolation("the columns of an assignment frame differ in length")
    found = [
        Assignment(job, handler, Payload(args, media), now + left / 1000 if left else None, window)
        for job, handler, args, media, left, window in zip(message.job, *columns, strict=True)
    ]
    for extra in message.extra:
        if extra.at >= count:
            raise ProtocolViolation("an assignment's extra points past the columns")
        one = found[extra.at]
        one.session = extra.session
        one.session_data = Payload(extra.session_data, extra.session_media) if extra.session_media else NOTHING
        one.moved = extra.session_moved
        one.attempt = extra.attempt or 1
        one.inputs = tuple([bodies.read_input(message) for message in extra.inputs])
    for at in message.leased:
        if at >= count:
            raise ProtocolViolation("a leased assignment is past the columns")
        found[at].leased = True
    return found


def credits(message: worker_pb2.Credits) -> list[tuple[str, int]]:
    """The credits of a hub's frame as (job, bytes).

    Raises:
        ProtocolViolation: the columns are not of one length.
    """
    return _pairs(message.job, message.bytes)


def cancels(message: worker_pb2.Cancels) -> list[tuple[str, str]]:
    """The cancels of a hub's frame as (job, reason).

    Raises:
        ProtocolViolation: the columns are not of one length.
    """
    return _pairs(message.job, message.reason)


def _pairs(first: Sequence[str], second: Sequence[V]) -> list[tuple[str, V]]:
    if len(first) != len(second):
        raise ProtocolViolation("the columns of a frame differ in length")
    return list(zip(first, second, strict=True))


def calls(
    message: client_pb2.Calls,
) -> Iterator[tuple[int, str, bytes, int, int, int, bool, client_pb2.CallExtra | None]]:
    """The calls of a client's frame as (number, handler, args, media, timeout_ms, window, events, extra).

    Raises:
        ProtocolViolation: the columns are not of one length, or there are more than 4,096 calls.
    """
    count = len(message.call)
    if count > CALLS_PER_FRAME:
        raise ProtocolViolation(f"a frame holds at most {CALLS_PER_FRAME} calls, not {count}")
    columns = (message.handler, message.args, message.media, message.timeout_ms, message.window, message.events)
    if any(len(column) != count for column in columns):
        raise ProtocolViolation("the columns of a call frame differ in length")
    extras: list[client_pb2.CallExtra | None] = [None] * count
    for extra in message.extra:
        if extra.at >= count:
            raise ProtocolViolation("a call's extra points past the columns")
        extras[extra.at] = extra
    return zip(message.call, *columns, extras, strict=True)
