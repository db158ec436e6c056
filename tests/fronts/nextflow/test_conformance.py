"""Nextflow's doors pass the suite of all fronts."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from farhand.assembly import RunningHub
from farhand.testing.conformance.fronts import FrontConformance, FrontDriver
from tests.fronts.nextflow import drivers


class TestServer(FrontConformance):
    """An action is one answer."""

    cannot = frozenset({"stream", "progress"})

    @pytest.fixture
    async def driver(self, serving: RunningHub, tmp_path: Path) -> FrontDriver:
        return drivers.Server(serving.address, str(tmp_path / "ai_server.log"))


class TestHubActions(FrontConformance):
    """The hub's policy is one for all, and there."""

    cannot = frozenset({"stream", "progress", "unknown_handler"})

    @pytest.fixture
    async def driver(self, serving: RunningHub) -> FrontDriver:
        return drivers.HubActions(serving.address)


class TestWeblog(FrontConformance):
    """Nextflow waits for as long as it takes."""

    cannot = frozenset({"stream", "progress", "unknown_handler", "deadline"})

    @pytest.fixture
    async def driver(self, web: httpx.AsyncClient) -> FrontDriver:
        return drivers.Weblog(web)
