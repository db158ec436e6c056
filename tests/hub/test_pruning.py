"""Ended jobs and long logs go as handlers and the hub say: by real hubs on real stores."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from farhand import App, AsyncClient, Context
from farhand.assembly import open_store, serve_hub
from farhand.client.jobs import Job
from farhand.engines.sqlite.store import SqliteStore
from farhand.errors import JobNotFound, LogPruned
from farhand.hub import pruning
from farhand.model.durable import Keep
from farhand.model.event import Kind
from tests.engines.postgres import fresh_schema, url_of
from tests.hub.serving import working

EVER = Keep(jobs=0, seconds=0.0)


def app_of(gate: asyncio.Event | None = None, **options: Any) -> App:
    app = App()

    @app.handler(name="note", **options)
    async def note(text: str = "") -> str:
        return text

    @app.handler(name="talk", **options)
    async def talk(ctx: Context, n: int) -> int:
        for number in range(n):
            ctx.progress(number, n)
            await asyncio.sleep(0.005)  # what comes at once is merged
        ctx.progress(n, n, "all is said")
        await asyncio.sleep(0.2)
        if gate is not None:
            await gate.wait()
        return n

    @app.handler(name="count", **options)
    async def count(n: int) -> AsyncIterator[int]:
        for number in range(n):
            yield number
        if gate is not None:
            await gate.wait()

    @app.handler(name="total")
    async def total(data: list[int]) -> int:
        return sum(data)

    return app


@pytest.fixture(params=["sqlite", "postgres"])
async def url(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[str]:
    """A store's, whose hubs look often."""
    monkeypatch.setattr(pruning, "LOOK_EVERY", 0.05)
    monkeypatch.setattr(pruning, "TRIM_EVERY", 0.02)
    monkeypatch.setattr(pruning, "COUNT_REST", 0.0)
    async with AsyncExitStack() as stack:
        if request.param == "postgres":
            yield url_of(await stack.enter_async_context(fresh_schema()))
        else:
            yield f"sqlite:///{tmp_path}/farhand.db"


@asynccontextmanager
async def hub_on(url: str, keep: Keep = EVER) -> AsyncIterator[tuple[str, AsyncClient]]:
    store = await open_store(url)
    async with await serve_hub(store=store, keep=keep) as hub, AsyncClient(hub.address, connect_timeout=5.0) as client:
        yield hub.address, client


async def until(condition: Callable[[], Awaitable[Any]]) -> Any:
    async with asyncio.timeout(30):
        while not (found := await condition()):  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    return found


async def notes(client: AsyncClient, count: int, **options: Any) -> list[Job]:
    """Jobs that have ended, one after the other."""
    jobs = []
    for _ in range(count):
        jobs.append(await client.submit("note", **options))
        await jobs[-1].result(10)
    return jobs


async def left(client: AsyncClient) -> list[str]:
    return [job.id for job in reversed(await client.jobs(limit=1000))]


async def cut(job: Job, most: int) -> bool:
    """Whether the log of a job that says nothing more is as short as it may be."""
    info = await job.info()
    return info.first > 0 and info.entries - info.first <= most


async def test_the_newest_are_kept_of_a_handler_that_says_so(url: str) -> None:
    async with hub_on(url) as (address, client), working(address, app_of(keep=3)):
        jobs = await notes(client, 8)
        other = await client.submit("total", {"data": [1]})
        await other.result(10)
        wanted = [job.id for job in jobs[-3:]] + [other.id]

        async def done() -> bool:
            return await left(client) == wanted

        await until(done)
        with pytest.raises(JobNotFound, match="or not any more"):
            await jobs[0].info()


async def test_old_ones_go_where_nothing_is_declared_as_the_hub_says(url: str) -> None:
    async with hub_on(url, Keep(jobs=2, seconds=3600.0)) as (address, client), working(address, app_of()):
        jobs = await notes(client, 5)

        async def done() -> bool:
            return await left(client) == [job.id for job in jobs[-2:]]

        await until(done)
    async with hub_on(url, Keep(jobs=0, seconds=0.01)) as (_, client):

        async def none() -> bool:
            return not await left(client)

        await until(none)


