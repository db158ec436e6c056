"""Someone who behaves well and is served throughout, whatever the others do."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from structlog.testing import capture_logs

from farhand.assembly import RunningHub
from farhand.client import AsyncClient
from tests.conftest import working

PATIENCE = 2.0
"""Seconds that no call of the well-behaved may take, on a machine that does other things too."""


class Bystander:
    """A client, with a worker of group ``good`` that only it uses, one call after the other."""

    def __init__(self, client: AsyncClient) -> None:
        self.client = client
        self.served = 0
        self.slowest = 0.0
        self._more = asyncio.Event()

    async def go_on(self) -> None:
        """Call until cancelled."""
        while True:
            began = time.monotonic()
            assert await self.client.run("add", {"a": self.served, "b": 1}, group="good") == self.served + 1
            self.slowest = max(self.slowest, time.monotonic() - began)
            self.served += 1
            self._more.set()
            await asyncio.sleep(0.002)

    async def still_served(self) -> None:
        """Wait until it was served some more."""
        enough = self.served + 5
        async with asyncio.timeout(10):
            while self.served < enough:
                self._more.clear()
                await self._more.wait()


@asynccontextmanager
async def served_throughout(hub: RunningHub) -> AsyncIterator[Bystander]:
    """A bystander who must notice nothing while the block runs."""
    async with working(hub.address, id="good", group="good"), AsyncClient(hub.address) as client:
        bystander = Bystander(client)
        task = asyncio.ensure_future(bystander.go_on())
        await bystander.still_served()
        try:
            yield bystander
            await bystander.still_served()
        finally:
            task.cancel()
            (ended,) = await asyncio.gather(task, return_exceptions=True)
        assert isinstance(ended, asyncio.CancelledError), ended
        assert bystander.slowest < PATIENCE


@pytest.fixture
async def good(hub: RunningHub) -> AsyncIterator[Bystander]:
    async with served_throughout(hub) as bystander:
        yield bystander


@pytest.fixture(autouse=True)
async def _nothing_unexpected() -> AsyncIterator[None]:
    """No callback on the loop raises, and the hub logs no error.

    But grpc.aio, whose loops share one queue, may complain of the loop of a worker that ended in the test before.
    """
    raised: list[dict[str, Any]] = []

    def on_exception(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        if "PollerCompletionQueue" not in context["message"]:
            raised.append(context)

    asyncio.get_running_loop().set_exception_handler(on_exception)
    with capture_logs() as logs:
        yield
    assert raised == []
    assert [line for line in logs if line["log_level"] in ("error", "critical")] == []
