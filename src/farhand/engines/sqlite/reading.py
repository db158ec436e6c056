"""Rows of a SQLite store ↔ nouns."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import apsw
import msgspec

from farhand.engines.sqlite.sql import queries
from farhand.model.durable import DurableJob, KeptJob
from farhand.model.event import Event
from farhand.model.state import State
from farhand.ports.store import Claim, Filter, Schedule

TO_BYTES = msgspec.msgpack.Encoder()
JOB = msgspec.msgpack.Decoder(DurableJob)
EVENT = msgspec.msgpack.Decoder(Event)
SCHEDULE = msgspec.msgpack.Decoder(Schedule)
LABELS = msgspec.json.Encoder(order="deterministic")
NO_LABELS = "{}"
READ_LABELS = msgspec.json.Decoder(dict[str, str])


def rows(db: apsw.Connection, query: str, *values: Any) -> list[tuple[Any, ...]]:
    """What a named query gives."""
    return db.execute(queries()[query], values).fetchall()


def one(db: apsw.Connection, query: str, *values: Any) -> Any:
    """The one value that a named query gives."""
    return rows(db, query, *values)[0][0]


def get(db: apsw.Connection, id: str) -> KeptJob | None:
    """The job; None if there is none of this id."""
    found = rows(db, "job", id)
    if not found:
        return None
    state, epoch, attempt, run_at, worker, lease_until, entries, first, cut, ended, job, last = found[0]
    return KeptJob(
        job=JOB.decode(job),
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
        last=None if last is None else EVENT.decode(last),
    )


def all_of(db: apsw.Connection, ids: Iterable[str]) -> list[KeptJob]:
    """Those of these jobs that are there, in this order."""
    found = (get(db, id) for id in ids)
    return [kept for kept in found if kept is not None]


def find(db: apsw.Connection, wanted: Filter) -> list[KeptJob]:
    """The jobs that fit."""
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
    if wanted.cache_key:
        parts.append(("id IN (SELECT job FROM cache WHERE key = ?)", wanted.cache_key))
    where = [text for text, _ in parts]
    values = [value for _, value in parts]
    if wanted.states:
        where.append(f"state IN ({', '.join('?' * len(wanted.states))})")
        values += sorted(wanted.states)
    for key, value in wanted.labels.items():
        where.append("EXISTS (SELECT 1 FROM json_each(labels) WHERE key = ? AND value = ?)")
        values += [key, value]
    text = f"SELECT id FROM jobs WHERE {' AND '.join(where) or '1'} ORDER BY id DESC LIMIT ?"
    found: list[tuple[Any, ...]] = db.execute(text, (*values, wanted.limit)).fetchall()
    return all_of(db, [row[0] for row in found])


def claimable(db: apsw.Connection, wanted: Claim, now: float) -> Iterator[tuple[Any, ...]]:
    """The rows of `jobs_to_claim` that a claim may take, as many as it wants."""
    one = (wanted.only,) if wanted.only else ()
    found: Iterable[tuple[Any, ...]] = db.execute(
        queries()["job_to_claim" if one else "jobs_to_claim"], (wanted.group, now, *one)
    )
    left = wanted.count
    for row in found:
        able = row[2] == NO_LABELS or READ_LABELS.decode(row[2]).items() <= wanted.labels.items()
        if able and row[1] in wanted.handlers:
            yield row
            left -= 1
        if left <= 0:
            return


def due(db: apsw.Connection, wanted: Claim, now: float) -> list[KeptJob]:
    """What a claim would take."""
    return all_of(db, [row[0] for row in claimable(db, wanted, now)])


def schedule(db: apsw.Connection, name: str) -> Schedule | None:
    """The schedule; None if there is none of this name."""
    found = rows(db, "schedule", name)
    return SCHEDULE.decode(found[0][0]) if found else None
