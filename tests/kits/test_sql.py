"""sql.query and sql.tables through a hub: streamed, held back by a slow reader, cancelled, in Python and in JSON."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from farhand.assembly import build_worker, serve_hub
from farhand.client import AsyncClient
from farhand.errors import Cancelled, DeadlineExceeded, HandlerFailed, InvalidArguments
from farhand.kits.sql import sql_app
from farhand.worker.app import App
from farhand.worker.worker import WorkerOptions
from tests.conftest import Eventually
from tests.sql.conftest import mysql, place, places, postgres, sqlite
from tests.sql.places import ITEMS, Place

__all__ = ["mysql", "place", "places", "postgres", "sqlite"]
LONG = {
    "postgresql": "select pg_sleep(60), 'looong'",
    "mysql": "select sleep(60), 'looong'",
}


@asynccontextmanager
async def asking(app: App, slots: int = 4) -> AsyncIterator[AsyncClient]:
    """A hub, a worker that serves this app, and a client."""
    ready, loop = asyncio.Event(), asyncio.get_running_loop()
    async with await serve_hub() as hub:
        worker = build_worker(app, WorkerOptions(hub=hub.address, slots=slots), lambda id: _set(loop, ready))
        running = asyncio.ensure_future(worker.run(grace=1.0))
        try:
            async with asyncio.timeout(20):
                await ready.wait()
            async with AsyncClient(hub.address, connect_timeout=5.0) as client:
                yield client
        finally:
            worker.stop()
            await running


def _set(loop: asyncio.AbstractEventLoop, event: asyncio.Event) -> None:
    loop.call_soon_threadsafe(event.set)


@pytest.fixture
async def client(place: Place) -> AsyncIterator[AsyncClient]:
    async with asking(sql_app({"here": place.url})) as found:
        yield found


async def test_a_query_streams_columns_then_rows_then_a_count(client: AsyncClient) -> None:
    running = client.stream("sql.query", {"query": "select id, name from items order by id"})
    columns, rows = [chunk async for chunk in _each(running)]
    assert [one["name"] for one in columns["columns"]] == ["id", "name"]
    assert set(columns["columns"][0]) == {"name", "type", "size", "scale"}
    assert rows == {"rows": [list(row) for row in ITEMS]}
    assert running.result == {"rows": 3, "truncated": False}


async def _each(running: Any) -> AsyncIterator[Any]:
    while True:
        try:
            yield await anext(running)
        except StopAsyncIteration:
            return


async def test_tables_are_listed(client: AsyncClient) -> None:
    found = await client.run("sql.tables", {"database": "here"})
    assert "items" in [one["name"] for one in found]


async def test_what_is_refused_is_a_failure_with_its_reason(client: AsyncClient) -> None:
    with pytest.raises(HandlerFailed, match="begins with delete") as refused:
        async for _ in client.stream("sql.query", {"query": "delete from items"}):
            pass
    assert refused.value.type == "farhand.sql.errors.QueryRefused"


@pytest.mark.parametrize(
    "args", [{}, {"query": 1}, {"query": "select 1", "params": 1}, {"query": "select 1", "more": 1}]
)
async def test_arguments_that_dont_fit_are_told(client: AsyncClient, args: dict[str, Any]) -> None:
    with pytest.raises(InvalidArguments):
        await client.run("sql.query", args)


async def test_a_wide_row_passes(postgres: Place) -> None:
    async with asking(sql_app({"here": postgres.url})) as client:
        rows = [
            chunk async for chunk in client.stream("sql.query", {"query": "select repeat('x', 3000000) as a, 1 as b"})
        ]
    assert [len(rows[1]["rows"][0][0]), rows[1]["rows"][0][1]] == [3_000_000, 1]


@pytest.mark.parametrize("kind", ["postgresql", "mysql"])
async def test_leaving_ends_the_statement_at_the_server(
    places: dict[str, Place], kind: str, eventually: Eventually
) -> None:
    place = places[kind]

    async def runs(count: int) -> bool:
        return await asyncio.to_thread(place.running, "looong") == count

    async with asking(sql_app({"here": place.url}), slots=1) as client:
        running = client.stream("sql.query", {"query": LONG[kind]})
        waiting = asyncio.ensure_future(anext(running))
        await eventually(lambda: runs(1))
        receipt = await running.cancel()
        assert receipt.outcome == "stopped"
        with pytest.raises(Cancelled):
            await waiting
        await eventually(lambda: runs(0))
        assert await client.run("sql.tables", {}) is not None  # the slot is free again


@pytest.mark.parametrize("kind", ["postgresql", "mysql"])
async def test_a_deadline_ends_the_statement_at_the_server(
    places: dict[str, Place], kind: str, eventually: Eventually
) -> None:
    place = places[kind]

    async def is_over() -> bool:
        return await asyncio.to_thread(place.running, "looong") == 0

    async with asking(sql_app({"here": place.url}), slots=1) as client:
        with pytest.raises(DeadlineExceeded):
            async for _ in client.stream("sql.query", {"query": LONG[kind]}, timeout=0.5):
                pass
        await eventually(is_over)


async def test_a_slow_reader_holds_the_query_back(postgres: Place, eventually: Eventually) -> None:
    query = "select generate_series(1, 3000000), repeat('x', 100)"

    async def waits() -> bool:
        found = await asyncio.to_thread(
            postgres.do, "select 1 from pg_stat_activity where state = 'idle in transaction' and query like 'FETCH%'"
        )
        return bool(found)

    async with asking(sql_app({"here": postgres.url})) as client:
        running = client.stream("sql.query", {"query": query})
        await anext(running)
        await eventually(waits)
        taken = 0
        with contextlib.suppress(StopAsyncIteration):
            for _ in range(20):
                taken += len((await anext(running))["rows"])
        assert 0 < taken < 3_000_000
        await running.cancel()


async def test_it_goes_into_an_app_of_ones_own(sqlite: Place) -> None:
    app = App()

    @app.handler
    def add(a: int, b: int) -> int:
        return a + b

    app.include(sql_app({"here": sqlite.url}))
    async with asking(app) as client:
        assert await client.run("add", {"a": 1, "b": 2}) == 3
        assert [chunk async for chunk in client.stream("sql.query", {"query": "select 1"})][1] == {"rows": [[1]]}
