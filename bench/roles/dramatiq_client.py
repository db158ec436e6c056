"""A dramatiq caller, which blocks on the oldest of its calls. Arguments: Redis's URL and a prefix of keys."""

from __future__ import annotations

import asyncio
import sys
from collections import deque
from time import perf_counter
from typing import Any

from bench import timing
from bench.roles.dramatiq_app import make
from bench.roles.obeying import obey


async def main(url: str, prefix: str) -> None:
    """Measure what is asked."""
    broker, echo = make(url, prefix)

    async def rate(in_flight: int, seconds: float) -> float:
        return keep_in_flight(echo, in_flight, seconds)

    await obey({"rate": rate})
    broker.close()


def keep_in_flight(echo: Any, in_flight: int, seconds: float) -> float:
    """Calls a second with as many in flight."""
    began = perf_counter()
    waiting = deque(echo.send(timing.PAYLOAD) for _ in range(in_flight))
    done = 0
    while waiting:
        timing.expect(waiting.popleft().get_result(block=True, timeout=30_000), timing.PAYLOAD)
        done += 1
        if perf_counter() - began < seconds:
            waiting.append(echo.send(timing.PAYLOAD))
    return done / (perf_counter() - began)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
