"""Agents and callers that say whatever a test wants, each on a connection of its own."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

import grpc

from farhand.assembly import RunningHub
from farhand.wire.agnt._pb import agnt_pb2

OPTIONS = [
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", -1),
    ("grpc.enable_http_proxy", 0),
]
ROWS = '[{"id": 1, "name": "é"}, {"id": 2, "name": null}]'
COLUMNS = json.dumps(
    [
        {"Column Name": "id", "Data Type": "integer", "Data Type With Size": "integer"},
        {"Column Name": "name", "Data Type": "varchar", "Data Type With Size": "varchar(40)"},
    ]
)

AgentMessage = agnt_pb2.AgentMessage
QueryResult = agnt_pb2.QueryResult


async def until(condition: Callable[[], bool]) -> None:
    """Wait until something that nothing signals is so."""
    async with asyncio.timeout(10):
        while True:
            if condition():
                return
            await asyncio.sleep(0.005)


async def loaded(hub: RunningHub, *running: int) -> None:
    """Wait until the agents of the hub have so many jobs, in the order in which they joined."""
    await until(lambda: [view.running for view in hub.hub.workers()] == list(running))


class Agent:
    """A foreign agent: what it is asked waits in `asked`."""

    def __init__(self, address: str, agent_id: str = "db", worker_id: str = "", **more: Any) -> None:
        self._channel = grpc.aio.insecure_channel(address, options=OPTIONS)
        self._call: Any = self._channel.stream_stream("/agnt.AgntService/Connect")()
        self.hello = AgentMessage(agent_id=agent_id, worker_id=worker_id, **more)

    async def say(self, message: AgentMessage | bytes) -> None:
        """Send a message, or bytes that may be none; nothing happens once the hub has ended the stream."""
        data = message if isinstance(message, bytes) else message.SerializeToString()
        with contextlib.suppress(grpc.aio.AioRpcError, asyncio.InvalidStateError, grpc.aio.UsageError):
            await self._call.write(data)

    async def hear(self) -> bytes:
        """The next message, as it came, however long that takes."""
        data = await self._call.read()
        assert data is not grpc.aio.EOF, "the hub ended the stream"
        return bytes(data)

    async def next(self) -> agnt_pb2.ServerMessage:
        """The next query, however long that takes."""
        return agnt_pb2.ServerMessage.FromString(await self.hear())

    async def asked(self) -> agnt_pb2.ServerMessage:
        """The next query, which is due."""
        async with asyncio.timeout(10):
            return await self.next()

    async def answer(self, request: str, rows: str = ROWS, columns: str = COLUMNS, message: str = "") -> None:
        """Answer a query."""
        result = QueryResult(json=rows, request_id=request, tbl_meta_data=columns)
        await self.say(AgentMessage(query_result=result, message=message))

    async def serve(self, rows: str = ROWS, columns: str = COLUMNS) -> None:
        """Answer each query with these rows, until cancelled."""
        while True:
            await self.answer((await self.next()).request_id, rows, columns)

    async def ended(self) -> tuple[grpc.StatusCode, str]:
        """Wait for the end of the stream; its status."""
        async with asyncio.timeout(10):
            with contextlib.suppress(grpc.aio.AioRpcError):
                while await self._call.read() is not grpc.aio.EOF:
                    pass
            return await self._call.code(), await self._call.details()

    async def drop(self) -> None:
        """End the connection without a word."""
        self._call.cancel()
        await self._channel.close()

    async def finish(self) -> None:
        """Say that nothing more will come."""
        await self._call.done_writing()

    async def __aenter__(self) -> Self:
        await self.say(self.hello)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.drop()


class Caller:
    """A client of SendCommand."""

    def __init__(self, address: str) -> None:
        self._channel = grpc.aio.insecure_channel(address, options=OPTIONS)
        self._send: Any = self._channel.unary_unary("/agnt.ClientService/SendCommand")

    def begin(self, agent_id: str = "db", query: str = "select 1", timeout: float | None = 20, **more: Any) -> Any:
        """Send a command; what can be awaited or cancelled."""
        message = agnt_pb2.CommandRequest(agent_id=agent_id, query=query, **{"database": "main", **more})
        return self.raw(message.SerializeToString(), timeout)

    def raw(self, data: bytes, timeout: float | None = 20) -> Any:
        """Send bytes that may be a command."""
        return self._send(data, timeout=timeout)

    async def ask(self, agent_id: str = "db", query: str = "select 1", **more: Any) -> agnt_pb2.CommandResponse:
        """Send a command; the answer."""
        return agnt_pb2.CommandResponse.FromString(await self.begin(agent_id, query, **more))

    async def refused(self, asked: Any) -> tuple[grpc.StatusCode, str]:
        """How what was begun is refused."""
        try:
            answer = await asked
        except grpc.aio.AioRpcError as error:
            return error.code(), error.details() or ""
        raise AssertionError(f"it was answered: {answer[:200]!r}")

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._channel.close()
