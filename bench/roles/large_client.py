"""A client that takes large results, from a farhand hub and from a bare gRPC stream. Arguments: HOST:PORT of each."""

from __future__ import annotations

import asyncio
import sys
from statistics import quantiles
from time import perf_counter
from typing import Any

import grpc

import farhand
from bench import timing
from bench.roles.obeying import obey

PART = 256 * 1024
MIB = 1024 * 1024


async def main(hub: str, bare: str) -> None:
    """Measure what is asked: MiB a second of one result, the worst of eight beside the best, and small calls."""
    options = [("grpc.max_receive_message_length", 4 * MIB)]
    async with farhand.AsyncClient(hub) as client, grpc.aio.insecure_channel(bare, options=options) as channel:

        async def take(size: int) -> None:
            timing.expect(len(await client.run("block", {"size": size}, timeout=None)), size)

        async def whole(size: int, seconds: float) -> float:
            return await _speed(lambda: take(size), size, seconds)

        async def stream(size: int, seconds: float) -> float:
            async def once() -> None:
                got = 0
                request = f"{size // PART} {PART}".encode()
                chunks: Any = channel.unary_stream("/bench.Echo/Chunks")
                async for part in chunks(request):
                    got += len(part)
                timing.expect(got, size)

            return await _speed(once, size, seconds)

        async def eight(size: int, seconds: float) -> float:
            took: list[float] = []

            async def one() -> None:
                began = perf_counter()
                await take(size)
                took.append(perf_counter() - began)

            await asyncio.gather(*(one() for _ in range(8)))
            return max(took) / min(took)

        async def small(seconds: float) -> float:
            took: list[float] = []
            end = perf_counter() + seconds
            while perf_counter() < end or len(took) < 100:
                began = perf_counter()
                await client.run("nothing")
                took.append(perf_counter() - began)
            return quantiles(took, n=100)[98] * 1000

        await obey({"whole": whole, "stream": stream, "eight": eight, "small": small})


async def _speed(once: Any, size: int, seconds: float) -> float:
    """MiB a second."""
    done, began = 0, perf_counter()
    while not done or perf_counter() - began < seconds:
        await once()
        done += 1
    return done * size / MIB / (perf_counter() - began)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2]))
