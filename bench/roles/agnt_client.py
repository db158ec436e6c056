"""A bare gRPC client of database agents. Arguments: HOST:PORT of the hub."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import grpc

from bench import timing
from bench.roles.obeying import obey
from bench.subject import AGENT, COMMAND, ROW
from farhand.wire.agnt._pb import agnt_pb2

THERE_WITHIN = 10.0


class CommandClient:
    """What it can be asked to measure."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._send: Any = channel.unary_unary(
            COMMAND, agnt_pb2.CommandRequest.SerializeToString, agnt_pb2.CommandResponse.FromString
        )
        self._command = agnt_pb2.CommandRequest(agent_id=AGENT, database="d", query=timing.PAYLOAD)

    async def call(self) -> None:
        """One command."""
        timing.expect((await self._send(self._command, timeout=30)).json, ROW)

    async def there(self) -> None:
        """Wait for the agent."""
        async with asyncio.timeout(THERE_WITHIN):
            while True:
                try:
                    return await self.call()
                except grpc.aio.AioRpcError as error:
                    if error.code() is not grpc.StatusCode.NOT_FOUND:
                        raise
                    await asyncio.sleep(0.05)

    async def unary(self, in_flight: int, seconds: float) -> float:
        """Commands a second."""
        return await timing.rate(self.call, in_flight, seconds)


async def main(hub: str) -> None:
    """Measure what is asked."""
    async with grpc.aio.insecure_channel(hub) as channel:
        client = CommandClient(channel)
        await client.there()
        await obey({"unary": client.unary})


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
