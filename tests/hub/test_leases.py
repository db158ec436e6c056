"""Leases hold as long as their work is alive, however busy it is, and not a moment of it is done twice."""

from __future__ import annotations

from pathlib import Path

import pytest

from farhand import AsyncClient
from farhand.model.event import Kind
from tests.hub.processes import serving, worker

LEASE = 3.0


@pytest.mark.timeout(180)
@pytest.mark.parametrize("seconds", [10.0, pytest.param(100.0, marks=pytest.mark.chaos)])
async def test_a_job_that_holds_the_gil_for_many_leases_runs_once(tmp_path: Path, seconds: float) -> None:
    store = ("--lease", f"{LEASE:g}", "--store", f"sqlite:///{tmp_path}/farhand.db")
    runs = tmp_path / "runs"
    async with (
        serving("hub", "--grpc", "127.0.0.1:0", *store) as (_, address),
        serving(*worker(address, "one")),
        serving(*worker(address, "other")),
        AsyncClient(address, connect_timeout=5.0) as client,
    ):
        job = await client.submit("grip_for", {"path": str(runs), "seconds": seconds}, retries=3)
        assert await job.result(seconds + 60) == "waited"
        kinds = [entry.event.kind async for entry in job.watch()]
        assert kinds == [Kind.QUEUED, Kind.STARTED, Kind.SUCCEEDED]
        assert (await job.info()).attempt == 1
    assert runs.read_text() == "begun\n"
