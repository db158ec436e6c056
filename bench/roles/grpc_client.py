"""A bare grpc.aio client of `grpc_server`. Arguments: HOST:PORT."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import grpc

from bench import timing
from bench.roles.obeying import obey

MESSAGE = timing.PAYLOAD.encode()


class BareClient:
    """What it can be asked to measure."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._unary: Any = channel.unary_unary("/bench.Echo/Unary")
        self._ping_pong: Any = channel.stream_stream("/bench.Echo/PingPong")
        self._chunks: Any = channel.unary_stream("/bench.Echo/Chunks")

    async def unary(self, in_flight: int, seconds: float) -> float:
        """Unary calls a second."""

        async def call() -> None:
            timing.expect(await self._unary(MESSAGE, timeout=30), MESSAGE)

        return await timing.rate(call, in_flight, seconds)

    async def latency(self, seconds: float) -> float:
        """The median round trip on one bidirectional stream."""
        stream = self._ping_pong()

        async def call() -> None:
            await stream.write(MESSAGE)
            timing.expect(await stream.read(), MESSAGE)

        try:
            return await timing.latency(call, seconds)
        finally:
            await stream.done_writing()

    async def chunks(self, seconds: float) -> float:
        """Messages a second of a server stream."""

        async def read(count: int) -> int:
            stream = self._chunks(b"%d" % count)
            got = 0
            while (message := await stream.read()) is not grpc.aio.EOF:
                timing.expect(len(message), timing.CHUNK)
                got += 1
            return got

        return await timing.throughput(read, seconds)


async def main(address: str) -> None:
    """Measure what is asked."""
    async with grpc.aio.insecure_channel(address) as channel:
        client = BareClient(channel)
        await obey({"unary": client.unary, "latency": client.latency, "chunks": client.chunks})


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
