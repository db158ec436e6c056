"""Handlers that run at times: by real hubs, real stores and real workers."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from farhand import App, AsyncClient, Client, Context
from farhand.assembly import open_store, serve_hub
from farhand.client.schedules import ScheduleInfo
from farhand.engines.postgres.store import PostgresStore
from farhand.engines.sqlite.store import SqliteStore
from farhand.errors import ScheduleNotFound
from tests.engines.postgres import URL, admin, schema
from tests.hub.serving import working

__all__ = ["admin", "schema"]

EVERY_SECOND = "* * * * * *"


async def until(condition: Callable[[], Awaitable[Any]], within: float = 20.0) -> Any:
    """Look again and again until it holds; what it gave."""
    async with asyncio.timeout(within):
        while not (found := await condition()):  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    return found


async def only(client: AsyncClient) -> ScheduleInfo:
    (one,) = await client.schedules()
    return one


def app_of(**options: Any) -> App:
    """An app whose one handler says its job's id."""
    app = App()

    @app.handler(name="tick", **options)
    async def tick(ctx: Context) -> str:
        return ctx.job_id

    return app


def due_of(id: str) -> float:
    """The time a firing was for, as its id says."""
    return (UUID(id).int >> 80) / 1000


@pytest.mark.timeout(120)
async def test_two_hubs_on_one_store_fire_each_time_once(schema: str) -> None:
    count, app = 15, App()
    ran: Counter[str] = Counter()

    def register(number: int) -> None:
        @app.handler(name=f"tick{number}", schedule=EVERY_SECOND)
        async def tick(ctx: Context) -> None:
            ran[ctx.job_id] += 1

    for number in range(count):
        register(number)
    first, second = [await PostgresStore.open(URL, schema=schema) for _ in range(2)]
    async with (
        await serve_hub(store=first) as hub,
        await serve_hub(store=second) as other,
        AsyncClient(other.address) as client,
        working(hub.address, app),
        working(other.address, app, id="w2"),
    ):

        async def enough() -> bool:
            return sum(one.fired for one in await client.schedules()) >= 8 * count

        await until(enough, 60)
        for name in [one.name for one in await client.schedules()]:
            await client.drop_schedule(name)

        async def quiet() -> bool:
            return not await client.jobs(status=["queued", "assigned", "running"])

        await until(quiet)
        jobs = await client.jobs(limit=1000)
    times = Counter((job.schedule, due_of(job.id)) for job in jobs)
    print(f"{len(jobs):,} firings of {count} schedules by two hubs, 0 doubled")
    assert len(jobs) >= 8 * count
    assert set(times.values()) == {1}
    assert ran == Counter(job.id for job in jobs)


@pytest.mark.parametrize("missed", ["skip", "once"])
async def test_a_hub_that_was_away_skips_what_it_missed_or_fires_once(tmp_path: Path, missed: str) -> None:
    # Clocks stand at half past, so that no firing of an hourly schedule is on time.
    away = 0.0
    begin = datetime.now(UTC).replace(minute=30, second=0, microsecond=0).timestamp() - time.time()

    def clock() -> float:
        return time.time() + begin + away

    app = app_of(schedule="0 * * * *", missed=missed, retries=4)
    async with (
        await serve_hub(store=SqliteStore(tmp_path / "farhand.db", clock)) as hub,
        AsyncClient(hub.address) as client,
    ):
        async with working(hub.address, app):
            await until(client.schedules)
        before = await only(client)
        assert (before.name, before.cron, before.timezone, before.missed) == ("tick", "0 * * * *", "UTC", missed)
        assert before.next_at is not None
        assert clock() < before.next_at < clock() + 1801
    away = 5 * 3600.0
    async with (
        await serve_hub(store=SqliteStore(tmp_path / "farhand.db", clock)) as hub,
        AsyncClient(hub.address) as client,
    ):

        async def moved_on() -> bool:
            return (await only(client)).next_at != before.next_at

        await until(moved_on)
        after = await only(client)
        assert after.next_at == before.next_at + 5 * 3600
        jobs = await client.jobs()
        assert (after.fired, len(jobs)) == ((0, 0) if missed == "skip" else (1, 1))
        if jobs:
            assert (jobs[0].id, jobs[0].schedule, jobs[0].status) == (after.last_job, "tick", "queued")
            assert jobs[0].attempts == 5  # as its handler says, though no worker is there
            async with working(hub.address, app):
                assert await client.job(jobs[0].id).result(10) == jobs[0].id


