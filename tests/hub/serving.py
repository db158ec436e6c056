"""A worker of any app in this process, for tests that have their own hub."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from farhand import App
from farhand.assembly import build_worker
from farhand.worker.worker import WorkerOptions


@asynccontextmanager
async def working(address: str, app: App, **options: Any) -> AsyncIterator[None]:
    """A worker of the app that has been let in, until the block ends."""
    loop, ready = asyncio.get_running_loop(), asyncio.Event()

    def on_ready(id: str) -> None:
        loop.call_soon_threadsafe(ready.set)

    worker = build_worker(app, WorkerOptions(hub=address, **{"id": "w1", **options}), on_ready)
    running = asyncio.ensure_future(worker.run(grace=0.5))
    try:
        async with asyncio.timeout(20):
            await ready.wait()
        yield
    finally:
        worker.stop()
        await running
