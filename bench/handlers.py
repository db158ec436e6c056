"""The handlers that are measured: async, typed, with everything on (validation, events, deadlines)."""

from __future__ import annotations

from collections.abc import AsyncIterator

import farhand

app = farhand.App()


@app.handler
async def echo(text: str) -> str:
    """Answer with what came."""
    return text


@app.handler
async def chunks(count: int, size: int) -> AsyncIterator[bytes]:
    """`count` chunks of `size` bytes."""
    chunk = b"x" * size
    for _ in range(count):
        yield chunk