async def test_what_was_declared_holds_at_a_hub_that_has_seen_no_worker(url: str) -> None:
    async with hub_on(url) as (address, client), working(address, app_of(keep=0, keep_for=0)):
        kept = await notes(client, 3)
        short = await client.submit("total", {"data": [1]})
        await short.result(10)
    async with hub_on(url, Keep(jobs=1, seconds=0.01)) as (_, client):

        async def gone() -> bool:
            return short.id not in await left(client)

        await until(gone)  # the hub has pruned by its own default what declared nothing
        assert await left(client) == [job.id for job in kept]


async def test_another_declaration_holds_from_then_on(url: str) -> None:
    async with hub_on(url) as (address, client):
        async with working(address, app_of(keep=5)):
            jobs = await notes(client, 5)
        async with working(address, app_of(keep=2)):

            async def done() -> bool:
                return await left(client) == [job.id for job in jobs[-2:]]

            await until(done)


async def test_what_is_needed_is_kept(url: str) -> None:
    async with hub_on(url) as (address, client), working(address, app_of(keep_for=0.01)):
        keyed = (await notes(client, 1, idempotency_key="k"))[0]
        parent = await client.submit("count", {"n": 3})
        child = await client.submit("total", inputs={"data": parent}, delay=3600)
        gone = (await notes(client, 1))[0]

        async def done() -> bool:
            return gone.id not in await left(client)

        await until(done)
        assert {keyed.id, parent.id, child.id} == set(await left(client))
        await child.cancel()

        async def parent_gone() -> bool:
            return parent.id not in await left(client)

        await until(parent_gone)


async def test_the_last_job_of_a_schedule_may_be_gone(url: str) -> None:
    app = App()
    ran: list[str] = []

    @app.handler(schedule="* * * * * *", keep_for=0.01)
    async def tick(ctx: Context) -> None:
        ran.append(ctx.job_id)

    async with hub_on(url) as (address, client), working(address, app):

        async def fired() -> bool:
            return len(set(ran)) >= 3 and ran[0] not in await left(client)

        await until(fired)
        (one,) = await client.schedules()
        assert one.fired >= 3


async def test_a_running_jobs_log_is_cut_and_its_watchers_go_on(url: str) -> None:
    gate = asyncio.Event()
    async with hub_on(url) as (address, client), working(address, app_of(gate, keep_log=10)):
        job = await client.submit("talk", {"n": 300})
        follower = asyncio.ensure_future(anext_of(job))
        async for entry in job.kept():
            if entry.event.progress and entry.event.progress.message == "all is said":
                break
        await until(lambda: cut(job, 10))
        first = (await job.info()).first
        for offset in (0, first - 1):
            with pytest.raises(LogPruned, match=f"begins at offset {first} by now") as caught:
                await anext(job.watch(offset))
            assert (caught.value.first, caught.value.details["job"]) == (first, job.id)
        assert (await anext(job.watch(first))).offset == first
        assert (await anext(job.kept())).offset == first
        waits = asyncio.ensure_future(ends_at(job, (await job.info()).entries + 10))
        gate.set()
        assert await job.result(20) == 300
        assert await job.result(20, progress=lambda _: None) == 300
        assert await waits is None  # past the end: it waited, and ended with the job
        assert await ends_at(job, 100_000) is None
        assert (await follower).event.kind is Kind.SUCCEEDED
        await until(lambda: cut(job, 10))


async def anext_of(job: Job) -> Any:
    """The last entry, by one that keeps up or says where to go on."""
    last = None
    async for entry in job.kept():
        last = entry
    return last


async def ends_at(job: Job, offset: int) -> Any:
    """What a watch from this offset gives first; None where it only ends."""
    async for entry in job.watch(offset):
        return entry
    return None


