"""All that is particular to farhand's stores: how one is filled with finished jobs, and how a claim of it is timed."""

from __future__ import annotations

import asyncio
from contextlib import closing
from time import perf_counter
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from farhand.model.durable import KeptJob
    from farhand.ports.store import Store

SEED = "seed"
"""The finished job that all others are copies of."""
TABLES = {
    "sqlite": {"jobs": "id", "log": "job"},
    "postgresql": {"jobs": "id", "ended": "id", "entries": "job"},
}
"""Where a finished job is kept, and the column that has its id."""
AT_ONCE = 200
GROUP = "bench"


async def opened(url: str, count: int) -> Store:
    """A new store with so many finished jobs."""
    from farhand.assembly import open_store

    store = await open_store(url)
    await _add(store, SEED)
    await _finish(store, await _claim(store))
    await store.close()
    await {"sqlite": _fill_sqlite, "postgresql": _fill_postgres}[urlsplit(url).scheme](url, count - 1)
    return await open_store(url)


async def claims(store: Store, seconds: float) -> float:
    """What 99 of 100 claims of one job took at most, in milliseconds."""
    took: list[float] = []
    end = perf_counter() + seconds
    while not took or perf_counter() < end:
        await asyncio.gather(*[_add(store, f"{perf_counter():.9f}-{n}") for n in range(AT_ONCE)])
        taken: list[KeptJob] = []
        for _ in range(AT_ONCE):
            began = perf_counter()
            taken.append(await _claim(store))
            took.append(perf_counter() - began)
        await asyncio.gather(*[_finish(store, kept) for kept in taken])
    took.sort()
    return took[int(len(took) * 0.99)] * 1000


async def _add(store: Store, id: str) -> None:
    from farhand.model.durable import DurableJob

    now = store.now()
    await store.add(DurableJob(id=id, handler="echo", group=GROUP, created=now, run_at=now), now)


async def _claim(store: Store) -> KeptJob:
    from farhand.ports.store import Claim

    now = store.now()
    names = frozenset({"echo"})
    wanted = Claim(group=GROUP, handlers=names, labels={}, worker="w", count=1, lease_until=now + 60)
    (kept,) = await store.claim(wanted, now)
    return kept


async def _finish(store: Store, kept: KeptJob) -> None:
    from farhand.model.durable import Said
    from farhand.model.event import Event, Kind
    from farhand.model.state import State
    from farhand.ports.store import Change

    said = (Said(Event(Kind.STARTED, worker="w")), Said(Event(Kind.SUCCEEDED)))
    sources = frozenset({State.ASSIGNED})
    change = Change(id=kept.job.id, sources=sources, to=State.SUCCEEDED, epoch=kept.epoch, said=said)
    await store.change(change, store.now())


def _copy(table: str, key: str, columns: list[str], series: str) -> str:
    """Copies of the seed's rows, each with another id."""
    values = ["'copy-' || n" if column == key else column for column in columns]
    return (
        f"{series} insert into {table} ({', '.join(columns)}) select {', '.join(values)} from {table}, series "
        f"where {key} = '{SEED}'"
    )


async def _fill_sqlite(url: str, count: int) -> None:
    import apsw

    with closing(apsw.Connection(url.removeprefix("sqlite:///"))) as connection:
        for table, key in TABLES["sqlite"].items():
            columns = [row[1] for row in connection.execute(f"pragma table_info({table})")]
            series = f"with recursive series (n) as (select 1 union all select n + 1 from series where n < {count})"
            if count:
                connection.execute(_copy(table, key, columns, series))
        connection.execute("pragma wal_checkpoint(truncate)")


async def _fill_postgres(url: str, count: int) -> None:
    import asyncpg

    base, _, schema = url.rpartition("schema=")
    connection: Any = await asyncpg.connect(base.rstrip("?&"), server_settings={"search_path": schema})
    try:
        for table, key in TABLES["postgresql"].items():
            sql = "select attname from pg_attribute where attrelid = $1::regclass and attnum > 0 and not attisdropped"
            columns = [row["attname"] for row in await connection.fetch(sql, table)]
            await connection.execute(
                _copy(table, key, columns, f"with series as (select generate_series(1, {count}) n)")
            )
            await connection.execute(f"vacuum analyze {table}")
        await connection.execute("checkpoint")
    finally:
        await connection.close()
