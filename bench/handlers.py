"""The handlers that are measured: async, typed, with everything on (validation, events, deadlines)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

import farhand

app = farhand.App()


@app.handler
async def echo(text: str) -> str:
    """Answer with what came."""
    return text


@app.handler
async def add(a: float, b: float) -> float:
    """Their sum."""
    return a + b


@app.handler
async def ticks(count: int, pause: float) -> AsyncIterator[float]:
    """`count` times of day, with so many seconds between them."""
    for _ in range(count):
        await asyncio.sleep(pause)
        yield time.time()


@app.handler
async def chunks(count: int, size: int) -> AsyncIterator[bytes]:
    """`count` chunks of `size` bytes."""
    chunk = b"x" * size
    for _ in range(count):
        yield chunk
