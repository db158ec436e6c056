"""Devaria's door passes the suite of all fronts: its jobs are taken by workers of the hub's, without a poll."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from farhand.assembly import Doors
from farhand.testing.conformance.fronts import FrontConformance, FrontDriver
from tests.fronts.devaria.driver import Driver
from tests.fronts.devaria.serving import devaria_options, web_of
from tests.fronts.scenarios import scenario_hub


class TestDevaria(FrontConformance):
    """A job has no deadline of its asker's, and waits for somebody who serves its type."""

    cannot = frozenset({"deadline", "unknown_handler"})

    @pytest.fixture
    async def driver(self, request: pytest.FixtureRequest) -> AsyncIterator[FrontDriver]:
        options = devaria_options(group="default")
        async with scenario_hub(request.node.name, doors=Doors(devaria=options)) as hub, web_of(hub) as web:
            yield Driver(web)
