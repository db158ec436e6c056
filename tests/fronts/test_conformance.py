"""The hub's own fronts pass the suite of them all."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest

from farhand.assembly import RunningHub
from farhand.client import AsyncClient
from farhand.testing.conformance.fronts import FrontConformance, FrontDriver
from tests.fronts import drivers
from tests.fronts.scenarios import scenario_hub


@pytest.fixture
async def serving(request: pytest.FixtureRequest) -> AsyncIterator[RunningHub]:
    async with scenario_hub(request.node.name) as hub:
        yield hub


@pytest.fixture
async def web(serving: RunningHub) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=f"http://{serving.http}", timeout=60, trust_env=False) as client:
        yield client


class TestRun(FrontConformance):
    """One answer has no room for progress."""

    cannot = frozenset({"progress"})

    @pytest.fixture
    async def driver(self, serving: RunningHub) -> FrontDriver:
        return drivers.Grpc(serving.address, streams=False)


class TestStream(FrontConformance):
    """All of it."""

    @pytest.fixture
    async def driver(self, serving: RunningHub) -> FrontDriver:
        return drivers.Grpc(serving.address, streams=True)


class TestChannel(FrontConformance):
    """All of it."""

    @pytest.fixture
    async def driver(self, serving: RunningHub) -> AsyncIterator[FrontDriver]:
        async with AsyncClient(serving.address) as client:
            yield drivers.Channel(client)


class TestHttpRun(FrontConformance):
    """One answer has no room for progress."""

    cannot = frozenset({"progress"})

    @pytest.fixture
    async def driver(self, web: httpx.AsyncClient) -> FrontDriver:
        return drivers.HttpRun(web)


class TestHttpJobs(FrontConformance):
    """A durable job waits for somebody who serves its handler."""

    cannot = frozenset({"unknown_handler"})

    @pytest.fixture
    async def driver(self, web: httpx.AsyncClient) -> FrontDriver:
        return drivers.HttpJobs(web)


class TestControl(FrontConformance):
    """Orders can't be cancelled, and have no deadline of their asker's."""

    cannot = frozenset({"stream", "cancel", "deadline"})

    @pytest.fixture
    async def driver(self, web: httpx.AsyncClient) -> FrontDriver:
        return drivers.Control(web)
