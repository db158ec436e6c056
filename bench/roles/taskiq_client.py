"""A taskiq caller. Arguments: Redis's URL and a prefix of keys."""

from __future__ import annotations

import asyncio
import sys

from bench import timing
from bench.roles.obeying import obey
from bench.roles.taskiq_app import make

ASK_EVERY = 0.02
"""Seconds between questions whether a result is there: the best of 0.01, 0.02, 0.05, 0.1, 0.15 and taskiq's own 0.2."""


async def main(url: str, prefix: str) -> None:
    """Measure what is asked."""
    broker, echo = make(url, prefix)
    await broker.startup()

    async def call() -> None:
        task = await echo.kiq(timing.PAYLOAD)
        result = await task.wait_result(check_interval=ASK_EVERY, timeout=30)
        timing.expect(result.return_value, timing.PAYLOAD)

    async def rate(in_flight: int, seconds: float) -> float:
        return await timing.rate(call, in_flight, seconds)

    await obey({"rate": rate})
    await broker.shutdown()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
