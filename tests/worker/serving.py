"""A hub and a worker of any app in this process, for one test."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from farhand import App, AsyncClient
from farhand.assembly import build_worker, serve_hub
from farhand.worker.worker import WorkerOptions


@asynccontextmanager
async def asked(app: App, **options: Any) -> AsyncIterator[AsyncClient]:
    """A client of a hub whose one worker serves `app`."""
    loop, ready = asyncio.get_running_loop(), asyncio.Event()
    async with await serve_hub() as hub:
        wanted = WorkerOptions(hub=hub.address, id="w1", **options)

        def on_ready(id: str) -> None:
            loop.call_soon_threadsafe(ready.set)

        worker = build_worker(app, wanted, on_ready)
        running = asyncio.ensure_future(worker.run(grace=1.0))
        async with asyncio.timeout(20):
            await asyncio.wait({running, asyncio.ensure_future(ready.wait())}, return_when=asyncio.FIRST_COMPLETED)
        try:
            async with AsyncClient(hub.address, connect_timeout=5.0) as client:
                yield client
        finally:
            worker.stop()
            await running
