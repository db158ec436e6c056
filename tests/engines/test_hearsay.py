"""What PostgreSQL stores tell each other: who queued what, who changed what; not too often, and no more than fits."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import pytest

from farhand.core.lifecycle import Move
from farhand.engines.postgres.hearsay import MOST, SIZE, messages
from farhand.engines.postgres.store import PostgresStore
from farhand.errors import InvalidArguments
from farhand.model.state import State
from farhand.ports.store import Lease, News
from farhand.testing.conformance.store import DONE, FAILED, TEXT, claim, job, move
from tests.engines.postgres import URL, admin, schema, url_of

__all__ = ["admin", "schema"]


class Ear:
    """What a store has heard."""

    def __init__(self) -> None:
        self.groups: set[str] = set()
        self.jobs: set[str] = set()
        self.missed = 0
        self.times = 0
        self._more = asyncio.Event()

    def __call__(self, news: News) -> None:
        self.groups |= news.groups
        self.jobs |= news.jobs
        self.missed += news.missed
        self.times += 1
        self._more.set()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Listen until it holds."""
        async with asyncio.timeout(10):
            while not condition():
                self._more.clear()
                await self._more.wait()


@asynccontextmanager
async def listening(schema: str, **more: str) -> AsyncIterator[tuple[PostgresStore, Ear]]:
    """A store that hears."""
    store, ear = await PostgresStore.open(url_of(schema, **more)), Ear()
    store.listen(ear)
    if not more:
        await ear.until(lambda: ear.missed == 1)  # it is there from now on
    try:
        yield store, ear
    finally:
        await store.close()


async def test_what_is_queued_and_what_changes_is_heard_by_the_others_only(schema: str) -> None:
    async with listening(schema) as (one, own), listening(schema) as (_, ear):
        await one.add(job("a", group="g"), 2.0)
        await one.add(job("b", group="h", key="k", key_until=9.0), 2.0)
        await ear.until(lambda: ear.groups == {"g", "h"})
        assert not ear.jobs
        await one.claim(claim(group="g"), 3.0)
        await one.append(Lease("a", 1), [TEXT], 3.0)
        await ear.until(lambda: ear.jobs == {"a"})
        await one.change(move("b", Move.STOP, State.CANCELLED, FAILED), 4.0)
        await ear.until(lambda: ear.jobs == {"a", "b"})
        assert (own.groups, own.jobs) == (set(), set())


async def test_children_that_a_parent_sets_free_or_fails_are_heard_of(schema: str) -> None:
    async with listening(schema) as (one, _), listening(schema) as (_, ear):
        for parent in "pq":
            await one.add(job(parent), 2.0)
            await one.add(job(f"{parent}1", after=(parent,), group="children"), 2.0)
        await ear.until(lambda: "children" in ear.groups)
        await one.claim(claim(), 3.0)
        ear.groups.clear()
        await one.change(move("p", Move.SUCCEED, State.SUCCEEDED, DONE), 4.0)
        await ear.until(lambda: ear.jobs >= {"p", "p1"} and "children" in ear.groups)
        await one.change(move("q", Move.FAIL, State.FAILED, FAILED), 4.0)
        await ear.until(lambda: ear.jobs >= {"q", "q1"})


async def test_many_changes_are_few_messages(schema: str) -> None:
    count = 2_000
    async with listening(schema) as (one, _), listening(schema) as (_, ear):
        began, before = asyncio.get_running_loop().time(), ear.times
        await asyncio.gather(*[one.add(job(f"{n}", group=f"g{n % 3}"), 2.0) for n in range(count)])
        await ear.until(lambda: len(ear.groups) == 3)
        took = asyncio.get_running_loop().time() - began
        assert ear.times - before <= 2 + took * 5


async def test_a_lost_connection_is_made_anew_and_what_was_missed_is_said(admin: Any, schema: str) -> None:
    async with listening(schema) as (one, _), listening(schema) as (_, ear):
        sql = "select pg_terminate_backend(pid) from pg_stat_activity where query = $1 and pid <> pg_backend_pid()"
        assert await admin.fetch(sql, f'LISTEN "farhand {schema}"')
        await ear.until(lambda: ear.missed == 2)

        async def told() -> None:
            for n in range(1000):  # the other one's connection was lost too
                await one.add(job(f"{n}", group="g"), 2.0)
                if ear.groups:
                    return
                await asyncio.sleep(0.05)

        await told()
        assert ear.groups == {"g"}


async def test_what_others_put_into_the_channel_harms_nobody(admin: Any, schema: str) -> None:
    async with listening(schema) as (_, ear):
        for text in ("", "{", "[]", '{"groups": 1}', "\u2028" * 1000):
            await admin.execute("select pg_notify($1, $2)", f"farhand {schema}", text)
        await admin.execute("select pg_notify($1, $2)", f"farhand {schema}", '{"groups": ["g"]}')
        await ear.until(lambda: ear.groups == {"g"})
        assert not ear.jobs


async def test_it_can_be_switched_off(admin: Any, schema: str) -> None:
    async with listening(schema, notify="off") as (_, ear), listening(schema) as (other, _):
        await other.add(job("a"), 2.0)
        listeners = "select count(*) from pg_stat_activity where query = $1"
        assert await admin.fetchval(listeners, f'LISTEN "farhand {schema}"') <= 1
        assert ear.times == 0


@pytest.mark.parametrize(
    ("groups", "jobs"),
    [
        (["g"], [f"{n:036d}" for n in range(1_000)]),
        ([f"\u00e9{n}" * 60 for n in range(100)], []),
        ([f"{n}" for n in range(3_000)], ['"' * 180 for _ in range(9)]),
    ],
)
def test_messages_hold_all_and_none_is_too_long(groups: list[str], jobs: list[str]) -> None:
    told = messages(groups, jobs)
    assert max(len(one.encode()) for one in told) <= SIZE
    read = [json.loads(one) for one in told]
    assert [group for one in read for group in one.get("groups", [])] == groups
    assert [job for one in read for job in one.get("jobs", [])] == jobs


def test_more_than_fits_is_said_to_be_much() -> None:
    assert messages(["x" * 9_000], []) == ['{"missed":true}']
    assert messages([], [f"{n:036d}" for n in range(MOST * SIZE // 39)]) == ['{"missed":true}']


async def test_a_channel_name_is_never_too_long(admin: Any) -> None:
    longest = "f" * 55
    try:
        async with listening(longest):
            pass
    finally:
        await admin.execute(f"drop schema if exists {longest} cascade")
    with pytest.raises(InvalidArguments, match="up to 55"):
        await PostgresStore.open(URL, schema="f" * 56)


async def test_a_url_that_makes_no_sense_is_refused_without_its_password() -> None:
    for url in (
        "postgresql://ann:secret@127.0.0.1/jobs?notify=maybe",
        "postgresql://ann:secret@127.0.0.1/jobs?sslmode=perhaps",
        "postgresql://ann:secret@127.0.0.1:port/jobs",
        "postgresql://ann:secret@[::1/jobs",
        "postgresql://ann:secret/secret@127.0.0.1/jobs",
    ):
        with pytest.raises(InvalidArguments) as caught:
            await PostgresStore.open(url)
        assert "secret" not in str(caught.value)
        assert "***" in str(caught.value)


async def test_a_database_or_user_that_is_not_there_is_named_with_what_to_do() -> None:
    with pytest.raises(Exception, match="createdb") as caught:
        await PostgresStore.open(URL.rpartition("/")[0] + "/no_such_database")
    assert isinstance(caught.value.__cause__, asyncpg.InvalidCatalogNameError)
