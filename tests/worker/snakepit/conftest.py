"""A worker and a pool in this process."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from farhand.worker.links.snakepit import Bridge, Commands
from tests.worker.snakepit import apps
from tests.worker.snakepit.calling import Pool, pooled

REFERENCE = "tests.worker.snakepit.apps:app"


@pytest.fixture
async def served() -> AsyncIterator[tuple[Pool, Bridge]]:
    apps.renew()
    async with pooled(Commands(app=apps.app), reference=REFERENCE) as both:
        yield both


@pytest.fixture
def pool(served: tuple[Pool, Bridge]) -> Pool:
    return served[0]
