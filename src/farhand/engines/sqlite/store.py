"""Durable jobs in one SQLite file."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import apsw
from msgspec.structs import replace

from farhand.engines.sqlite import keeping, reading
from farhand.engines.sqlite.connection import Owner, check, lock
from farhand.engines.sqlite.records import SqliteRecords
from farhand.engines.sqlite.sql import queries
from farhand.engines.sqlite.writing import Recent, Write
from farhand.errors import FarhandError
from farhand.model.durable import DurableJob, Entry, KeptJob, Said
from farhand.model.state import State
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

T = TypeVar("T")


class SqliteStore(SqliteRecords):
    """`ports.store.Store`. Writes and reads have a thread and a connection each; what a reader sees is committed."""

    shared = False

    def __init__(self, path: Path | str, clock: Callable[[], float] = time.time, vfs: str | None = None) -> None:
        """Open the file at `path`, or make it. `vfs` is a file layer registered with apsw.

        Raises:
            Unavailable: another hub has it open, it is damaged, or it was written by a newer farhand.
        """
        self._clock = clock
        self._recent = Recent()
        self._lock = lock(Path(path))
        try:
            if vfs is None:
                check(Path(path))
            self._writer = Owner(Path(path), writes=True, vfs=vfs)
        except BaseException:
            self._lock.close()
            raise
        self._reader = Owner(Path(path), writes=False, vfs=vfs)

    def now(self) -> float:
        """Seconds since 1970."""
        return self._clock()

    def listen(self, hear: Callable[[News], None]) -> None:
        """As `Store.listen`: nobody else is here."""

    async def close(self) -> None:
        """Commit what waits, and close the file."""
        await asyncio.to_thread(self._reader.close)
        await asyncio.to_thread(self._writer.close)
        self._lock.close()

    async def _write(self, now: float, do: Callable[[Write], T]) -> T:
        """What `do` gives, committed."""

        def work(db: apsw.Connection) -> T:
            write = Write(db, now, self._recent)
            answer = do(write)
            write.flush()
            return answer

        return await self._writer.run(work)

    # -- jobs --------------------------------------------------------------------------------------------------------

    async def add(self, job: DurableJob, now: float) -> Added:
        """As `Jobs.add`."""
        return await self._write(now, lambda write: write.add(job))

    async def add_all(self, jobs: Sequence[DurableJob], now: float) -> list[Added | FarhandError]:
        """As `Jobs.add_all`, in one commit: a store that is away raises."""
        return await self._write(now, lambda write: [write.add_or_say(job) for job in jobs])

    async def get(self, id: str) -> KeptJob | None:
        """As `Jobs.get`."""
        return await self._reader.run(lambda db: reading.get(db, id))

    async def find(self, wanted: Filter) -> list[KeptJob]:
        """As `Jobs.find`."""
        return await self._reader.run(lambda db: reading.find(db, wanted))

    async def claim(self, wanted: Claim, now: float) -> list[KeptJob]:
        """As `Jobs.claim`."""
        return await self._write(now, lambda write: write.claim(wanted))

    async def due(self, wanted: Claim, now: float) -> list[KeptJob]:
        """As `Queues.due`."""
        return await self._reader.run(lambda db: reading.due(db, wanted, now))

    async def tally(self, group: str) -> dict[State, int]:
        """As `Queues.tally`."""
        return await self._reader.run(lambda db: {State(row[0]): row[1] for row in reading.rows(db, "tally", group)})

    async def change(self, change: Change, now: float) -> KeptJob | None:
        """As `Jobs.change`."""
        return await self._write(now, lambda write: write.change(change))

    async def change_all(self, changes: Sequence[Change], now: float) -> list[KeptJob | FarhandError | None]:
        """As `Jobs.change_all`, in one commit: a store that is away raises."""
        return await self._write(now, lambda write: [write.change(change) for change in changes])

    async def renew(self, leases: Sequence[Lease], until: float) -> list[bool]:
        """As `Jobs.renew`."""

        def work(db: apsw.Connection) -> list[bool]:
            return [bool(reading.rows(db, "renew", until, lease.id, lease.epoch)) for lease in leases]

        return await self._writer.run(work)

    async def adopt(self, lease: Lease, worker: str, until: float) -> KeptJob | None:
        """As `Jobs.adopt`."""

        def work(db: apsw.Connection) -> KeptJob | None:
            return (
                reading.get(db, lease.id) if reading.rows(db, "adopt", worker, until, lease.id, lease.epoch) else None
            )

        return await self._writer.run(work)

    async def overdue(self, now: float, limit: int) -> list[KeptJob]:
        """As `Jobs.overdue`."""
        return await self._reader.run(
            lambda db: reading.all_of(db, (row[0] for row in reading.rows(db, "overdue", now, limit)))
        )

    async def wake_at(self, now: float) -> float | None:
        """As `Jobs.wake_at`."""
        return await self._reader.run(lambda db: reading.one(db, "wake_at", now))

    async def waiting(self) -> dict[str, int]:
        """As `Queues.waiting`."""
        return await self._reader.run(lambda db: dict(reading.rows(db, "waiting")))

    async def uncache(self, handler: str, cache_key: str = "") -> int:
        """As `Jobs.uncache`."""
        return await self._writer.run(lambda db: len(reading.rows(db, "uncache", handler, cache_key)))

    # -- logs --------------------------------------------------------------------------------------------------------

    async def append(self, lease: Lease, said: Sequence[Said], now: float) -> int | None:
        """As `Logs.append`."""
        return await self._write(now, lambda write: write.append(lease, said))

    async def read(self, id: str, offset: int, limit: int, size: int = READ_SIZE) -> list[Entry]:
        """As `Logs.read`."""

        def work(db: apsw.Connection) -> list[Entry]:
            entries, left = list[Entry](), size
            for place, at, number, event in db.execute(queries()["read"], (id, offset, limit)):
                entries.append(Entry(place, at, reading.EVENT.decode(event), number))
                left -= len(event)
                if left <= 0:
                    break
            return entries

        return await self._reader.run(work)

    async def trim(self, id: str, upto: int, cut: int) -> bool:
        """As `Logs.trim`."""
        return await self._writer.run(lambda db: keeping.trim(db, id, upto, cut))

    # -- how long they are kept --------------------------------------------------------------------------------------

    async def declare(self, declared: Sequence[Declared]) -> None:
        """As `Keeping.declare`."""
        await self._writer.run(lambda db: keeping.declare(db, declared))

    async def declared(self) -> list[Declared]:
        """As `Keeping.declared`."""
        return await self._reader.run(keeping.declared)

    async def history(self) -> list[History]:
        """As `Keeping.history`."""
        return await self._reader.run(keeping.history)

    async def surplus(self, handler: str, keep: int) -> Mark | None:
        """As `Keeping.surplus`."""
        return await self._reader.run(lambda db: keeping.surplus(db, handler, keep))

    async def prune(self, wanted: Prune) -> Pruned:
        """As `Keeping.prune`."""
        now = self.now()
        looked = await self._reader.run(lambda db: keeping.look(db, wanted, now))
        if all(needed for _, needed in looked):
            return Pruned(0, 0, looked[-1][0] if len(looked) == wanted.jobs else None)
        return await self._writer.run(lambda db: keeping.prune(db, looked, wanted, now))

    # -- schedules ---------------------------------------------------------------------------------------------------

    async def put_schedule(self, schedule: Schedule) -> None:
        """As `Schedules.put_schedule`."""

        def work(db: apsw.Connection) -> None:
            kept, old = schedule, reading.schedule(db, schedule.name)
            if old is not None:
                same = (old.cron, old.timezone) == (schedule.cron, schedule.timezone)
                next_at = old.next_at if same else schedule.next_at
                kept = replace(schedule, next_at=next_at, fired=old.fired, last=old.last)
            reading.rows(db, "put_schedule", kept.name, kept.fired, reading.TO_BYTES.encode(kept))

        await self._writer.run(work)

    async def drop_schedule(self, name: str) -> bool:
        """As `Schedules.drop_schedule`."""
        return await self._writer.run(lambda db: bool(reading.rows(db, "drop_schedule", name)))

    async def schedules(self) -> list[Schedule]:
        """As `Schedules.schedules`."""
        return await self._reader.run(
            lambda db: [reading.SCHEDULE.decode(row[0]) for row in reading.rows(db, "schedules")]
        )

    async def fire(self, name: str, fired: int, next_at: float, job: DurableJob | None, now: float) -> bool:
        """As `Schedules.fire`."""

        def work(db: apsw.Connection) -> bool:
            schedule = reading.schedule(db, name)
            if schedule is None or schedule.fired != fired:
                return False
            last = schedule.last
            if job is not None:
                write = Write(db, now, self._recent)
                last = write.add(job).kept.job.id
                write.flush()
            kept = replace(schedule, fired=fired + (job is not None), next_at=next_at, last=last)
            reading.rows(db, "put_schedule", name, kept.fired, reading.TO_BYTES.encode(kept))
            return True

        return await self._writer.run(work)
