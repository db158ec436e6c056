"""What one query may take: rows, bytes, time, memory and connections; and how it ends at the database."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from farhand.sql import Ask, Databases, Limits, QueryStopped, QueryTimedOut, querying
from tests.sql.places import Answer, Place

_COUNTED = (
    "with recursive r(i) as (select 1 union all select i + 1 from r where i < {n}) select i, 'row' as name from r"
)
MANY = {
    "postgresql": "select i, 'row ' || i as name from generate_series(1, {n}) i",
    "mysql": _COUNTED,
    "sqlite": _COUNTED,
}
LONG = {
    "postgresql": "select pg_sleep(60), 'looong'",
    "mysql": "select sleep(60), 'looong'",
    "sqlite": "with recursive r(i) as (select 1 union all select i + 1 from r) select count(*) from r",
}
PAGE = 4096


@contextlib.contextmanager
def on(
    place: Place, slots: int = 2, timeout: float = 50.0, max_rows: int = 2_000_000, max_bytes: int = 2**30
) -> Iterator[Databases]:
    """A worker's databases with these limits."""
    given = Limits(timeout=timeout, max_rows=max_rows, max_bytes=max_bytes)
    with contextlib.closing(Databases({"here": place.url}, slots=slots, limits=given)) as found:
        yield found


def until(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)


