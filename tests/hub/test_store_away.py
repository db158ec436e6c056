"""A store that is full or gone: what is new is refused, what runs goes on, nothing is lost or doubled."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from farhand.assembly import open_store, serve_hub
from farhand.client import AsyncClient
from farhand.client.jobs import Job
from farhand.engines.sqlite.store import SqliteStore
from farhand.errors import Unavailable
from farhand.hub import chores
from farhand.model.durable import Entry
from farhand.model.event import Kind
from tests.conftest import working
from tests.engines.postgres import URL, admin, schema, url_of
from tests.hub.processes import until

__all__ = ["admin", "schema"]


class Line:
    """A TCP line to the database that can be cut and mended."""

    def __init__(self) -> None:
        there = urlsplit(URL)
        self._there = (there.hostname or "127.0.0.1", there.port or 5432)
        self._port = 0
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self.deaf = False
        """Whether what is asked is done, and the answer lost with its connection."""
        self.unheard = 0

    async def mend(self) -> None:
        """Let connections through."""
        self._server = await asyncio.start_server(self._carry, "127.0.0.1", self._port)
        self._port = self._server.sockets[0].getsockname()[1]

    def cut(self) -> None:
        """End those there are, and refuse new ones."""
        assert self._server is not None
        self._server.close()
        for writer in self._writers:
            writer.transport.abort()

    def url(self, schema: str) -> str:
        """The store's URL by this line."""
        host, port = self._there
        return url_of(schema).replace(f"{host}:{port}", f"127.0.0.1:{self._port}")

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there_reader, there_writer = await asyncio.open_connection(*self._there)
        ends = {writer, there_writer}
        self._writers |= ends
        try:
            await asyncio.gather(self._copy(reader, there_writer, True), self._copy(there_reader, writer, False))
        finally:
            self._writers -= ends
            for end in ends:
                end.transport.abort()

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, asks: bool) -> None:
        with suppress(OSError):
            while data := await reader.read(65536):
                if self.deaf and not asks:
                    self.unheard += 1
                    break
                writer.write(data)
                await writer.drain()
        writer.transport.abort()


@pytest.fixture
async def line() -> AsyncIterator[Line]:
    line = Line()
    await line.mend()
    yield line
    line.cut()


@asynccontextmanager
async def serving(url: str, lease: float = 30.0) -> AsyncIterator[tuple[AsyncClient, Any]]:
    """A client of a hub with a worker, and its store."""
    store = await open_store(url)
    async with (
        await serve_hub(store=store, lease=lease) as hub,
        AsyncClient(hub.address, connect_timeout=5.0) as client,
        working(hub.address, id="w", slots=16),
    ):
        yield client, store


async def is_running(job: Job) -> bool:
    return await job.status() == "running"


async def refused(client: AsyncClient) -> bool:
    try:
        await client.submit("add", {"a": 1, "b": 1})
    except Unavailable as error:
        return error.retryable
    return False


def chunks(log: list[Entry]) -> list[int]:
    """The numbers of the last attempt's chunks, of a log without gap."""
    assert [entry.offset for entry in log] == list(range(len(log)))
    last = max(n for n, entry in enumerate(log) if entry.event.kind is Kind.STARTED)
    return [entry.number for entry in log[last:] if entry.event.kind is Kind.CHUNK]


async def log_of(job: Job) -> list[Entry]:
    return [entry async for entry in job.watch()]


async def _goes_on(client: AsyncClient, folder: Path, away: Any, back: Any) -> None:
    """What runs while the store is away is all there afterwards."""
    gate = folder / "gate"
    ending = await client.submit("chunks_after", {"path": str(gate), "count": 50})
    going_on = await client.submit("sleep")
    await until(lambda: is_running(ending))
    await until(lambda: is_running(going_on))
    await away()
    assert await refused(client)
    gate.touch()

    async def one_has_ended() -> bool:
        return (await client.hub()).running == 1

    await until(one_has_ended)
    assert await refused(client)
    await back()
    log = await log_of(ending)
    assert chunks(log) == list(range(1, 51))
    assert [entry.event.kind for entry in log if entry.event.kind.final] == [Kind.SUCCEEDED]
    assert (await ending.info()).attempt == 1
    later = await client.submit("add", {"a": 1, "b": 1})
    assert await later.result(20) == 2
    assert await is_running(going_on)
    assert (await going_on.cancel()).outcome == "stopped"