@pytest.mark.parametrize("missed", ["skip", "once"])
async def test_no_job_is_added_while_the_last_one_waits_for_a_worker(missed: str) -> None:
    app = app_of(schedule=EVERY_SECOND, missed=missed)
    async with await serve_hub(store=await open_store("memory:")) as hub, AsyncClient(hub.address) as client:
        async with working(hub.address, app):
            await until(lambda: client.jobs(status="succeeded"))

        async def waits() -> list[Any]:
            return await client.jobs(status="queued")

        (waiting,) = await until(waits)
        fired, passed = (await only(client)).fired, due_of(waiting.id) + 3.5
        while time.time() < passed:
            assert [job.id for job in await waits()] == [waiting.id]
            await asyncio.sleep(0.1)
        assert (await only(client)).fired == fired
        async with working(hub.address, app, id="w2"):

            async def goes_on() -> bool:
                return (await only(client)).fired > fired + 1

            await until(goes_on)
        assert await client.job(waiting.id).status() == "succeeded"


async def test_the_last_word_of_a_worker_counts() -> None:
    async with await serve_hub(store=await open_store("memory:")) as hub, AsyncClient(hub.address) as client:

        async def cron() -> tuple[str, str, str] | None:
            found = await client.schedules()
            return (found[0].cron, found[0].timezone, found[0].missed) if found else None

        async def becomes(*wanted: str) -> bool:
            return await cron() == wanted

        async with working(hub.address, app_of(schedule="0 0 * * *")):
            await until(lambda: becomes("0 0 * * *", "UTC", "skip"))
        assert await cron() is not None  # it outlives its worker
        kept = (await only(client)).next_at
        async with working(hub.address, app_of(schedule="0 0 * * *", missed="once")):
            await until(lambda: becomes("0 0 * * *", "UTC", "once"))
        assert (await only(client)).next_at == kept
        async with working(hub.address, app_of(schedule="0 1 * * *", timezone="Asia/Kathmandu")):
            await until(lambda: becomes("0 1 * * *", "Asia/Kathmandu", "skip"))
        at = (await only(client)).next_at
        assert at is not None
        assert datetime.fromtimestamp(at, UTC).strftime("%H:%M") == "19:15"
        async with working(hub.address, app_of(), group="elsewhere"):
            await client.workers()
        assert await cron() is not None  # another group's handler is another one
        async with working(hub.address, app_of()):

            async def gone() -> bool:
                return not await client.schedules()

            await until(gone)


async def test_schedules_are_listed_fired_and_dropped() -> None:
    async with await serve_hub(store=await open_store("memory:")) as hub, AsyncClient(hub.address) as client:
        assert await client.schedules() == []
        app = app_of(schedule="0 0 29 2 *")
        async with working(hub.address, app, group="g"):
            one = (await until(client.schedules))[0]
            assert (one.name, one.handler, one.group, one.fired, one.last_job) == ("g/tick", "tick", "g", 0, "")
            job = await client.fire_schedule("g/tick")
            assert await job.result(10) == job.id
            after = await only(client)
            assert (after.next_at, after.fired, after.last_job) == (one.next_at, 1, job.id)
            assert (await job.info()).schedule == "g/tick"

            def sync() -> tuple[list[ScheduleInfo], str]:
                with Client(hub.address) as asked:
                    found, fired = asked.schedules(), asked.fire_schedule("g/tick")
                    asked.drop_schedule("g/tick")
                    return found, fired.result(10)

            found, result = await asyncio.to_thread(sync)
            assert (found, len(result)) == ([after], 36)
        assert await client.schedules() == []
        for ask in (client.fire_schedule, client.drop_schedule):
            with pytest.raises(ScheduleNotFound, match="there is no schedule 'g/tick'"):
                await ask("g/tick")
