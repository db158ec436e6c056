"""An app with two handlers. Serve it with `farhand dev examples/quickstart.py`."""

import asyncio
from collections.abc import AsyncIterator

import farhand

app = farhand.App()


@app.handler
def add(a: float, b: float) -> float:
    """Add two numbers."""
    return a + b


@app.handler
async def countdown(ctx: farhand.Context, start: int = 5, pause: float = 0.2) -> AsyncIterator[int]:
    """Count down, one chunk a number."""
    for left in range(start, 0, -1):
        ctx.progress(start - left, start, f"{left} to go")
        yield left
        await asyncio.sleep(pause)
