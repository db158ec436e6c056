"""Peers that say whatever a test wants, over real sockets, each on a connection of its own."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, Self

import grpc
import msgspec
from google.protobuf.message import Message
from google.rpc.error_details_pb2 import ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status

from farhand.model.event import Kind
from farhand.model.payload import Media
from farhand.wire.farhand._pb import client_pb2, common_pb2, worker_pb2

CLIENT = "/farhand.v1.ClientService/"
OPTIONS = [("grpc.use_local_subchannel_pool", 1), ("grpc.max_send_message_length", -1), ("grpc.enable_http_proxy", 0)]
STARTED, CHUNK, SUCCEEDED, FAILED = int(Kind.STARTED), int(Kind.CHUNK), int(Kind.SUCCEEDED), int(Kind.FAILED)


class Refusal:
    """How an RPC ended: its status, and what the ErrorInfo and RetryInfo in its trailers say."""

    def __init__(self, error: grpc.aio.AioRpcError | None) -> None:
        self.code = grpc.StatusCode.OK if error is None else error.code()
        self.message = "" if error is None else error.details() or ""
        self.reason = self.domain = ""
        self.details: dict[str, Any] = {}
        self.retryable: bool | None = None
        self.retry_delay: float | None = None
        self.size = 3 * len(self.message.encode())
        trailers = [] if error is None else list(error.trailing_metadata() or ())
        for key, value in trailers:
            self.size += len(key) + len(value) * 4 // 3 + 32
            if key == "grpc-status-details-bin":
                self._read(Status.FromString(value))

    def _read(self, status: Status) -> None:
        assert status.code == self.code.value[0]
        assert status.message == self.message
        for packed in status.details:
            info, retry = ErrorInfo(), RetryInfo()
            if packed.Unpack(info):
                self.reason, self.domain = info.reason, info.domain
                self.details = msgspec.json.decode(info.metadata["details"])
                self.retryable = {"true": True, "false": False}[info.metadata["retryable"]]
            elif packed.Unpack(retry):
                self.retry_delay = retry.retry_delay.ToMilliseconds() / 1000


class Peer:
    """One bidirectional stream."""

    method: str
    heard: Callable[[bytes], Any]

    def __init__(self, address: str) -> None:
        self._channel = grpc.aio.insecure_channel(address, options=OPTIONS)
        self._call: Any = self._channel.stream_stream(self.method)()
        self.frames: list[Any] = []

    async def say(self, frame: Message | bytes) -> None:
        """Send a frame, or bytes that may be none; nothing happens once the hub has ended the stream."""
        data = frame if isinstance(frame, bytes) else frame.SerializeToString()
        with contextlib.suppress(grpc.aio.AioRpcError, asyncio.InvalidStateError, grpc.aio.UsageError):
            await self._call.write(data)

    async def hear(self, wanted: Callable[[Any], Any] = bool) -> Any:
        """Read frames up to one of which `wanted` says something true, and give what it says."""
        async with asyncio.timeout(10):
            while True:
                data = await self._call.read()
                assert data is not grpc.aio.EOF, "the hub ended the stream"
                self.frames.append(self.heard(data))
                found = wanted(self.frames[-1])
                if found:
                    return found

    async def ended(self) -> Refusal:
        """Read up to the end; how it ended. What was said until then is in `frames`."""
        async with asyncio.timeout(10):
            try:
                while (data := await self._call.read()) is not grpc.aio.EOF:
                    self.frames.append(self.heard(data))
            except grpc.aio.AioRpcError as error:
                return Refusal(error)
            return Refusal(None)

    @property
    def goodbye(self) -> common_pb2.Goodbye | None:
        """What the hub said last, if it did."""
        return self.frames[-1].goodbye if self.frames and self.frames[-1].HasField("goodbye") else None

    async def drop(self) -> None:
        """End the connection without a word."""
        self._call.cancel()
        await self._channel.close()

    async def greet(self) -> None:
        """Say hello and hear the welcome."""
        raise AssertionError("each peer has a hello of its own")

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.drop()


class RawClient(Peer):
    """A client's channel."""

    method = CLIENT + "Channel"
    heard = client_pb2.ChannelFrame.FromString

    async def greet(self) -> None:
        await self.say(client_pb2.ClientFrame(protocol=1))
        await self.hear(lambda frame: frame.HasField("welcome"))

    async def call(self, number: int, handler: str, args: Any = None, **more: Any) -> None:
        """Ask for a job, with its events."""
        await self.say(calls([number], handler, args, **more))

    async def event(self, number: int, *kinds: int) -> tuple[int, bytes, int]:
        """The next event of a call, of one of these kinds, as (kind, body, number); others are passed over."""

        def wanted(frame: client_pb2.ChannelFrame) -> Any:
            events = frame.events
            for call, kind, body, place in zip(events.call, events.kind, events.body, events.number, strict=True):
                if call == number and kind in kinds:
                    return kind, body, place
            return None

        found: tuple[int, bytes, int] = await self.hear(wanted)
        return found


