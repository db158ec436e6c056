"""ping_stream: says that the connection lives, as often as it is told."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

COUNT_LIMIT, INTERVAL_LIMIT = 1_000_000, 3600.0


async def ping_stream(count: int = 5, interval: float = 0.5) -> AsyncIterator[dict[str, Any]]:
    """`count` pings, `interval` seconds apart; none at all for 0.

    Chunks: `ping_number` from 1, `timestamp` in seconds since 1970, `message`.

    Raises:
        ValueError: there are less than 0 or more than 1,000,000, or the interval is over an hour.
    """
    if not 0 <= count <= COUNT_LIMIT:
        raise ValueError(f"count must be 0 to {COUNT_LIMIT:,}, not {count}")
    if not 0 <= interval <= INTERVAL_LIMIT:
        raise ValueError(f"interval must be 0 to {INTERVAL_LIMIT:g} seconds, not {interval:g}")
    for number in range(1, count + 1):
        yield {
            "ping_number": number,
            "timestamp": time.time(),
            "message": f"Ping {number} of {count}",
            "is_final": number == count,
        }
        if number < count:
            await asyncio.sleep(interval)
