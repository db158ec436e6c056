"""Durable jobs in one SQLite file."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import apsw
import msgspec
from msgspec.structs import replace

from farhand.engines.sqlite import keeping
from farhand.engines.sqlite.connection import Owner, check, lock
from farhand.engines.sqlite.sql import queries
from farhand.errors import FarhandError, JobNotFound
from farhand.model.durable import DurableJob, Entry, KeptJob, Said
from farhand.model.event import Event, Fault, Kind
from farhand.model.state import ENDS, LEASED, State
from farhand.ports.store import (
    READ_SIZE,
    Added,
    Change,
    Claim,
    Declared,
    Filter,
    History,
    How,
    Lease,
    Mark,
    News,
    Prune,
    Pruned,
    Schedule,
)

T = TypeVar("T")

_TO_BYTES = msgspec.msgpack.Encoder()
_JOB = msgspec.msgpack.Decoder(DurableJob)
_EVENT = msgspec.msgpack.Decoder(Event)
_SCHEDULE = msgspec.msgpack.Decoder(Schedule)
_LABELS = msgspec.json.Encoder(order="deterministic")
_READ_LABELS = msgspec.json.Decoder(dict[str, str])

NO_LABELS = "{}"
RECENT, RECENT_SIZE = 4_096, 4_096
"""How many jobs the writer remembers, and up to how many bytes of arguments."""


class SqliteStore:
    """`ports.store.Store`. Writes and reads have a thread and a connection each; what a reader sees is committed."""

    shared = False

    def __init__(self, path: Path | str, clock: Callable[[], float] = time.time, vfs: str | None = None) -> None:
        """Open the file at `path`, or make it. `vfs` is a file layer registered with apsw.

        Raises:
            Unavailable: another hub has it open, it is damaged, or it was written by a newer farhand.
        """
        self._clock = clock
        self._recent = _Recent()
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

    async def _write(self, now: float, do: Callable[[_Write], T]) -> T:
        """What `do` gives, committed."""

        def work(db: apsw.Connection) -> T:
            write = _Write(db, now, self._recent)
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
        return await self._reader.run(lambda db: _get(db, id))

    async def find(self, wanted: Filter) -> list[KeptJob]:
        """As `Jobs.find`."""
        return await self._reader.run(lambda db: _find(db, wanted))

    async def claim(self, wanted: Claim, now: float) -> list[KeptJob]:
        """As `Jobs.claim`."""
        return await self._write(now, lambda write: write.claim(wanted))

    async def change(self, change: Change, now: float) -> KeptJob | None:
        """As `Jobs.change`."""
        return await self._write(now, lambda write: write.change(change))

    async def change_all(self, changes: Sequence[Change], now: float) -> list[KeptJob | FarhandError | None]:
        """As `Jobs.change_all`, in one commit: a store that is away raises."""
        return await self._write(now, lambda write: [write.change(change) for change in changes])

    async def renew(self, leases: Sequence[Lease], until: float) -> list[bool]:
        """As `Jobs.renew`."""

        def work(db: apsw.Connection) -> list[bool]:
            return [bool(_rows(db, "renew", until, lease.id, lease.epoch)) for lease in leases]

        return await self._writer.run(work)

    async def adopt(self, lease: Lease, worker: str, until: float) -> KeptJob | None:
        """As `Jobs.adopt`."""

        def work(db: apsw.Connection) -> KeptJob | None:
            return _get(db, lease.id) if _rows(db, "adopt", worker, until, lease.id, lease.epoch) else None

        return await self._writer.run(work)

    async def overdue(self, now: float, limit: int) -> list[KeptJob]:
        """As `Jobs.overdue`."""
        return await self._reader.run(lambda db: _all(db, (row[0] for row in _rows(db, "overdue", now, limit))))

    async def wake_at(self, now: float) -> float | None:
        """As `Jobs.wake_at`."""
        return await self._reader.run(lambda db: _one(db, "wake_at", now))

    async def waiting(self) -> dict[str, int]:
        """As `Jobs.waiting`."""
        return await self._reader.run(lambda db: dict(_rows(db, "waiting")))

    async def uncache(self, handler: str, cache_key: str = "") -> int:
        """As `Jobs.uncache`."""
        return await self._writer.run(lambda db: len(_rows(db, "uncache", handler, cache_key)))

    # -- logs --------------------------------------------------------------------------------------------------------

    async def append(self, lease: Lease, said: Sequence[Said], now: float) -> int | None:
        """As `Logs.append`."""
        return await self._write(now, lambda write: write.append(lease, said))

    async def read(self, id: str, offset: int, limit: int, size: int = READ_SIZE) -> list[Entry]:
        """As `Logs.read`."""

        def work(db: apsw.Connection) -> list[Entry]:
            entries, left = list[Entry](), size
            for place, at, number, event in db.execute(queries()["read"], (id, offset, limit)):
                entries.append(Entry(place, at, _EVENT.decode(event), number))
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
            kept, old = schedule, _schedule(db, schedule.name)
            if old is not None:
                same = (old.cron, old.timezone) == (schedule.cron, schedule.timezone)
                next_at = old.next_at if same else schedule.next_at
                kept = replace(schedule, next_at=next_at, fired=old.fired, last=old.last)
            _rows(db, "put_schedule", kept.name, kept.fired, _TO_BYTES.encode(kept))

        await self._writer.run(work)

    async def drop_schedule(self, name: str) -> bool:
        """As `Schedules.drop_schedule`."""
        return await self._writer.run(lambda db: bool(_rows(db, "drop_schedule", name)))

    async def schedules(self) -> list[Schedule]:
        """As `Schedules.schedules`."""
        return await self._reader.run(lambda db: [_SCHEDULE.decode(row[0]) for row in _rows(db, "schedules")])

    async def fire(self, name: str, fired: int, next_at: float, job: DurableJob | None, now: float) -> bool:
        """As `Schedules.fire`."""

        def work(db: apsw.Connection) -> bool:
            schedule = _schedule(db, name)
            if schedule is None or schedule.fired != fired:
                return False
            last = schedule.last
            if job is not None:
                write = _Write(db, now, self._recent)
                last = write.add(job).kept.job.id
                write.flush()
            kept = replace(schedule, fired=fired + (job is not None), next_at=next_at, last=last)
            _rows(db, "put_schedule", name, kept.fired, _TO_BYTES.encode(kept))
            return True

        return await self._writer.run(work)


class _Recent:
    """Jobs as they were submitted, by id: those that the writer saw last, so that a job which soon ends isn't read and
    decoded at each of its moves. Large ones are not held."""

    def __init__(self) -> None:
        self._jobs: dict[str, DurableJob] = {}

    def add(self, job: DurableJob) -> None:
        """Remember one."""
        if len(job.args.data) <= RECENT_SIZE:
            self._jobs[job.id] = job
            if len(self._jobs) > RECENT:
                del self._jobs[next(iter(self._jobs))]

    def get(self, db: apsw.Connection, id: str) -> DurableJob:
        """The job, which the store has."""
        job = self._jobs.get(id)
        return _JOB.decode(_one(db, "submitted", id)) if job is None else job

    def drop(self, id: str) -> None:
        """It has ended."""
        self._jobs.pop(id, None)


class _Write:
    """The steps of one operation inside the writer's transaction. Rows that it adds and ends wait for each other until
    something reads them or `flush` is called: many of one kind cost less together."""

    def __init__(self, db: apsw.Connection, now: float, recent: _Recent) -> None:
        self._do = partial(_rows, db)
        self._db = db
        self._now = now
        self._recent = recent
        self._added_jobs: list[tuple[Any, ...]] = []
        self._entries: list[tuple[Any, ...]] = []
        self._ended: dict[str, tuple[Any, ...]] = {}

    def flush(self) -> None:
        """Write what waits."""
        for query, rows in (
            ("insert_job", self._added_jobs),
            ("insert_entry", self._entries),
            ("finish", list(self._ended.values())),
        ):
            if rows:
                self._db.executemany(queries()[query], rows)
        self._added_jobs, self._entries, self._ended = [], [], {}

    def add(self, job: DurableJob) -> Added:
        if job.key or job.cache_key or job.after:
            self.flush()
            if (found := self._found(job)) is not None:
                return found
        states: dict[str, State] = {}
        for parent in job.after:
            rows = self._do("state", parent)
            if not rows:
                raise JobNotFound(f"there is no durable job {parent[:80]!r} to come after")
            states[parent] = State(rows[0][0])
        waits = any(state not in ENDS for state in states.values())
        state = State.WAITING if waits else State.QUEUED
        labels = _LABELS.encode(job.labels).decode() if job.labels else NO_LABELS
        times = (job.run_at, job.begin_by, job.end_by)
        named = (job.id, state.value, job.group, job.handler, labels, job.schedule, job.priority)
        self._added_jobs.append((*named, *times, _TO_BYTES.encode(job), job.retry_of))
        if job.key:
            self._do("put_key", job.key, job.id, job.key_until)
        if job.cache_key:
            self._do("put_cached", job.cache_key, job.handler, job.id, job.cache_ttl)
        for parent in states:
            self._do("insert_parent", parent, job.id)
        self._log(job.id, 0, (Said(Event(Kind.QUEUED, text=job.id)),))
        self._recent.add(job)
        failed = [parent for parent, one in states.items() if one in ENDS and one is not State.SUCCEEDED]
        if failed:
            return Added(self._fail_with(job.id, failed[0], states[failed[0]]), "new")
        return Added(KeptJob(job=job, state=state, run_at=job.run_at, offset=1), "new")

    def add_or_say(self, job: DurableJob) -> Added | FarhandError:
        """As `add`; what it would raise, which it does before it has changed anything."""
        try:
            return self.add(job)
        except JobNotFound as error:
            return error

    def claim(self, wanted: Claim) -> list[KeptJob]:
        taken: list[KeptJob] = []
        rows = self._db.execute(queries()["jobs_to_claim"], (wanted.group, self._now))
        for id, handler, labels, epoch, attempt, run_at, entries, first, cut in rows:
            able = labels == NO_LABELS or _READ_LABELS.decode(labels).items() <= wanted.labels.items()
            if not able or handler not in wanted.handlers:
                continue
            taken.append(
                KeptJob(
                    job=self._recent.get(self._db, id),
                    state=State.ASSIGNED,
                    epoch=epoch + 1,
                    attempt=attempt + 1,
                    run_at=run_at,
                    worker=wanted.worker,
                    lease_until=wanted.lease_until,
                    offset=entries,
                    first=first,
                    cut=cut,
                )
            )
            if len(taken) >= wanted.count:
                break
        given = [(wanted.worker, wanted.lease_until, kept.job.id) for kept in taken]
        self._db.executemany(queries()["claim"], given)
        return taken

    def change(self, change: Change) -> KeptJob | None:
        if change.id in self._ended:
            self.flush()
        rows = self._do("state", change.id)
        if not rows:
            return None
        state, epoch, attempt, run_at, worker, lease_until, entries, first, cut, is_parent = rows[0]
        if State(state) not in change.sources or change.epoch not in (None, epoch):
            return None
        entries = self._log(change.id, entries, change.said)
        ends = change.to in ENDS
        kept = KeptJob(
            job=self._recent.get(self._db, change.id),
            state=change.to,
            epoch=epoch,
            attempt=attempt,
            run_at=run_at,
            worker=change.worker or worker,
            lease_until=0.0 if ends else lease_until,
            offset=entries,
            first=first,
            cut=cut,
            ended=self._now if ends else None,
            last=change.said[-1].event if ends and change.said else None,
        )
        if ends:
            return self._end(kept, answers=change.answers, is_parent=bool(is_parent))
        if change.to is State.QUEUED:
            kept = replace(kept, run_at=run_at if change.run_at is None else change.run_at, worker="", lease_until=0.0)
        self._do("move", kept.state.value, kept.run_at, kept.worker, kept.lease_until, entries, change.id)
        return kept

    def append(self, lease: Lease, said: Sequence[Said]) -> int | None:
        rows = self._do("state", lease.id)
        if not rows or State(rows[0][0]) not in LEASED or rows[0][1] != lease.epoch:
            return None
        entries: int = rows[0][6]
        self._do("set_entries", self._log(lease.id, entries, said), lease.id)
        return entries

    def _found(self, job: DurableJob) -> Added | None:
        if job.key and (rows := self._do("key", job.key, self._now)):
            return self._added(rows[0][0], "key")
        if job.cache_key and (rows := self._do("cached", job.cache_key)):
            kept = _get(self._db, rows[0][0])
            if kept is not None and kept.ended is None:
                return Added(kept, "twin")
            if kept is not None and kept.ended is not None and kept.ended + rows[0][1] > self._now:
                return Added(kept, "cached")
        return None

    def _added(self, id: str, how: How) -> Added | None:
        kept = _get(self._db, id)
        return None if kept is None else Added(kept, how)

    def _kept(self, id: str) -> KeptJob:
        self.flush()
        kept = _get(self._db, id)
        assert kept is not None
        return kept

    def _log(self, id: str, entries: int, said: Sequence[Said]) -> int:
        """Add to a log; how many entries it has then, which is still to be written."""
        for one in said:
            self._entries.append((id, entries, self._now, one.number, _TO_BYTES.encode(one.event)))
            entries += 1
        return entries

    def _end(self, kept: KeptJob, *, answers: bool = False, is_parent: bool = True) -> KeptJob:
        """`kept` is the job as it has ended; its last event is the newest that `_log` was given."""
        job, state, last = kept.job, kept.state, kept.last
        code = last.fault.code if last is not None and last.fault is not None else ""
        body = None if last is None else self._entries[-1][-1]
        self._ended[job.id] = (state.value, self._now, body, code, kept.offset, kept.worker, job.id)
        self._recent.drop(job.id)
        if job.cache_key and not answers:
            self._do("drop_cached", job.cache_key, job.id)
        for parent in job.after:
            self._do("drop_child", parent, job.id)
        for child in [row[0] for row in self._do("children", job.id)] if is_parent else ():
            waiting = self._kept(child)
            if waiting.state is not State.WAITING:
                continue
            if state is not State.SUCCEEDED:
                self._fail_with(child, job.id, state)
            elif all(self._do("state", parent)[0][0] == State.SUCCEEDED for parent in waiting.job.after):
                self._do("release", child)
        return kept

    def _fail_with(self, id: str, parent: str, state: State) -> KeptJob:
        text = f"job {parent}, which this one was to come after, ended as {state}"
        event = Event(Kind.FAILED, fault=Fault("PARENT_FAILED", text, False, {"parent": parent}))
        kept = self._kept(id)
        entries = self._log(id, kept.offset, (Said(event),))
        ended = {"ended": self._now, "last": event, "lease_until": 0.0}
        return self._end(replace(kept, state=State.FAILED, offset=entries, **ended))


def _rows(db: apsw.Connection, query: str, *values: Any) -> list[tuple[Any, ...]]:
    return db.execute(queries()[query], values).fetchall()


def _one(db: apsw.Connection, query: str, *values: Any) -> Any:
    return _rows(db, query, *values)[0][0]


def _get(db: apsw.Connection, id: str) -> KeptJob | None:
    rows = _rows(db, "job", id)
    if not rows:
        return None
    state, epoch, attempt, run_at, worker, lease_until, entries, first, cut, ended, job, last = rows[0]
    return KeptJob(
        job=_JOB.decode(job),
        state=State(state),
        epoch=epoch,
        attempt=attempt,
        run_at=run_at,
        worker=worker,
        lease_until=lease_until,
        offset=entries,
        first=first,
        cut=cut,
        ended=ended,
        last=None if last is None else _EVENT.decode(last),
    )


def _all(db: apsw.Connection, ids: Iterable[str]) -> list[KeptJob]:
    found = (_get(db, id) for id in ids)
    return [kept for kept in found if kept is not None]


def _find(db: apsw.Connection, wanted: Filter) -> list[KeptJob]:
    parts: list[tuple[str, Any]] = []
    for column, value in (("handler", wanted.handler), ("grp", wanted.group), ("schedule", wanted.schedule)):
        if value:
            parts.append((f"{column} = ?", value))
    if wanted.code:
        parts += [("code = ?", wanted.code), ("code <> ?", "")]  # the second names the index's rows
    if wanted.retry_of:
        parts += [("retry_of = ?", wanted.retry_of), ("retry_of <> ?", "")]
    if wanted.before:
        parts.append(("id < ?", wanted.before))
    where = [text for text, _ in parts]
    values = [value for _, value in parts]
    if wanted.states:
        where.append(f"state IN ({', '.join('?' * len(wanted.states))})")
        values += sorted(wanted.states)
    for key, value in wanted.labels.items():
        where.append("EXISTS (SELECT 1 FROM json_each(labels) WHERE key = ? AND value = ?)")
        values += [key, value]
    text = f"SELECT id FROM jobs WHERE {' AND '.join(where) or '1'} ORDER BY id DESC LIMIT ?"
    rows: list[tuple[Any, ...]] = db.execute(text, (*values, wanted.limit)).fetchall()
    return _all(db, [row[0] for row in rows])


def _schedule(db: apsw.Connection, name: str) -> Schedule | None:
    rows = _rows(db, "schedule", name)
    return _SCHEDULE.decode(rows[0][0]) if rows else None
