"""A NATS requester; one inbox for all its requests, as nats-py does by default. Arguments: the server's URL."""

from __future__ import annotations

import asyncio
import sys
from importlib import import_module
from typing import Any

from bench import timing
from bench.roles.obeying import obey

MESSAGE = timing.PAYLOAD.encode()


async def main(url: str) -> None:
    """Measure what is asked."""
    nats: Any = import_module("nats")
    connection = await nats.connect(url)

    async def call() -> None:
        answer = await connection.request("echo", MESSAGE, timeout=30)
        timing.expect(answer.data, MESSAGE)

    async def rate(in_flight: int, seconds: float) -> float:
        return await timing.rate(call, in_flight, seconds)

    await obey({"rate": rate})
    await connection.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
