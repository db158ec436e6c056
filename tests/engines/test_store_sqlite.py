"""The SQLite engine passes the suite of all stores, and keeps what it acknowledged."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import apsw
import pytest

from farhand.engines.sqlite.connection import Owner
from farhand.engines.sqlite.sql import queries
from farhand.engines.sqlite.store import SqliteStore
from farhand.errors import Unavailable
from farhand.model.durable import Said
from farhand.model.event import Event, Kind
from farhand.model.payload import Payload
from farhand.model.state import State
from farhand.ports.store import Filter, Store
from farhand.testing.conformance.store import StoreConformance, bring, end, job, prune


class TestSqliteStore(StoreConformance):
    """All of it."""

    @pytest.fixture
    async def store(self, tmp_path: Path) -> AsyncIterator[Store]:
        """An empty one."""
        store = SqliteStore(tmp_path / "farhand.db")
        yield store
        await store.close()


async def test_what_was_acknowledged_is_there_when_it_is_opened_again(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "farhand.db")
    for state in State:
        await bring(store, state, state)
    kept = {one.job.id: (one, await store.read(one.job.id, 0, 100)) for one in await store.find(Filter(limit=100))}
    await store.close()
    store = SqliteStore(tmp_path / "farhand.db")
    for id, before in kept.items():
        assert (await store.get(id), await store.read(id, 0, 100)) == before
    await store.close()
    with pytest.raises(Unavailable, match="closed"):
        await store.add(job("late"), 2.0)


async def test_a_file_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "farhand.db"
    await SqliteStore(path).close()
    newer = apsw.Connection(str(path))
    newer.execute("INSERT INTO farhand_schema (version) VALUES (999)")
    newer.close()
    with pytest.raises(Unavailable, match="schema version 999") as caught:
        SqliteStore(path)
    assert not caught.value.retryable


def test_what_is_no_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "farhand.db"
    path.write_bytes(b"this is a text and no database at all, and long enough to see it " * 20)
    refused(path)


async def a_store(path: Path) -> None:
    store = SqliteStore(path)
    for n in range(200):
        await bring(store, f"{n}", State.SUCCEEDED)
    await store.close()


async def test_a_damaged_file_is_refused_and_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "farhand.db"
    await a_store(path)
    whole = path.read_bytes()
    for damaged in (
        whole[: len(whole) // 2],
        whole[:100] + b"\xff" * 4000 + whole[4100:],
        whole[:40_000] + b"\xff" * 8192 + whole[48_192:],
        b"",
    ):
        path.write_bytes(damaged)
        if damaged:
            refused(path)
    await SqliteStore(path).close()  # an empty file is a store without jobs


def refused(path: Path) -> None:
    before = path.read_bytes()
    with pytest.raises(Unavailable, match="nothing was touched: put a backup in its place") as caught:
        SqliteStore(path)
    assert not caught.value.retryable
    assert path.read_bytes() == before


async def test_every_commit_is_on_the_disk(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "farhand.db")
    settings = await store._writer.run(lambda db: (db.pragma("synchronous"), db.pragma("journal_mode")))
    assert settings == (2, "wal")
    await store.close()


async def test_of_works_in_one_commit_the_one_that_fails_half_way_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "one.db"
    await SqliteStore(path).close()
    owner, gate = Owner(path, writes=True), threading.Event()

    def add(key: str, *, fails: bool) -> Callable[[apsw.Connection], str]:
        def work(db: apsw.Connection) -> str:
            db.execute("INSERT INTO keys (key, job, until) VALUES (?, '', 0)", (key,))
            if fails:
                raise Unavailable("half way")
            return key

        return work

    held = asyncio.ensure_future(owner.run(lambda _: gate.wait()))
    works = [add("a", fails=False), add("b", fails=True), add("c", fails=False), add("a", fails=False)]
    answers = asyncio.gather(*[owner.run(work) for work in works], return_exceptions=True)
    await asyncio.sleep(0)  # they wait together now
    gate.set()
    await held
    a, b, c, twice = await answers
    assert (a, c) == ("a", "c")
    assert str(b) == "half way"
    assert isinstance(twice, Unavailable)
    assert await owner.run(lambda db: db.execute("SELECT key FROM keys ORDER BY key").fetchall()) == [("a",), ("c",)]
    await asyncio.to_thread(owner.close)


async def test_nothing_is_scanned_where_nothing_is_to_be_pruned(tmp_path: Path) -> None:
    """The plans enter an index; only a count of what is kept walks it."""
    store = SqliteStore(tmp_path / "farhand.db")
    plans: dict[str, str] = {}
    for name, count in (("history", 0), ("surplus", 2), ("prunable", 7), ("prunable_now", 2), ("drop_log", 1)):
        text, given = f"EXPLAIN QUERY PLAN {queries()[name]}", ("x",) * count

        def plan(db: apsw.Connection, text: str = text, given: tuple[str, ...] = given) -> str:
            return "\n".join(str(row[3]) for row in db.execute(text, given))

        plans[name] = await store._reader.run(plan)
    await store.close()
    assert "SCAN" not in plans["prunable"] + plans["prunable_now"] + plans["surplus"] + plans["drop_log"], plans
    assert "COVERING INDEX jobs_ended (handler=? AND ended>? AND ended<?)" in plans["prunable"], plans
    assert "USE TEMP B-TREE" not in "".join(plans.values()), plans
    assert "SCAN jobs USING COVERING INDEX jobs_ended" in plans["history"], plans  # its first entry only
    assert plans["history"].count("SCAN jobs") == 1, plans


async def test_the_file_does_not_grow_under_a_steady_load(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "farhand.db")
    await store._writer.run(lambda db: None)
    store._writer._connection.pragma("synchronous", "off")
    pages: list[int] = []
    for turn in range(12):
        for n in range(60):
            big = Said(Event(Kind.CHUNK, Payload(b"x" * 20_000, 1)), 1)
            await end(store, job(f"{turn:02d}-{n:02d}"), float(turn * 100 + n), big)
        while (surplus := await store.surplus("f", 100)) is not None:
            await prune(store, surplus)
        pages.append(await store._writer.run(lambda db: db.pragma("page_count")))
    await store.close()
    print(f"pages: {pages}")
    assert max(pages[4:]) <= 1.05 * max(pages[:4])
