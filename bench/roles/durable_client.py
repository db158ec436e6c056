"""A farhand client of several hubs, which submits and waits for results. Arguments: the hubs' HOST:PORT."""

from __future__ import annotations

import asyncio
import sys
from contextlib import AsyncExitStack
from itertools import cycle

import farhand
from bench import timing
from bench.roles.obeying import obey


async def main(*hubs: str) -> None:
    """Measure what is asked."""
    async with AsyncExitStack() as stack:
        clients = cycle([await stack.enter_async_context(farhand.AsyncClient(hub)) for hub in hubs])

        async def call() -> None:
            job = await next(clients).submit("echo", {"text": timing.PAYLOAD})
            timing.expect(await job.result(60), timing.PAYLOAD)

        async def rate(in_flight: int, seconds: float) -> float:
            return await timing.rate(call, in_flight, seconds)

        await obey({"rate": rate})


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
