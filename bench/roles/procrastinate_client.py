"""A procrastinate caller, which counts what isn't done yet. Arguments: PostgreSQL's URL and a schema."""

from __future__ import annotations

import asyncio
import sys
from time import perf_counter
from typing import Any

from bench import timing
from bench.roles.obeying import obey
from bench.roles.procrastinate_app import make

CONNECTIONS = 16
LOOK_EVERY = 0.005
LEFT = "select count(*) as count from procrastinate_jobs where status in ('todo', 'doing')"


async def main(url: str, schema: str) -> None:
    """Measure what is asked."""
    app, echo = make(url, schema, CONNECTIONS)
    async with app.open_async():
        await app.schema_manager.apply_schema_async()

        async def rate(in_flight: int, seconds: float) -> float:
            return await keep_in_flight(app, echo, in_flight, seconds)

        await obey({"rate": rate})


async def keep_in_flight(app: Any, echo: Any, in_flight: int, seconds: float) -> float:
    """Jobs a second from when they are deferred to when they have succeeded, with as many in flight."""
    began = perf_counter()
    done, left = 0, 0
    deferring = asyncio.Semaphore(CONNECTIONS)

    async def defer() -> None:
        async with deferring:
            await echo.defer_async(text=timing.PAYLOAD)

    while perf_counter() < began + seconds or left:
        new = in_flight - left if perf_counter() < began + seconds else 0
        await asyncio.gather(*[defer() for _ in range(new)])
        await asyncio.sleep(LOOK_EVERY)
        row = await app.connector.execute_query_one_async(LEFT)
        done += left + new - row["count"]
        left = row["count"]
    return done / (perf_counter() - began)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
