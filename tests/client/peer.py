"""A hub of a few lines on a real socket, which says what a test tells it to say."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import grpc

from farhand.core.link import Says
from farhand.wire.farhand import incoming
from farhand.wire.farhand._pb import client_pb2
from farhand.wire.farhand.outgoing import ToClient

OPTIONS = [("grpc.so_reuseport", 0)]


class Conversation:
    """One client's channel: what it says as (number, handler, timeout_ms), and what is said to it."""

    def __init__(self, requests: AsyncIterator[bytes], context: Any) -> None:
        self._requests = requests
        self._context = context
        self.calls: asyncio.Queue[tuple[int, str, int]] = asyncio.Queue()
        self.cancels: asyncio.Queue[int] = asyncio.Queue()
        self.said_goodbye = asyncio.Event()

    async def read(self) -> None:
        """Take in frames until the client ends."""
        async for data in self._requests:
            frame = incoming.parse(client_pb2.ClientFrame, data)
            for number, handler, _, _, timeout_ms, *_ in incoming.calls(frame.calls):
                self.calls.put_nowait((number, handler, timeout_ms))
            for number in frame.cancel:
                self.cancels.put_nowait(number)
            if incoming.client_says(frame) & Says.GOODBYE:
                self.said_goodbye.set()
                return

    async def say(self, fill: Callable[[ToClient], object]) -> None:
        """Send one frame."""
        buffer = ToClient()
        fill(buffer)
        await self._context.write(buffer.take()[0])

    async def raw(self, data: bytes) -> None:
        """Send bytes that may be no frame."""
        await self._context.write(data)


Script = Callable[[Conversation], Awaitable[None]]


class Peer:
    """``async with Peer(script) as peer``: each channel is welcomed, then `script` runs beside its reader."""

    def __init__(self, script: Script, port: int = 0) -> None:
        self._script = script
        self._port = port
        self.conversations: list[Conversation] = []
        self.met = asyncio.Event()
        self.address = ""

    async def __aenter__(self) -> Peer:
        self._server = grpc.aio.server(options=OPTIONS)
        method: Any = grpc.stream_stream_rpc_method_handler(self._channel)
        handler = grpc.method_handlers_generic_handler("farhand.v1.ClientService", {"Channel": method})
        self._server.add_generic_rpc_handlers((handler,))
        self._port = self._server.add_insecure_port(f"127.0.0.1:{self._port}")
        await self._server.start()
        self.address = f"127.0.0.1:{self._port}"
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._server.stop(0)

    @property
    def port(self) -> int:
        """Where it listens."""
        return self._port

    async def _channel(self, requests: AsyncIterator[bytes], context: Any) -> None:
        conversation = Conversation(requests, context)
        self.conversations.append(conversation)
        self.met.set()
        await conversation.say(lambda out: out.welcome("hub-1", "0.1.0"))
        reading = asyncio.ensure_future(conversation.read())
        try:
            await self._script(conversation)
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)
