"""A hub whose workers serve the scenarios of the front conformance suite."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from farhand import App
from farhand.assembly import RunningHub, build_worker, open_store, serve_hub
from farhand.testing.conformance.fronts import APP, app, worker_process
from farhand.worker.worker import WorkerOptions

LEASE = 2.0
"""Seconds after which a durable job whose worker was killed is another's."""


@asynccontextmanager
async def scenario_hub(test: str, app: App = app, reference: str = APP, **options: Any) -> AsyncIterator[RunningHub]:
    """A hub, with HTTP and durable jobs, for the test of this name: two workers in processes of their own where one is
    to be killed, else one in this process, which is there sooner. `options` are further ones of `serve_hub`."""
    async with (
        await serve_hub(store=await open_store("memory:"), http="127.0.0.1:0", lease=LEASE, **options) as hub,
        AsyncExitStack() as stack,
    ):
        if "lost_worker" in test:
            for id in ("w1", "w2"):
                await stack.enter_async_context(worker_process(hub.address, reference, "--id", id))
        else:
            await stack.enter_async_context(_worker_here(hub.address, app, reference))
        yield hub


@asynccontextmanager
async def _worker_here(address: str, app: App, reference: str) -> AsyncIterator[None]:
    ready, loop = asyncio.Event(), asyncio.get_running_loop()

    def let_in(id: str) -> None:
        loop.call_soon_threadsafe(ready.set)

    worker = build_worker(app, WorkerOptions(hub=address, reference=reference), let_in)
    running = asyncio.ensure_future(worker.run(grace=1.0))
    async with asyncio.timeout(20):
        await ready.wait()
    try:
        yield
    finally:
        worker.stop()
        await running
