"""A Snakepit pool's side of `Execute`. Arguments: HOST:PORT."""

from __future__ import annotations

import asyncio
import sys

import grpc

from bench import subject, timing
from bench.roles.obeying import obey


async def main(address: str) -> None:
    """Measure what is asked."""
    async with grpc.aio.insecure_channel(address) as channel:
        call = subject.execute(channel)

        async def rate(in_flight: int, seconds: float) -> float:
            """Calls a second."""
            return await timing.rate(call, in_flight, seconds)

        await obey({"rate": rate})


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
