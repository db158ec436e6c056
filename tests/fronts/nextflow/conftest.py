"""A hub whose policy is the handler `policy`, and whoever asks it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest

from farhand.assembly import Doors, RunningHub
from tests.fronts.nextflow.scenario_app import app
from tests.fronts.scenarios import scenario_hub

APP = "tests.fronts.nextflow.scenario_app:app"


@pytest.fixture
async def serving(request: pytest.FixtureRequest) -> AsyncIterator[RunningHub]:
    async with scenario_hub(request.node.name, app, APP, doors=Doors(nextflow_policy="policy")) as hub:
        yield hub


@pytest.fixture
async def web(serving: RunningHub) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=f"http://{serving.http}", timeout=60, trust_env=False) as client:
        yield client
