"""A hub that is killed under load loses no acknowledged job, and each ends once."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from farhand.client import AsyncClient
from farhand.client.jobs import Job
from farhand.errors import FarhandError
from tests.hub.processes import a_hub, serving, start, until, worker

SUBMITTERS = 8


async def submit_until(over: asyncio.Event, client: AsyncClient, ledger: dict[str, int], number: int) -> None:
    """Submit, and write down what was acknowledged."""
    while not over.is_set():
        number += SUBMITTERS
        try:
            job = await client.submit("square", {"number": number})
        except FarhandError:
            await asyncio.sleep(0.01)
        else:
            ledger[job.id] = number


async def check(client: AsyncClient, ledger: dict[str, int]) -> int:
    """Every job of the ledger ended once, with its own result; how many there are."""

    async def one(id: str, number: int) -> None:
        job: Job = client.job(id)
        assert await job.result(60) == number * number
        ends = [entry async for entry in job.watch() if entry.event.kind.final]
        assert len(ends) == 1

    for ids in [list(ledger.items())[at : at + 50] for at in range(0, len(ledger), 50)]:
        await asyncio.gather(*[one(id, number) for id, number in ids])
    return len(ledger)


async def _kill_under_load(folder: Path, kills: int) -> int:
    ledger: dict[str, int] = {}
    over = asyncio.Event()
    async with (
        a_hub(folder) as hub,
        serving(*worker(hub.address, "w1")),
        serving(*worker(hub.address, "w2")),
        AsyncClient(hub.address, connect_timeout=5.0) as client,
    ):
        load = [asyncio.ensure_future(submit_until(over, client, ledger, n)) for n in range(SUBMITTERS)]
        for _ in range(kills):
            before = len(ledger)

            async def goes_on(before: int = before) -> bool:
                return len(ledger) > before + 100

            await until(goes_on, within=60)
            await hub.kill()
            await hub.start()
        over.set()
        await asyncio.gather(*load)
        return await check(client, ledger)


@pytest.mark.timeout(240)
async def test_a_hub_killed_under_load_loses_no_acknowledged_job(tmp_path: Path) -> None:
    kept = await _kill_under_load(tmp_path, kills=20)
    print(f"0 of {kept:,} acknowledged jobs lost in 20 kills")
    assert kept > 2_000


@pytest.mark.chaos
@pytest.mark.timeout(7200)
async def test_a_hub_killed_two_thousand_times(tmp_path: Path) -> None:
    kept = await _kill_under_load(tmp_path, kills=2_000)
    print(f"0 of {kept:,} acknowledged jobs lost in 2,000 kills")


async def test_a_store_belongs_to_one_hub(tmp_path: Path) -> None:
    async with a_hub(tmp_path):
        second = start("hub", "--grpc", "127.0.0.1:0", "--store", f"sqlite:///{tmp_path}/farhand.db")
        _, text = await asyncio.to_thread(second.communicate)
        assert second.returncode == 1
        assert "another hub has the store" in text
