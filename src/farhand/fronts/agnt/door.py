"""Both services of the door, ready to be mounted on the hub's gRPC port."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc
import msgspec

from farhand.errors import ProtocolViolation
from farhand.fronts.agnt.agent import Agent
from farhand.fronts.agnt.commands import CommandService
from farhand.fronts.agnt.telling import Context, told
from farhand.hub.service import Hub
from farhand.model.limits import MESSAGE_LIMIT
from farhand.wire.agnt._pb import agnt_pb2
from farhand.wire.agnt.messages import LARGEST

AGENTS = "agnt.AgntService"
CLIENTS = "agnt.ClientService"

HANDSHAKE_TIMEOUT = 10.0
"""Seconds within which an agent says who it is."""


class AgntOptions(msgspec.Struct, frozen=True, kw_only=True):
    """`timeout` is how many seconds a command may take, `slots` how many an agent has at once, `result` how many bytes
    an agent's answer may take."""

    timeout: float = 300.0
    slots: int = 32
    result: int = MESSAGE_LIMIT


class AgntDoor:
    """What the gRPC server mounts (`fronts.grpc.mounts.Mount`)."""

    names = (AGENTS, CLIENTS)

    def __init__(self, hub: Hub, options: AgntOptions | None = None) -> None:
        self._hub = hub
        self._options = options or AgntOptions()
        self._agents: set[Agent] = set()
        self.pool = agnt_pb2.DESCRIPTOR.pool
        self.receive_limit = min(max(self._options.result, MESSAGE_LIMIT), LARGEST)

    def handlers(self) -> list[grpc.GenericRpcHandler]:
        """The methods of both services; messages go through as bytes."""
        commands = CommandService(self._hub, self._options.timeout, self.receive_limit)
        connect: Any = grpc.stream_stream_rpc_method_handler(told(self.connect))
        send: Any = grpc.unary_unary_rpc_method_handler(told(commands.send_command))
        return [
            grpc.method_handlers_generic_handler(AGENTS, {"Connect": connect}),
            grpc.method_handlers_generic_handler(CLIENTS, {"SendCommand": send}),
        ]

    def close(self) -> None:
        """Let every agent go; it will dial again."""
        for agent in self._agents:
            agent.close("", "the hub has stopped")

    async def connect(self, requests: AsyncIterator[bytes], context: Context) -> None:
        """Connect: one agent, for as long as it stays."""
        agent = Agent(self._hub, self._options.slots)
        try:
            async with asyncio.timeout(HANDSHAKE_TIMEOUT):
                first = await context.read()
        except TimeoutError:
            raise ProtocolViolation(f"an agent says who it is within {HANDSHAKE_TIMEOUT:g} s") from None
        if first is grpc.aio.EOF:
            raise ProtocolViolation("an agent's first message names its agent_id: nothing came")
        try:
            agent.join(first, context.peer())
            self._agents.add(agent)
            await _serve(agent, context)
        finally:
            self._agents.discard(agent)
            agent.leave()


async def _serve(agent: Agent, context: Context) -> None:
    """Read and write until either end is done.

    Raises:
        FarhandError: why the agent was let go.
    """
    tasks: list[asyncio.Future[Any]] = [
        asyncio.ensure_future(_read(agent, context)),
        asyncio.ensure_future(agent.write(context)),
    ]
    try:
        waiting: set[asyncio.Future[Any]] = {*tasks, agent.closed}
        done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        if agent.closed in done:
            raise agent.closed.result()
        for task in tasks:
            if task in done:
                task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _read(agent: Agent, context: Context) -> None:
    read = context.read
    while True:
        try:
            data = await read()
        except Exception:  # gRPC's own, of no public type: the agent has left
            return
        if data is grpc.aio.EOF:
            return
        agent.hear(data)
