"""A caller of SendCommand, and a way to wait until agents are there."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial

import pytest

from farhand.assembly import RunningHub
from tests.fronts.agnt.peers import Caller, loaded

Load = Callable[..., Awaitable[None]]


@pytest.fixture
async def caller(hub: RunningHub) -> AsyncIterator[Caller]:
    async with Caller(hub.address) as caller:
        yield caller


@pytest.fixture
def load(hub: RunningHub) -> Load:
    """`loaded`, of this hub."""
    return partial(loaded, hub)
