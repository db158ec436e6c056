"""A client that reads the rows of a query: through a hub, and by the driver alone. Arguments: the hub's HOST:PORT, and
the URL of a PostgreSQL server."""

from __future__ import annotations

import asyncio
import sys
from time import perf_counter

import psycopg

import farhand
from bench import timing
from bench.roles.obeying import obey

ROWS = 100_000
AT_ONCE = 1_000
QUERY = f"select i, 'name ' || i as name, i * 1.5::float8 as price, i % 2 = 0 as even from generate_series(1, {ROWS}) i"


async def main(hub: str, url: str) -> None:
    """Measure what is asked, in rows a second."""
    async with farhand.AsyncClient(hub) as client:

        async def through() -> None:
            got = 0
            async for chunk in client.stream("sql.query", {"query": QUERY}):
                got += len(chunk.get("rows", ()))
            timing.expect(got, ROWS)

        async def measured(seconds: float) -> float:
            done, began = 0, perf_counter()
            while not done or perf_counter() - began < seconds:
                await through()
                done += 1
            return done * ROWS / (perf_counter() - began)

        async def bare(seconds: float) -> float:
            return await asyncio.to_thread(_bare, url, seconds)

        await obey({"hub": measured, "bare": bare})


def _bare(url: str, seconds: float) -> float:
    with psycopg.connect(url) as connection:
        done, began = 0, perf_counter()
        while not done or perf_counter() - began < seconds:
            got = 0
            with connection.cursor("bench") as cursor:
                cursor.execute(QUERY.encode())
                while rows := cursor.fetchmany(AT_ONCE):
                    got += len(rows)
            timing.expect(got, ROWS)
            done += 1
        return done * ROWS / (perf_counter() - began)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2]))
