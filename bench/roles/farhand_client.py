"""A farhand client, and beside it a bare gRPC client of the same hub. Arguments: HOST:PORT."""

from __future__ import annotations

import asyncio
import sys

import grpc

import farhand
from bench import timing
from bench.roles.obeying import obey
from bench.subject import Caller, bare_run


async def main(hub: str) -> None:
    """Measure what is asked."""
    async with farhand.AsyncClient(hub) as client, grpc.aio.insecure_channel(hub) as channel:
        caller = Caller(client)
        call = bare_run(channel)

        async def unary(in_flight: int, seconds: float) -> float:
            return await timing.rate(call, in_flight, seconds)

        names = ("rate", "latency", "first_chunk", "chunks", "durable", "cached", "fill")
        orders = {name: getattr(caller, name) for name in names}
        await obey({**orders, "unary": unary})


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