class RawWorker(Peer):
    """A worker's stream."""

    method = "/farhand.v1.WorkerService/Connect"
    heard = worker_pb2.HubFrame.FromString

    def __init__(self, address: str, id: str = "bad", group: str = "bad", slots: int = 8) -> None:
        super().__init__(address)
        self.id, self.group, self.slots = id, group, slots
        self._taken = 0

    def hello(self, **wrong: Any) -> worker_pb2.WorkerFrame:
        """Its introduction, with mistakes."""
        right: dict[str, Any] = {
            "protocol": 1,
            "worker_id": self.id,
            "group": self.group,
            "slots": self.slots,
            "handlers": [worker_pb2.Handler(name="work", isolate="none")],
        }
        return worker_pb2.WorkerFrame(hello=worker_pb2.Hello(**(right | wrong)))

    async def greet(self) -> None:
        await self.say(self.hello())
        await self.hear(lambda frame: frame.HasField("welcome"))

    async def job(self) -> str:
        """The next job it is given."""
        while True:
            given = [job for frame in self.frames for job in frame.assign.job]
            if len(given) > self._taken:
                self._taken += 1
                return str(given[self._taken - 1])
            await self.hear(lambda frame: frame.HasField("assign"))


def calls(numbers: Sequence[int], handler: str, args: Any = None, **more: Any) -> client_pb2.ClientFrame:
    """A frame of equal calls; `more`: group, timeout_ms, window, events, extra."""
    count = len(numbers)
    extra = more.get("extra", {}) | ({"group": more["group"]} if "group" in more else {})
    return client_pb2.ClientFrame(
        calls=client_pb2.Calls(
            call=numbers,
            handler=[handler] * count,
            args=[args if isinstance(args, bytes) else msgspec.msgpack.encode(args or {})] * count,
            media=[int(Media.MSGPACK)] * count,  # type: ignore[list-item]
            timeout_ms=[more.get("timeout_ms", 0)] * count,
            window=[more.get("window", 1 << 20)] * count,
            events=[more.get("events", True)] * count,
            extra=[client_pb2.CallExtra(at=at, **extra) for at in range(count)] if extra else [],
        )
    )


def events(job: str, *said: tuple[Any, ...]) -> worker_pb2.WorkerFrame:
    """A frame of one job's events, each (kind, body, number), the last two optional."""
    full = [(*one, *(b"", 0)[len(one) - 1 :]) for one in said]
    return worker_pb2.WorkerFrame(
        events=worker_pb2.JobEvents(
            job=[job] * len(full),
            kind=[kind for kind, _, _ in full],
            body=[body for _, body, _ in full],
            media=[int(Media.MSGPACK)] * len(full),  # type: ignore[list-item]
            number=[number for _, _, number in full],
        )
    )


def fault(body: bytes) -> common_pb2.Fault:
    """What a failed event says."""
    return common_pb2.Fault.FromString(body)
