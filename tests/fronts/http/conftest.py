"""A hub that serves HTTP, with a worker, and whoever asks it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest

from farhand.assembly import RunningHub, open_store, serve_hub
from tests.conftest import working


@pytest.fixture
async def served() -> AsyncIterator[RunningHub]:
    async with (
        await serve_hub(store=await open_store("memory:"), http="127.0.0.1:0") as hub,
        working(hub.address, id="w1"),
    ):
        yield hub


@pytest.fixture
async def web(served: RunningHub) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=f"http://{served.http}", timeout=30, trust_env=False) as client:
        yield client