def resident() -> int:
    """Bytes of this process's memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE


@pytest.mark.parametrize(("most", "rows", "truncated"), [(0, 0, True), (2, 2, True), (3, 3, False), (4, 3, False)])
def test_rows_end_at_the_callers_bound(place: Place, most: int, rows: int, truncated: bool) -> None:
    with on(place) as databases:
        answer = Answer(databases, "select id, name from items", max_rows=most)
        assert (len(answer.columns), len(answer.rows)) == (2, rows)
        assert answer.result == {"rows": rows, "truncated": truncated}
        assert Answer(databases, "select 1").value == 1


def test_rows_end_at_the_workers_bound_whatever_the_caller_says(place: Place) -> None:
    with on(place, max_rows=2) as databases:
        for asked in (None, 1_000_000):
            assert Answer(databases, "select * from items", max_rows=asked).result == {"rows": 2, "truncated": True}


def test_bytes_end_at_the_workers_bound(place: Place) -> None:
    with on(place, max_bytes=100_000) as databases:
        answer = Answer(databases, MANY[place.kind].format(n=900 if place.kind == "mysql" else 100_000))
        if place.kind == "mysql":  # whose rows here are few: the bound is for wide ones too
            answer = Answer(databases, "select repeat('x', 60000) union all select repeat('y', 60000)")
            assert answer.result == {"rows": 1, "truncated": True}
        else:
            assert answer.result["truncated"]
            assert 2_000 < answer.result["rows"] < 20_000
        assert Answer(databases, "select 1").value == 1


def test_one_value_that_is_too_large_is_not_given(postgres: Place) -> None:
    with on(postgres, max_bytes=100_000) as databases:
        assert Answer(databases, "select repeat('x', 1000000)").result == {"rows": 0, "truncated": True}


def test_chunks_are_as_long_as_was_asked_and_no_larger_than_a_frame_takes(postgres: Place) -> None:
    with on(postgres) as databases:
        short = Answer(databases, MANY["postgresql"].format(n=1_000), chunk_rows=7)
        assert max(short.chunks) == 7
        assert sum(short.chunks) == 1_000
        wide = Answer(databases, "select repeat('x', 10000) from generate_series(1, 200)")
        assert sum(wide.chunks) == 200
        assert max(wide.chunks[1:]) <= 5


@pytest.mark.timeout(300)
def test_a_million_rows_take_constant_memory(place: Place) -> None:
    count = 1_000_000
    query = MANY[place.kind].format(n=count)
    if place.kind == "mysql":
        digits = " cross join ".join(f"(select {' union all select '.join('0123456789')}) d{at}" for at in range(6))
        query = f"select 1 as i, 'row' as name from {digits}"
    with on(place, timeout=280.0) as databases:
        asked = querying.query(databases, Ask(query=query), lambda: False)
        next(asked)
        rows, before, most = 0, 0, 0
        with contextlib.suppress(StopIteration):
            while True:
                rows += len(next(asked)["rows"])
                most = max(most, resident())
                before = before or most
    assert rows == count
    assert most - before < 16 * 1024 * 1024


def test_what_takes_too_long_is_ended_at_the_database(place: Place) -> None:
    with on(place, timeout=0.5) as databases:
        began = time.monotonic()
        with pytest.raises(QueryTimedOut, match=r"longer than 0\.5 s"):
            Answer(databases, LONG[place.kind])
        assert time.monotonic() - began < 10
        if place.kind != "sqlite":
            until(lambda: place.running("looong") == 0)
        assert Answer(databases, "select 1").value == 1


def test_a_statement_cannot_lift_its_timeout(postgres: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    from farhand.sql.statements import Statement

    monkeypatch.setattr(querying, "checked", lambda query, params, rules: Statement(query, None))
    with on(postgres, timeout=0.5) as databases, pytest.raises(QueryTimedOut):
        Answer(databases, "select set_config('statement_timeout', '0', false), pg_sleep(60)")


@pytest.mark.parametrize("kind", ["postgresql", "mysql"])
def test_a_cancel_ends_the_statement_at_the_server(places: dict[str, Place], kind: str) -> None:
    place, stop = places[kind], threading.Event()
    with on(place) as databases, ThreadPoolExecutor() as threads:
        running = threads.submit(Answer, databases, LONG[kind], stopped=stop.is_set)
        until(lambda: place.running("looong") == 1)
        stop.set()
        with pytest.raises(QueryStopped):
            running.result(20)
        until(lambda: place.running("looong") == 0)
        assert Answer(databases, "select 1").value == 1


def test_a_cancel_ends_a_file_too(sqlite: Place) -> None:
    stop = threading.Event()
    with on(sqlite) as databases, ThreadPoolExecutor() as threads:
        running = threads.submit(Answer, databases, LONG["sqlite"], stopped=stop.is_set)
        threading.Timer(0.2, stop.set).start()
        with pytest.raises(QueryStopped):
            running.result(20)


@pytest.mark.parametrize("kind", ["postgresql", "mysql"])
def test_a_reader_that_leaves_ends_the_statement(places: dict[str, Place], kind: str) -> None:
    place = places[kind]
    query = {
        "postgresql": "select generate_series(1, 100000000), repeat('looong', 100)",
        "mysql": "select repeat('looong', 100) from information_schema.collations a, information_schema.collations b, "
        "information_schema.collations c",
    }[kind]
    with on(place) as databases:
        asked = querying.query(databases, Ask(query=query), lambda: False)
        next(asked)
        next(asked)
        asked.close()
        until(lambda: place.running("repeat") == 0)
        assert Answer(databases, "select 1").value == 1


@pytest.mark.parametrize("kind", ["postgresql", "mysql"])
def test_no_more_connections_than_slots(places: dict[str, Place], kind: str) -> None:
    place = places[kind]
    sleep = {"postgresql": "select pg_sleep(0.2), 'pooled'", "mysql": "select sleep(0.2), 'pooled'"}[kind]
    with on(place, slots=2) as databases, ThreadPoolExecutor(6) as threads:
        asked = [threads.submit(Answer, databases, sleep) for _ in range(6)]
        seen = []
        while not all(one.done() for one in asked):
            seen.append(place.running("pooled"))
        assert [len(one.result().rows) for one in asked] == [1] * 6
    assert max(seen) == 2


def test_a_connection_is_used_again(postgres: Place) -> None:
    with on(postgres, slots=1) as databases:
        found = {Answer(databases, "select pg_backend_pid()").value for _ in range(5)}
        with contextlib.suppress(Exception):
            Answer(databases, "select nothing")
        found.add(Answer(databases, "select pg_backend_pid()").value)
        assert len(found) == 1
        Answer(databases, "select * from items", max_rows=1)
        assert Answer(databases, "select pg_backend_pid()").value in found


def test_one_that_was_interrupted_is_not(postgres: Place) -> None:
    with on(postgres, slots=1, timeout=0.5) as databases:
        first = Answer(databases, "select pg_backend_pid()").value
        with pytest.raises(QueryTimedOut):
            Answer(databases, LONG["postgresql"])
        assert Answer(databases, "select pg_backend_pid()").value != first
