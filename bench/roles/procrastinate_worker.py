"""A procrastinate worker. Arguments: PostgreSQL's URL and a schema."""

from __future__ import annotations

import asyncio
import sys

from bench.roles.obeying import until_told
from bench.roles.procrastinate_app import make

CONCURRENCY = 4
"""Jobs at once; the fastest of 4, 16 and 64 with eight workers."""


async def main(url: str, schema: str) -> None:
    """Work until told to stop."""
    app, _ = make(url, schema, CONCURRENCY)
    async with app.open_async():
        work = asyncio.create_task(app.run_worker_async(concurrency=CONCURRENCY, install_signal_handlers=False))
        await until_told()
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
