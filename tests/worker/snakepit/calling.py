"""A pool's side: a bare gRPC client of the service."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc

from farhand.assembly import build_snakepit
from farhand.wire.snakepit import messages
from farhand.wire.snakepit._pb import snakepit_pb2
from farhand.worker.links.served import ServedOptions
from farhand.worker.links.snakepit import Bridge, Commands

pb: Any = snakepit_pb2
SERVICE = "/snakepit.SnakepitBridge/"
OPTIONS = [
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    ("grpc.enable_http_proxy", 0),
    ("grpc.use_local_subchannel_pool", 1),
]


class Pool:
    """Calls a worker; arguments are bytes as they are, and anything else as JSON."""

    def __init__(self, channel: grpc.aio.Channel, address: str) -> None:
        self.channel = channel
        self.address = address
        self.execute_raw: Any = channel.unary_unary(SERVICE + "Execute")
        self.stream_raw: Any = channel.unary_stream(SERVICE + "ExecuteStream")

    def unary(self, name: str) -> Any:
        kinds = {
            "Execute": ("ExecuteRequest", "ExecuteResponse"),
            "ExecuteInSession": ("SessionRequest", "ExecuteResponse"),
            "Health": ("HealthRequest", "HealthResponse"),
            "GetInfo": ("InfoRequest", "InfoResponse"),
        }
        asked, answer = kinds[name]
        return self.channel.unary_unary(
            SERVICE + name, getattr(pb, asked).SerializeToString, getattr(pb, answer).FromString
        )

    async def execute(self, command: str, timeout_ms: int = 0, request_id: str = "r", **args: Any) -> Any:
        request = pb.ExecuteRequest(command=command, args=encoded(args), timeout_ms=timeout_ms, request_id=request_id)
        return await self.unary("Execute")(request, timeout=40)

    async def in_session(self, session: str, command: str, timeout_ms: int = 0, **args: Any) -> Any:
        request = pb.SessionRequest(
            session_id=session, command=command, args=encoded(args), timeout_ms=timeout_ms, request_id="r"
        )
        return await self.unary("ExecuteInSession")(request, timeout=40)

    def opened(self, command: str, timeout_ms: int = 0, **args: Any) -> Any:
        request = pb.ExecuteRequest(command=command, args=encoded(args), timeout_ms=timeout_ms, request_id="r")
        call = self.channel.unary_stream(
            SERVICE + "ExecuteStream", pb.ExecuteRequest.SerializeToString, pb.StreamResponse.FromString
        )
        return call(request, timeout=40)

    async def stream(self, command: str, timeout_ms: int = 0, **args: Any) -> list[Any]:
        return [message async for message in self.opened(command, timeout_ms, **args)]

    async def stream_in_session(self, session: str, command: str, **args: Any) -> list[Any]:
        request = pb.SessionRequest(session_id=session, command=command, args=encoded(args), request_id="r")
        call = self.channel.unary_stream(
            SERVICE + "ExecuteInSessionStream", pb.SessionRequest.SerializeToString, pb.StreamResponse.FromString
        )
        return [message async for message in call(request, timeout=40)]

    async def health(self, worker_id: str = "") -> Any:
        return await self.unary("Health")(pb.HealthRequest(worker_id=worker_id), timeout=20)

    async def info(self, capabilities: bool = True, stats: bool = True) -> Any:
        asked = pb.InfoRequest(include_capabilities=capabilities, include_stats=stats)
        return await self.unary("GetInfo")(asked, timeout=20)


def encoded(args: dict[str, Any]) -> dict[str, bytes]:
    return {name: value if isinstance(value, bytes) else json.dumps(value).encode() for name, value in args.items()}


def result(answer: Any) -> Any:
    """The value of an answer that succeeded and is no dict."""
    assert answer.success, answer.error
    return json.loads(answer.result["result"])


def chunks(said: list[Any]) -> list[dict[str, Any]]:
    """The chunks of a stream that ended well: marked, numbered."""
    assert [one.error for one in said] == [""] * len(said)
    assert [one.chunk_index for one in said] == list(range(len(said)))
    assert [one.is_final for one in said] == [False] * (len(said) - 1) + [True] * bool(said)
    return [{name: json.loads(value) for name, value in one.chunk.items()} for one in said]


@asynccontextmanager
async def pooled(commands: Commands, **options: Any) -> AsyncIterator[tuple[Pool, Bridge]]:
    """A worker that serves these commands in this process, and a pool that calls it."""
    bridge = build_snakepit(commands, ServedOptions(**options))
    port = await bridge.start(0)
    try:
        address = f"127.0.0.1:{port}"
        async with grpc.aio.insecure_channel(address, options=OPTIONS) as channel:
            yield Pool(channel, address), bridge
    finally:
        await bridge.stop()


LIMIT = messages.MESSAGE_LIMIT
