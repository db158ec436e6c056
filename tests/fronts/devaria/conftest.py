"""A hub with Devaria's door for each test."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from farhand.assembly import RunningHub
from tests.fronts.devaria.serving import Web, devaria_hub, web_of


@pytest.fixture
async def hub() -> AsyncIterator[RunningHub]:
    async with devaria_hub() as running:
        yield running


@pytest.fixture
async def web(hub: RunningHub) -> AsyncIterator[Web]:
    async with web_of(hub) as web:
        yield web
