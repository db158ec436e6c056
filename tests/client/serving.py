"""A hub and a worker for these tests, in a process of their own, and the app it serves."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Iterator
from typing import Any

import farhand
from farhand.assembly import build_worker, serve_hub
from farhand.worker.worker import WorkerOptions

app = farhand.App()


@app.handler
async def echo(value: Any) -> Any:
    """Give it back."""
    return value


@app.handler
def boom(text: str) -> None:
    """Fail."""
    raise ZeroDivisionError(text)


@app.handler
async def count(n: int) -> AsyncIterator[int]:
    """Count."""
    for i in range(n):
        yield i


@app.handler
def pieces(n: int, size: int) -> Iterator[bytes]:
    """Yield n pieces."""
    for _ in range(n):
        yield b"x" * size


@app.handler
async def report(ctx: farhand.Context, n: int) -> int:
    """Tell how far it is."""
    for i in range(n):
        ctx.progress(i + 1, n)
        await asyncio.sleep(0.01)
    print("done")
    return n


@app.handler
async def hang() -> None:
    """Never end."""
    await asyncio.Event().wait()


@app.handler
def visits(ctx: farhand.Context) -> int:
    """Count the calls of a session."""
    assert ctx.session is not None
    ctx.session["n"] = ctx.session.get("n", 0) + 1
    return int(ctx.session["n"])


async def main() -> None:
    """Serve until stdin closes; a line of stdout gives the address."""
    loop, ready = asyncio.get_running_loop(), asyncio.Event()
    async with await serve_hub() as hub:
        options = WorkerOptions(hub=hub.address)

        def on_ready(worker_id: str) -> None:
            loop.call_soon_threadsafe(ready.set)

        worker = build_worker(app, options, on_ready)
        serving = asyncio.ensure_future(worker.run())
        await ready.wait()
        print("address", hub.address, file=sys.__stdout__, flush=True)
        await loop.run_in_executor(None, sys.stdin.read)
        worker.stop()
        await serving


if __name__ == "__main__":
    asyncio.run(main())
