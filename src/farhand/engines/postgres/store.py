"""Durable jobs in a PostgreSQL database that several hubs share."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Iterable, Sequence
from typing import Any, Self, TypeVar

from farhand.engines.postgres import keeping, rows, ties
from farhand.engines.postgres.batches import Batches
from farhand.engines.postgres.database import Database
from farhand.engines.postgres.hearsay import Hearsay
from farhand.engines.postgres.records import PostgresRecords
from farhand.engines.postgres.sql import queries
from farhand.engines.postgres.tidying import Tidying
from farhand.engines.postgres.url import read
from farhand.errors import FarhandError
from farhand.model.durable import DurableJob, Entry, KeptJob, Said
from farhand.model.state import ENDS, LEASED, State
from farhand.ports.store import (
    READ_SIZE,
    Added,
    Change,
    Claim,
    Declared,
    Filter,
    History,
    Lease,
    Mark,
    News,
    Prune,
    Pruned,
    Schedule,
)

_JOBS = queries("jobs")
_TIES = queries("ties")
_SCHEDULES = queries("schedules")
READERS = 32
"""Logs read at once: each may be as long as its reader allows."""
R = TypeVar("R")


class PostgresStore(PostgresRecords):
    """`ports.store.Store`. What is asked for most goes in batches: calls of one turn of the event loop share a round
    trip and a commit. Errors are `Unavailable` when the server is lost, which the pool
    of connections gets over by itself, and `InvalidArguments` for what PostgreSQL can't keep, as a NUL in an id."""

    shared = True

    def __init__(self, database: Database, notify: bool = True) -> None:
        self._database = database
        self._hearsay = Hearsay(database.connect, f"farhand {database.schema}") if notify else None
        self._tidying = Tidying(database)
        self._adds = Batches(self._add)
        self._claims = Batches(self._claim)
        self._moves = Batches(self._move)
        self._ends = Batches(self._end)
        self._appends = Batches(self._append)
        self._gets = Batches(self._get)
        self._reads = Batches(self._read, most=READERS)

    @classmethod
    async def open(cls, url: str, *, schema: str = "", connections: int = 10) -> Self:
        """Connect to the database at `url` (``postgresql://user@host:port/name?schema=farhand&notify=on``) with up to
        `connections`, make the schema, or bring it up to date. `schema` goes before the URL's. With `notify` one more
        connection hears what other hubs do.

        Raises:
            InvalidArguments: the URL or the schema's name can't be.
            Unavailable: the server can't be reached; or, not retryable, a newer farhand made the schema.
        """
        address = read(url)
        return cls(await Database.open(address.dsn, schema or address.schema, connections), address.notify)

    def now(self) -> float:
        """Seconds since 1970 by the server's clock."""
        return self._database.now()

    def listen(self, hear: Callable[[News], None]) -> None:
        """As `Store.listen`."""
        if self._hearsay is not None:
            self._hearsay.listen(hear)

    async def close(self) -> None:
        """Finish what was asked for, and disconnect."""
        for batches in (self._adds, self._claims, self._moves, self._ends, self._appends, self._gets, self._reads):
            await batches.drain()
        if self._hearsay is not None:
            await self._hearsay.close()
        await self._tidying.close()
        await self._database.close()

    # -- jobs --------------------------------------------------------------------------------------------------------

    async def add(self, job: DurableJob, now: float) -> Added:
        """As `Jobs.add`."""
        if not job.key and not job.cache_key and not job.after:
            await self._adds.ask((job, now))
            self._tell(groups=(job.group,))
            return Added(KeptJob(job=job, state=State.QUEUED, run_at=job.run_at, offset=1), "new")
        while True:
            async with self._database.connection() as connection:
                found = await ties.known(connection, job, now)
            if found is not None:
                return found
            with contextlib.suppress(ties.Taken):
                kept = await self._database.attempt(lambda connection: ties.add(connection, job, now))
                self._tell(groups=(job.group,))
                return Added(kept, "new")

    async def add_all(self, jobs: Sequence[DurableJob], now: float) -> list[Added | FarhandError]:
        """As `Jobs.add_all`; they travel together."""
        return await _each([self.add(job, now) for job in jobs])

    async def get(self, id: str) -> KeptJob | None:
        """As `Jobs.get`."""
        return await self._gets.ask(id)

    async def find(self, wanted: Filter) -> list[KeptJob]:
        """As `Jobs.find`."""
        states = wanted.states or frozenset(State)
        named = (wanted.handler, wanted.group, rows.labels(wanted.labels), wanted.schedule)
        parts = ([state.value for state in states - ENDS], [state.value for state in states & ENDS])

        async def work(connection: Any) -> list[Any]:
            await connection.execute(_JOBS["plan_for_these"])
            how = (wanted.before, wanted.limit, states <= LEASED, wanted.code, wanted.retry_of, wanted.cache_key)
            found: list[Any] = await connection.fetch(_JOBS["find"], *parts, *named, *how)
            return found

        return [rows.kept(row) for row in await self._database.attempt(work)]

    async def claim(self, wanted: Claim, now: float) -> list[KeptJob]:
        """As `Jobs.claim`."""
        return await self._claims.ask((wanted, now))

    async def due(self, wanted: Claim, now: float) -> list[KeptJob]:
        """As `Queues.due`."""
        async with self._database.connection() as connection:
            return [rows.kept(row) for row in await connection.fetch(_JOBS["due"], *rows.due(wanted, now))]

    async def tally(self, group: str) -> dict[State, int]:
        """As `Queues.tally`."""
        async with self._database.connection() as connection:
            return {State(state): count for state, count in await connection.fetch(_JOBS["tally"], group)}

    async def change(self, change: Change, now: float) -> KeptJob | None:
        """As `Jobs.change`."""
        if change.to in ENDS:
            return await self._finish(change, now)
        kept = await self._moves.ask((change, now))
        if kept is not None:
            self._tell(groups=(kept.job.group,) if change.to is State.QUEUED else (), jobs=(change.id,))
        return kept

    async def change_all(self, changes: Sequence[Change], now: float) -> list[KeptJob | FarhandError | None]:
        """As `Jobs.change_all`; they travel together."""
        return await _each([self.change(change, now) for change in changes])

    async def renew(self, leases: Sequence[Lease], until: float) -> list[bool]:
        """As `Jobs.renew`."""
        ids, epochs = [lease.id for lease in leases], [lease.epoch for lease in leases]

        async def work(connection: Any) -> list[bool]:
            held = {(row["id"], row["epoch"]) for row in await connection.fetch(_JOBS["renew"], ids, epochs, until)}
            return [(lease.id, lease.epoch) in held for lease in leases]

        return await self._database.attempt(work)

    async def adopt(self, lease: Lease, worker: str, until: float) -> KeptJob | None:
        """As `Jobs.adopt`."""

        async def work(connection: Any) -> Any:
            return await connection.fetchrow(_JOBS["adopt"], lease.id, lease.epoch, worker, until)

        row = await self._database.attempt(work)
        return None if row is None else rows.kept(row)

    async def overdue(self, now: float, limit: int) -> list[KeptJob]:
        """As `Jobs.overdue`."""
        async with self._database.connection() as connection:
            return [rows.kept(row) for row in await connection.fetch(_JOBS["overdue"], now, limit)]

    async def wake_at(self, now: float) -> float | None:
        """As `Jobs.wake_at`."""
        async with self._database.connection() as connection:
            at: float | None = await connection.fetchval(_JOBS["wake_at"], now)
        return at

    async def waiting(self) -> dict[str, int]:
        """As `Queues.waiting`."""
        async with self._database.connection() as connection:
            return dict(await connection.fetch(_JOBS["waiting"]))

    async def uncache(self, handler: str, cache_key: str = "") -> int:
        """As `Jobs.uncache`."""
        async with self._database.connection() as connection:
            return len(await connection.fetch(_TIES["uncache"], handler, cache_key))

    # -- logs --------------------------------------------------------------------------------------------------------

    async def append(self, lease: Lease, said: Sequence[Said], now: float) -> int | None:
        """As `Logs.append`."""
        first = await self._appends.ask((lease, said, now))
        if first is not None:
            self._tell(jobs=(lease.id,))
        return first

    async def read(self, id: str, offset: int, limit: int, size: int = READ_SIZE) -> list[Entry]:
        """As `Logs.read`."""
        return await self._reads.ask((id, offset, limit, size))

    async def trim(self, id: str, upto: int, cut: int) -> bool:
        """As `Logs.trim`."""
        return await self._database.attempt_one(lambda connection: keeping.trim(connection, id, upto, cut))

    # -- how long they are kept --------------------------------------------------------------------------------------

    async def declare(self, declared: Sequence[Declared]) -> None:
        """As `Keeping.declare`."""
        await self._database.attempt_one(lambda connection: keeping.declare(connection, declared))

    async def declared(self) -> list[Declared]:
        """As `Keeping.declared`."""
        async with self._database.connection() as connection:
            return await keeping.declared(connection)

    async def history(self) -> list[History]:
        """As `Keeping.history`."""
        async with self._database.connection() as connection:
            return await keeping.history(connection)

    async def surplus(self, handler: str, keep: int) -> Mark | None:
        """As `Keeping.surplus`."""
        async with self._database.connection() as connection:
            return await keeping.surplus(connection, handler, keep)

    async def prune(self, wanted: Prune) -> Pruned:
        """As `Keeping.prune`."""
        schema, now = self._database.schema, self.now()
        return await self._database.attempt(lambda connection: keeping.prune(connection, schema, wanted, now))

    # -- schedules ---------------------------------------------------------------------------------------------------

    async def put_schedule(self, schedule: Schedule) -> None:
        """As `Schedules.put_schedule`."""
        async with self._database.connection() as connection:
            await connection.execute(_SCHEDULES["put"], *rows.of_schedule(schedule))

    async def drop_schedule(self, name: str) -> bool:
        """As `Schedules.drop_schedule`."""
        async with self._database.connection() as connection:
            return await connection.fetchval(_SCHEDULES["drop"], name) is not None

    async def schedules(self) -> list[Schedule]:
        """As `Schedules.schedules`."""
        async with self._database.connection() as connection:
            found = await connection.fetch(_SCHEDULES["all"])
        return [rows.schedule(row) for row in found]

    async def fire(self, name: str, fired: int, next_at: float, job: DurableJob | None, now: float) -> bool:
        """As `Schedules.fire`."""

        async def work(connection: Any) -> bool:
            found = None if job is None else await ties.known(connection, job, now)
            last = job.id if job is not None and found is None else found and found.kept.job.id
            if await connection.fetchval(_SCHEDULES["fire"], name, fired, next_at, last) is None:
                return False
            if job is not None and found is None:
                await ties.add(connection, job, now)
            return True

        while True:
            with contextlib.suppress(ties.Taken):
                done = await self._database.attempt(work)
                if done and job is not None:
                    self._tell(groups=(job.group,))
                return done

    # -- steps -------------------------------------------------------------------------------------------------------

    async def _finish(self, change: Change, now: float) -> KeptJob | None:
        kept = await self._ends.ask((change, now))
        if kept is not None:
            self._tell(jobs=(change.id,))
            return kept
        touched = await self._database.attempt(lambda connection: ties.finish(connection, change, now))
        queued = {one.job.group for one in touched if one.state is State.QUEUED}
        self._tell(groups=queued, jobs=[one.job.id for one in touched])
        return touched[0] if touched else None

    def _tell(self, groups: Iterable[str] = (), jobs: Iterable[str] = ()) -> None:
        if self._hearsay is not None:
            self._hearsay.tell(groups=groups, jobs=jobs)

    # -- batches -----------------------------------------------------------------------------------------------------

    async def _add(self, asked: Sequence[tuple[DurableJob, float]]) -> Sequence[None]:
        given = [rows.new(job, State.QUEUED, now) for job, now in asked]
        await self._database.attempt_one(lambda connection: connection.executemany(_JOBS["add"], given))
        return [None] * len(asked)

    async def _claim(self, asked: Sequence[tuple[Claim, float]]) -> Sequence[list[KeptJob]]:
        given = [rows.claim(asker, wanted, now) for asker, (wanted, now) in enumerate(asked)]
        taken: list[list[KeptJob]] = [[] for _ in asked]
        for row in await self._many("claim", given):
            taken[row["asker"]].append(rows.kept(row))
        self._tidying.count(sum(map(len, taken)))
        for jobs in taken:
            jobs.sort(key=lambda kept: (-kept.job.priority, kept.run_at, kept.job.id))
        return taken

    async def _move(self, asked: Sequence[tuple[Change, float]]) -> Sequence[KeptJob | None]:
        given = [
            (*rows.move(asker, change, now), change.run_at, change.worker) for asker, (change, now) in enumerate(asked)
        ]
        return await self._each("move", given, len(asked), rows.kept)

    async def _end(self, asked: Sequence[tuple[Change, float]]) -> Sequence[KeptJob | None]:
        given = [rows.finish(asker, change, now, tied=False) for asker, (change, now) in enumerate(asked)]
        return await self._each("finish", given, len(asked), rows.kept)

    async def _append(self, asked: Sequence[tuple[Lease, Sequence[Said], float]]) -> Sequence[int | None]:
        given = [
            (asker, lease.id, lease.epoch, *rows.said(said), now) for asker, (lease, said, now) in enumerate(asked)
        ]
        return await self._each("append", given, len(asked), _first)

    async def _get(self, asked: Sequence[str]) -> Sequence[KeptJob | None]:
        async with self._database.connection() as connection:
            found = [rows.kept(row) for row in await connection.fetch(_JOBS["get"], list(set(asked)))]
        by_id = {kept.job.id: kept for kept in found}
        return [by_id.get(id) for id in asked]

    async def _read(self, asked: Sequence[tuple[str, int, int, int]]) -> Sequence[list[Entry]]:
        entries: list[list[Entry]] = [[] for _ in asked]
        async with self._database.connection() as connection:
            for row in await connection.fetch(_JOBS["read"], *map(list, zip(*asked, strict=True))):
                entries[row["asker"]].append(rows.entry(row))
        return entries

    async def _each(self, query: str, given: list[Any], count: int, read: Callable[[Any], R]) -> Sequence[R | None]:
        """At most one row for each caller, None for those who got none. Rows are locked in the order of their ids; a
        caller's own moves of one job stay in their order."""
        answers: list[R | None] = [None] * count
        for row in await self._many(query, sorted(given, key=lambda values: values[1])):
            answers[row["asker"]] = read(row)
        return answers

    async def _many(self, query: str, given: list[Any]) -> list[Any]:
        return await self._database.attempt_one(lambda connection: connection.fetchmany(_JOBS[query], given))


def _first(row: Any) -> int:
    first: int = row["first"]
    return first


__all__ = ["PostgresStore"]


async def _each(asked: Sequence[Coroutine[Any, Any, R]]) -> list[R | FarhandError]:
    """What each answers, or the error of our own that it raises."""
    answers: list[R | FarhandError] = []
    for answer in await asyncio.gather(*asked, return_exceptions=True):
        if isinstance(answer, BaseException) and not isinstance(answer, FarhandError):
            raise answer
        answers.append(answer)
    return answers