async def test_a_result_whose_chunks_are_cut_is_never_short(url: str) -> None:
    async with hub_on(url) as (address, client), working(address, app_of(keep_log=50)):
        job = await client.submit("count", {"n": 400})
        child = await client.submit("total", inputs={"data": job}, delay=1.0)
        await until(lambda: cut(job, 50))
        for how in (job.result(10), job.result(10, progress=lambda _: None), job.progress()):
            with pytest.raises(LogPruned, match="is not whole any more"):
                await how
        with pytest.raises(LogPruned, match=job.id):
            await child.result(20)
        whole = await client.submit("count", {"n": 10})
        assert await whole.result(10) == list(range(10))


async def test_two_hubs_prune_one_store(url: str) -> None:
    if url.startswith("sqlite"):
        pytest.skip("one hub at a time has such a store")
    async with hub_on(url) as (address, client), hub_on(url) as (_, other), working(address, app_of(keep=20)):
        for _ in range(400):
            await client.submit("note")

        async def done() -> bool:
            return await left(client) == await left(other) and len(await left(other)) == 20

        await until(done)
        more = await notes(client, 1)
        assert await more[0].result(10) == ""


async def test_writers_wait_for_short_steps_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """50,000 old jobs and a log of 20,000 entries are deleted in many transactions, and none changes many rows."""
    monkeypatch.setattr(pruning, "LOOK_EVERY", 0.05)
    monkeypatch.setattr(pruning, "REST", 0.0)
    path = tmp_path / "farhand.db"
    await SqliteStore(path).close()
    fill(path, 50_000, 20_000)
    store = SqliteStore(path)
    changed: list[int] = []

    def count(db: Any, work: Callable[[Any], Any]) -> Any:
        before = db.total_changes()
        found = work(db)
        changed.append(db.total_changes() - before)
        return found

    run = store._writer.run
    monkeypatch.setattr(store._writer, "run", lambda work: run(lambda db: count(db, work)))
    async with await serve_hub(store=store, keep=Keep(jobs=1, seconds=0.0)) as hub, AsyncClient(hub.address) as client:
        submitted = 0

        async def done() -> bool:
            nonlocal submitted
            await client.submit("note")
            submitted += 1
            return [job.id for job in await client.jobs(handler="old", limit=2)] == ["050000"]

        await until(done)
        assert [job.id for job in await client.jobs(handler="old")] == ["050000"]
    print(f"{len(changed):,} steps of at most {max(changed):,} rows; {submitted} submits meanwhile")
    assert len(changed) > 50
    assert max(changed) <= 1_000 * 3
    assert submitted > 5


def fill(path: Path, count: int, entries: int) -> None:
    """Put ended jobs of a handler into a closed store's file; the first has a long log."""
    import apsw
    import msgspec

    from farhand.model.durable import DurableJob
    from farhand.model.event import Event

    end = msgspec.msgpack.encode(Event(Kind.SUCCEEDED))

    def body(id: str) -> bytes:
        return msgspec.msgpack.encode(DurableJob(id=id, handler="old", created=1.0, run_at=1.0))

    db = apsw.Connection(str(path))
    with db:
        db.executemany(
            "INSERT INTO jobs (id, state, grp, handler, labels, schedule, priority, run_at, begin_by, end_by, entries,"
            " ended, job, last) VALUES (?, 'succeeded', 'default', 'old', '{}', '', 0, 1, 9e999, 9e999, ?, ?, ?, ?)",
            ((f"{n:06d}", entries if n == 1 else 1, float(n), body(f"{n:06d}"), end) for n in range(1, count + 1)),
        )
        db.executemany(
            "INSERT INTO log (job, place, at, number, event) VALUES (?, ?, 1, 0, ?)",
            ((f"{n:06d}", place, end) for n in range(1, count + 1) for place in range(entries if n == 1 else 1)),
        )
    db.close()
