"""Durable jobs that end at once are recorded together; where that fails, each for itself, and each once."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest

from farhand.assembly import serve_hub
from farhand.client import AsyncClient
from farhand.engines.sqlite.store import SqliteStore
from farhand.errors import FarhandError, Unavailable
from farhand.model.durable import KeptJob
from farhand.model.event import Kind
from farhand.ports.store import Change
from tests.conftest import working

JOBS = 100


class Faulty(SqliteStore):
    """A store whose answer for a group is lost: before its commit, or after it."""

    commits = False
    groups = 0

    async def change_all(self, changes: Sequence[Change], now: float) -> list[KeptJob | FarhandError | None]:
        self.groups += 1
        if self.commits:
            await super().change_all(changes, now)
        raise Unavailable("the answer was lost")


@pytest.mark.parametrize("commits", [False, True])
async def test_a_group_whose_answer_is_lost_ends_each_of_its_jobs_once(tmp_path: Path, commits: bool) -> None:
    store = Faulty(tmp_path / "farhand.db")
    store.commits = commits
    async with (
        await serve_hub(store=store) as hub,
        AsyncClient(hub.address, connect_timeout=5.0) as client,
        working(hub.address, slots=JOBS),
    ):
        jobs = await asyncio.gather(*[client.submit("add", {"a": n, "b": 1}) for n in range(JOBS)])
        results = await asyncio.gather(*[job.result(20) for job in jobs])
        assert results == [n + 1 for n in range(JOBS)]
        for job in jobs:
            kinds = [entry.event.kind async for entry in job.watch()]
            assert kinds == [Kind.QUEUED, Kind.STARTED, Kind.SUCCEEDED]
        assert store.groups > 0
