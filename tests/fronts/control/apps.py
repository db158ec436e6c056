"""Handlers that orders are given for."""

from __future__ import annotations

import os
import signal
import threading
from typing import Any

import farhand

app = farhand.App()
go_on = threading.Event()


@app.handler
def add(a: float, b: float = 1) -> float:
    """Ends at once."""
    return a + b


@app.handler
def bare() -> str:
    """Takes nothing."""
    return "done"


@app.handler
def named(inputs: list[dict[str, Any]]) -> list[str]:
    """Takes the references."""
    return [one["uri"] for one in inputs]


@app.handler
def half(ctx: farhand.Context) -> str:
    """Stands at 50 % until it is told to go on."""
    ctx.progress(1, 2, "half")
    go_on.wait(30)
    return "whole"


@app.handler
def wrong(text: str = "no such column") -> None:
    """Raises."""
    raise ValueError(text)


@app.handler(timeout=0.3)
async def hangs() -> None:
    """Never ends by itself."""
    import asyncio

    await asyncio.Event().wait()


@app.handler(isolate="process", retries=0, backoff=0.01)
def dies() -> None:
    """Ends its process."""
    os.kill(os.getpid(), signal.SIGKILL)