async def test_what_runs_while_the_database_is_gone_is_kept_when_it_is_back(
    schema: str, line: Line, tmp_path: Path
) -> None:
    async def cut() -> None:
        line.cut()

    async with serving(line.url(schema)) as (client, _):
        await _goes_on(client, tmp_path, cut, line.mend)


async def test_what_runs_while_the_disk_is_full_is_kept_when_there_is_room(tmp_path: Path) -> None:
    async with serving(f"sqlite:///{tmp_path}/farhand.db") as (client, store):
        assert isinstance(store, SqliteStore)

        async def fill() -> None:
            await store._writer.run(lambda db: db.pragma("max_page_count", db.pragma("page_count")))
            while not await refused(client):
                pass
            with pytest.raises(Unavailable, match=r"is full .* make room"):
                await client.submit("add", {"a": 1, "b": 1})

        async def empty() -> None:
            await store._writer.run(lambda db: db.pragma("max_page_count", 2**30))

        await _goes_on(client, tmp_path, fill, empty)


@pytest.mark.timeout(120)
async def test_connections_that_are_cut_again_and_again_lose_and_double_nothing(
    admin: Any, schema: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chores, "LOOK_EVERY", 0.1)
    kill = "select pg_terminate_backend(pid) from pg_stat_activity where application_name = $1"
    url = url_of(schema, application_name=schema)
    async with serving(url) as (client, _):
        jobs: list[Job] = []

        async def submit(number: int) -> None:
            key = f"job {number}"
            while True:
                with suppress(Unavailable):
                    jobs.append(await client.submit("chunks_slowly", {"count": 20}, idempotency_key=key, backoff=0.1))
                    return

        submitting = asyncio.gather(*[submit(n) for n in range(100)])
        cuts = 0
        while not submitting.done() or await _left(client):
            if cuts < 300:
                cuts += len(await admin.fetch(kill, schema))
            await asyncio.sleep(0.05)
        await submitting
        assert len({job.id for job in jobs}) == 100
        logs = await asyncio.gather(*[log_of(job) for job in jobs])
        for log in logs:
            assert chunks(log) == list(range(1, 21))
            assert [entry.event.kind for entry in log if entry.event.kind.final] == [Kind.SUCCEEDED]
        assert cuts > 50
        print(f"0 of {len(jobs)} jobs lost or ended twice, 0 of {20 * len(jobs)} chunks lost or doubled, {cuts} cuts")


async def test_what_was_written_though_its_answer_was_lost_is_not_written_twice(schema: str, line: Line) -> None:
    async with serving(line.url(schema)) as (client, _):
        jobs = [await client.submit("chunks_slowly", {"count": 150}) for _ in range(8)]

        async def all_run() -> bool:
            return len(await client.jobs(status="running")) == len(jobs)

        await until(all_run)
        lost = 0
        while await _left(client):
            line.deaf, line.unheard = True, 0
            while not line.unheard:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
            line.deaf, lost = False, lost + line.unheard
            await asyncio.sleep(0.05)
        for job in jobs:
            log = await log_of(job)
            assert chunks(log) == list(range(1, 151))
            assert (await job.info()).attempt == 1
        assert lost > 4


async def _left(client: AsyncClient) -> bool:
    try:
        return bool(await client.jobs(status=["queued", "assigned", "running"], limit=1))
    except Unavailable:
        return True


async def test_a_lease_that_runs_out_while_the_database_is_gone_is_given_up(
    schema: str, line: Line, tmp_path: Path
) -> None:
    async with serving(line.url(schema), lease=1.0) as (client, _):
        job = await client.submit(
            "chunks_after", {"path": str(tmp_path / "gate"), "count": 3, "then": 60.0}, backoff=0.1
        )
        await until(lambda: is_running(job))
        line.cut()
        (tmp_path / "gate").touch()

        async def is_stopped() -> bool:
            return (await client.hub()).running == 0

        await until(is_stopped)
        await line.mend()

        async def runs_again() -> bool:
            info = await job.info()
            return info.attempt == 2 and info.status == "running"

        await until(runs_again)
        assert (await job.cancel()).outcome == "stopped"


async def test_a_hub_can_stop_while_its_database_is_gone(schema: str, line: Line, tmp_path: Path) -> None:
    async with asyncio.timeout(20):
        async with serving(line.url(schema)) as (client, _):
            job = await client.submit("sleep")
            await until(lambda: is_running(job))
            line.cut()
