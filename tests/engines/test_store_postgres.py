"""The PostgreSQL engine passes the suite of all stores, is shared by several hubs, and gets over lost connections."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from farhand.core.lifecycle import Move
from farhand.engines.memory.store import MemoryStore
from farhand.engines.postgres.database import Database
from farhand.engines.postgres.sql import migrations
from farhand.engines.postgres.store import PostgresStore
from farhand.errors import InvalidArguments, JobNotFound, Unavailable
from farhand.model.state import State
from farhand.ports.store import Filter, Lease, Mark, Schedule, Store
from farhand.testing.conformance.store import DONE, FAILED, TEXT, StoreConformance, bring, claim, ids, job, move, prune
from tests.engines.postgres import URL, admin, schema
from tests.engines.test_store_model import Asker, all_of, ask
from tests.sizes import reliability, size
from tests.tallies import Tally

__all__ = ["admin", "schema"]


class TestPostgresStore(StoreConformance):
    """All of it."""

    @pytest.fixture
    async def store(self, schema: str) -> AsyncIterator[Store]:
        """An empty one."""
        store = await PostgresStore.open(URL, schema=schema)
        yield store
        await store.close()


@asynccontextmanager
async def hubs(schema: str) -> AsyncIterator[tuple[PostgresStore, PostgresStore]]:
    """Two stores on one schema, opened at once."""
    one, other = await asyncio.gather(*[PostgresStore.open(URL, schema=schema) for _ in range(2)])
    try:
        yield one, other
    finally:
        await asyncio.gather(one.close(), other.close())


async def test_two_hubs_never_claim_a_job_twice(schema: str) -> None:
    count = 4_000
    async with hubs(schema) as stores:
        await asyncio.gather(*[stores[n % 2].add(job(f"{n:05d}"), 2.0) for n in range(count)])
        taken: list[str] = []

        async def work(store: PostgresStore) -> None:
            while claimed := await store.claim(claim(7), 3.0):
                taken.extend(ids(claimed))

        await asyncio.gather(*[work(store) for store in stores for _ in range(8)])
        assert sorted(taken) == [f"{n:05d}" for n in range(count)]


async def test_of_two_hubs_that_end_a_job_one_does(schema: str) -> None:
    async with hubs(schema) as (one, other):
        for n in range(100):
            await one.add(job(f"{n}", cache_key=f"{n}" if n % 2 else ""), 2.0)
        await one.claim(claim(1000), 3.0)
        ends = [
            asyncio.gather(
                one.change(move(f"{n}", Move.SUCCEED, State.SUCCEEDED, DONE, epoch=1), 4.0),
                other.change(move(f"{n}", Move.FAIL, State.FAILED, FAILED, epoch=1), 4.0),
            )
            for n in range(100)
        ]
        for winner, loser in await asyncio.gather(*ends):
            assert (winner is None) is not (loser is None)
        for n in range(100):
            assert [entry.event.kind.final for entry in await one.read(f"{n}", 0, 9)] == [False, True]


async def test_of_many_hubs_that_fire_one_does(schema: str) -> None:
    async with hubs(schema) as stores:
        await stores[0].put_schedule(Schedule(name="s", handler="f", group="default", cron="* * * * *", next_at=1.0))
        for round in range(20):
            fired = await asyncio.gather(
                *[stores[n % 2].fire("s", round, 2.0 + round, job(f"{round}-{n}"), 2.0) for n in range(8)]
            )
            assert sum(fired) == 1
        assert len(await stores[0].find(Filter(limit=1000))) == 20


async def test_of_many_hubs_that_submit_one_key_one_does(schema: str) -> None:
    async with hubs(schema) as stores:
        for round in range(20):
            key = "key" if round % 2 else "cache_key"
            more: dict[str, Any] = {key: f"{round}", "key_until": 100.0}
            added = await asyncio.gather(*[stores[n % 2].add(job(f"{round}-{n}", **more), 2.0) for n in range(8)])
            assert [one.how for one in added].count("new") == 1
            assert len({one.kept.job.id for one in added}) == 1
        assert len(await stores[0].find(Filter(limit=1000))) == 20


async def test_children_of_parents_that_end_at_once_begin_once(schema: str) -> None:
    count = 60
    async with hubs(schema) as stores:
        for n in range(count):
            for parent in "pq":
                await stores[0].add(job(f"{parent}{n}"), 2.0)
        await stores[0].claim(claim(1000), 3.0)
        done = (
            stores[n % 2].change(move(f"{parent}{n}", Move.SUCCEED, State.SUCCEEDED, DONE), 4.0)
            for n in range(count)
            for parent in "pq"
        )
        children = (stores[1].add(job(f"c{n}", after=(f"p{n}", f"q{n}")), 4.0) for n in range(count))
        await asyncio.gather(*children, *done)
        assert sorted(ids(await stores[0].claim(claim(1000), 5.0))) == sorted(f"c{n}" for n in range(count))


async def test_hubs_that_open_at_once_make_one_schema(admin: Any, schema: str) -> None:
    stores = await asyncio.gather(*[PostgresStore.open(URL, schema=schema, connections=2) for _ in range(6)])
    assert await admin.fetchval(f"select count(*) from {schema}.versions") == len(migrations())
    await asyncio.gather(*[store.close() for store in stores])


async def test_a_newer_schema_is_refused_and_not_touched(admin: Any, schema: str) -> None:
    await (await PostgresStore.open(URL, schema=schema)).close()
    await admin.execute(f"insert into {schema}.versions (number, name) values (999, 'of tomorrow')")
    with pytest.raises(Unavailable, match="schema version 999") as caught:
        await PostgresStore.open(URL, schema=schema)
    assert not caught.value.retryable


async def test_a_name_that_is_none_is_refused() -> None:
    with pytest.raises(InvalidArguments, match="schema"):
        await PostgresStore.open(URL, schema='a"; drop schema public')


async def test_a_server_that_is_not_there_is_unavailable() -> None:
    with pytest.raises(Unavailable, match="PostgreSQL"):
        await PostgresStore.open("postgresql://postgres@127.0.0.1:1/postgres")


async def test_a_killed_connection_is_a_retryable_error_and_the_pool_recovers(admin: Any, schema: str) -> None:
    store = await PostgresStore.open(URL, schema=schema, connections=2)
    await admin.execute(f"set search_path to {schema}")
    async with admin.transaction():
        await admin.execute("lock table live in access exclusive mode")
        waiting = [asyncio.create_task(store.add(job(f"{n}"), 2.0)) for n in range(5)]
        blocked = "select pid from pg_stat_activity where pg_backend_pid() = any(pg_blocking_pids(pid))"
        while not (pids := [row["pid"] for row in await admin.fetch(blocked)]):
            pass
        for pid in pids:
            await admin.execute("select pg_terminate_backend($1)", pid)
        results = await asyncio.gather(*waiting, return_exceptions=True)
    assert all(isinstance(one, Unavailable) and one.retryable for one in results), results
    assert len({id(one) for one in results}) == 5
    assert (await store.add(job("after"), 2.0)).how == "new"
    assert ids(await store.find(Filter())) == ["after"]
    await store.close()
    with pytest.raises(Unavailable):
        await store.add(job("late"), 2.0)


async def test_what_postgres_cannot_keep_harms_none_that_came_with_it(schema: str) -> None:
    async with hubs(schema) as (store, _):
        adding = [store.add(job(f"{n}" if n % 2 else f"\x00{n}"), 2.0) for n in range(10)]
        results = await asyncio.gather(*adding, return_exceptions=True)
        assert [isinstance(one, InvalidArguments) for one in results] == [n % 2 == 0 for n in range(10)]
        assert len(await store.find(Filter())) == 5


async def test_its_clock_is_the_servers_and_never_goes_back(schema: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with hubs(schema) as stores:
        assert abs(stores[0].now() - stores[1].now()) < 0.1
        database = stores[0]._database
        ahead = database.now() + 1000
        monkeypatch.setattr(database, "_offset", database._offset + 1000)
        assert database.now() >= ahead
        await database.set_clock()
        assert database.now() >= ahead
        assert stores[1].now() < ahead


async def test_claims_do_not_wait_for_each_other_and_pass_over_what_is_locked(admin: Any, schema: str) -> None:
    async with hubs(schema) as (store, _):
        for id in "abc":
            await store.add(job(id), 2.0)
        async with admin.transaction():
            await admin.execute(f"select from {schema}.live where id = 'a' for update")
            assert ids(await store.claim(claim(1), 3.0)) == ["b"]
        assert ids(await store.claim(claim(), 3.0)) == ["a", "c"]


async def test_synchronous_commit_is_on(schema: str) -> None:
    database = await Database.open(URL, schema, 1)
    async with database.connection() as connection:
        assert await connection.fetchval("show synchronous_commit") == "on"
    await database.close()


async def test_starts_and_renewals_stay_in_their_page(admin: Any, schema: str) -> None:
    async with hubs(schema) as (store, _):
        for n in range(50):
            await bring(store, f"{n}", State.RUNNING)
        assert await store.renew([Lease(f"{n}", 1) for n in range(50)], 9.0) == [True] * 50
        for n in range(50):
            await store.append(Lease(f"{n}", 1), [TEXT], 5.0)
    sql = "select n_tup_upd, n_tup_hot_upd from pg_stat_user_tables where schemaname = $1 and relname = 'live'"
    row = await admin.fetchrow(sql, schema)
    assert row["n_tup_upd"] == 200
    assert row["n_tup_hot_upd"] == 150


async def test_parents_and_children_are_pruned_in_turn(schema: str) -> None:
    async with hubs(schema) as (store, _):
        await store.add(job("p"), 2.0)
        await store.add(job("q", run_at=1e9), 2.0)
        await store.add(job("c", after=("p", "q")), 2.0)
        await store.claim(claim(), 3.0)
        await store.change(move("p", Move.SUCCEED, State.SUCCEEDED, DONE), 4.0)
        assert (await prune(store, Mark(1e8))).jobs == 0
        await store.change(move("c", Move.STOP, State.CANCELLED, FAILED), 5.0)
        assert (await prune(store, Mark(1e9))).jobs == 2
        with pytest.raises(JobNotFound):
            await store.add(job("d", after=("p",)), 6.0)


class TimedStore(PostgresStore):
    """One whose clock is set."""

    time = 1.0

    def now(self) -> float:
        """The time set."""
        return self.time


async def play(store: TimedStore, seed: int, steps: int) -> None:
    """Ask the memory engine and this one the same."""
    asker = Asker(seed)
    memory = MemoryStore(lambda: asker.now)
    for each in (memory, store):
        await each.put_schedule(
            Schedule(name="s", handler="f", group="default", cron="* * * * *", next_at=5.0),
        )
    for step in range(steps):
        verb, given = asker.next()
        store.time = asker.now
        expected, found = [await ask(each, verb, given, asker.now) for each in (memory, store)]
        assert found == expected, f"seed {seed}, step {step}: {verb} {given}"
        if step % 40 == 0 or step == steps - 1:
            assert await all_of(store, asker.now) == await all_of(memory, asker.now), f"seed {seed}, step {step}"


@reliability("R9_POSTGRES", 120)
async def test_it_answers_as_the_memory_engine_does(admin: Any, schema: str, tally: Tally) -> None:
    histories = size("R9_POSTGRES")
    store = await TimedStore.open(URL, schema=schema)
    try:
        for seed in range(histories):
            await play(store, seed, 200)
            await admin.execute(f"set search_path to {schema}")
            await admin.execute("truncate jobs, live, ended, entries, keys, caches, links, schedules, keeps")
    finally:
        await store.close()
    tally.count(0, histories * 200, "steps answered otherwise by PostgreSQL than by the model")


def test_a_missing_extra_is_named() -> None:
    code = "import sys; sys.modules['asyncpg'] = None; import farhand.engines.postgres.store"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30)
    assert "pip install 'farhand[postgres]'" in ran.stderr
