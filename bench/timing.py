"""What a client does while it is measured, the same for every contender."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from statistics import median
from time import perf_counter

PAYLOAD = "x" * 100
CHUNK = 1024

Call = Callable[[], Awaitable[object]]


async def rate(call: Call, in_flight: int, seconds: float) -> float:
    """Calls a second, with `in_flight` callers that each call again as soon as they are answered."""
    done = 0
    began = perf_counter()
    end = began + seconds

    async def caller() -> None:
        nonlocal done
        while perf_counter() < end:
            await call()
            done += 1

    await asyncio.gather(*[caller() for _ in range(in_flight)])
    return done / (perf_counter() - began)


async def latency(call: Call, seconds: float) -> float:
    """The median time of a call in milliseconds, one call at a time."""
    took: list[tuple[float, float]] = []
    end = perf_counter() + seconds
    while not took or took[-1][1] < end:
        began = perf_counter()
        await call()
        ended = perf_counter()
        took.append((ended - began, ended))
    return median(seconds for seconds, _ in took) * 1000


async def throughput(read: Callable[[int], Awaitable[int]], seconds: float) -> float:
    """Chunks a second of one stream that takes about `seconds`; `read(n)` reads one of n chunks and counts them."""
    count, speed = 1000, 0.0
    while True:
        began = perf_counter()
        got = await read(count)
        took = perf_counter() - began
        expect(got, count)
        speed = count / took
        if took >= seconds / 2:
            return speed
        count = int(max(count * 2, speed * seconds))


def expect(got: object, wanted: object) -> None:
    """An answer that isn't the right one would be measured for nothing."""
    if got != wanted:
        raise RuntimeError(f"the answer was {got!r:.80}, not {wanted!r:.80}")
