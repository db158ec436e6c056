"""The writer's steps: what a job becomes, inside one transaction of the thread that writes."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import apsw
from msgspec.structs import replace

from farhand.engines.sqlite import reading
from farhand.engines.sqlite.sql import queries
from farhand.errors import FarhandError, JobNotFound
from farhand.model.durable import DurableJob, KeptJob, Said
from farhand.model.event import Event, Fault, Kind
from farhand.model.state import ENDS, LEASED, State
from farhand.ports.store import Added, Change, Claim, How, Lease

RECENT, RECENT_SIZE = 4_096, 4_096
"""How many jobs the writer remembers, and up to how many bytes of arguments."""


class Recent:
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
        return reading.JOB.decode(reading.one(db, "submitted", id)) if job is None else job

    def drop(self, id: str) -> None:
        """It has ended."""
        self._jobs.pop(id, None)


class Write:
    """The steps of one operation inside the writer's transaction. Rows that it adds and ends wait for each other until
    something reads them or `flush` is called: many of one kind cost less together."""

    def __init__(self, db: apsw.Connection, now: float, recent: Recent) -> None:
        self._do = partial(reading.rows, db)
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
        labels = reading.LABELS.encode(job.labels).decode() if job.labels else reading.NO_LABELS
        times = (job.run_at, job.begin_by, job.end_by)
        named = (job.id, state.value, job.group, job.handler, labels, job.schedule, job.priority)
        self._added_jobs.append((*named, *times, reading.TO_BYTES.encode(job), job.retry_of))
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
        for id, _, _, epoch, attempt, run_at, entries, first, cut in reading.claimable(self._db, wanted, self._now):
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
            kept = reading.get(self._db, rows[0][0])
            if kept is not None and kept.ended is None:
                return Added(kept, "twin")
            if kept is not None and kept.ended is not None and kept.ended + rows[0][1] > self._now:
                return Added(kept, "cached")
        return None

    def _added(self, id: str, how: How) -> Added | None:
        kept = reading.get(self._db, id)
        return None if kept is None else Added(kept, how)

    def _kept(self, id: str) -> KeptJob:
        self.flush()
        kept = reading.get(self._db, id)
        assert kept is not None
        return kept

    def _log(self, id: str, entries: int, said: Sequence[Said]) -> int:
        """Add to a log; how many entries it has then, which is still to be written."""
        for one in said:
            self._entries.append((id, entries, self._now, one.number, reading.TO_BYTES.encode(one.event)))
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
