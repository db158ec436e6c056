"""Jobs that stand for others or wait for others: what a store does in one transaction of several statements.

Each function works on a connection within a transaction that the caller has begun. Locks are taken in one order: keys,
cache keys, then jobs by id; a row that is waited for is looked at again by the next statement, which sees what the
other transaction did.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from farhand.engines.postgres import rows
from farhand.engines.postgres.sql import queries
from farhand.errors import JobNotFound
from farhand.model.durable import FOREVER, DurableJob, KeptJob, Said
from farhand.model.event import Event, Fault, Kind
from farhand.model.state import ENDS, State
from farhand.ports.store import Added, Change

_JOBS = queries("jobs")
_TIES = queries("ties")
_UNBEGUN = frozenset({State.WAITING, State.QUEUED})
Failing = tuple[str, str, State]
"""A job that is to fail, the parent it fails for, and how that one ended."""


class Taken(Exception):
    """Another transaction was first with a key: what was done is to be undone, and the job looked for again."""


async def known(connection: Any, job: DurableJob, now: float) -> Added | None:
    """The job that stands for this one, by its key before its cache key."""
    if not job.key and not job.cache_key:
        return None
    for found in await connection.fetch(_TIES["known"], job.key, job.cache_key, now):
        row = await connection.fetchrow(_JOBS["get"], [found["id"]])
        if row is not None:
            return Added(rows.kept(row), found["how"])
    return None


async def add(connection: Any, job: DurableJob, now: float) -> KeptJob:
    """Keep a job that has keys or parents.

    Raises:
        JobNotFound: a parent isn't there.
        Taken: another one has just come with the same key.
    """
    if job.key and not await connection.fetchval(_TIES["take_key"], job.key, job.id, job.key_until, now):
        raise Taken
    if job.cache_key and not await connection.fetchval(_TIES["take_cache"], job.cache_key, job.handler, job.id, now):
        raise Taken
    states = await _parents(connection, job.after)
    waits = any(state not in ENDS for state in states.values())
    state = State.WAITING if waits else State.QUEUED
    await connection.execute(_JOBS["add"], *rows.new(job, state, now))
    kept = KeptJob(job=job, state=state, run_at=job.run_at, offset=1)
    if job.after:
        await connection.execute(_TIES["link"], list(job.after), job.id)
        failed = [parent for parent, end in states.items() if end in ENDS and end is not State.SUCCEEDED]
        if failed:
            return await _fail(connection, job.id, failed[0], states[failed[0]], now) or kept
    return kept


async def finish(connection: Any, change: Change, now: float) -> list[KeptJob]:
    """Make a move to an end, and settle what depends on it: the job after it, then each that was queued or failed by
    it. Empty if the move can't be made."""
    row = await connection.fetchrow(_JOBS["finish"], *rows.finish(0, change, now, tied=True))
    if row is None:
        return []
    kept = rows.kept(row)
    if change.answers:
        until = FOREVER if kept.job.cache_ttl == FOREVER else now + kept.job.cache_ttl
        await connection.execute(_TIES["answer"], change.id, until)
    else:
        await connection.execute(_TIES["free"], change.id)
    if kept.state is State.SUCCEEDED:
        return [kept, *await _release(connection, change.id, now)]
    return [kept, *await _fail_all(connection, await _children(connection, change.id, kept.state), now)]


async def _parents(connection: Any, after: Sequence[str]) -> dict[str, State]:
    """The states of parents, in the order given; WAITING for all that have not ended."""
    if not after:
        return {}
    states = {row["id"]: State.WAITING for row in await connection.fetch(_TIES["tie"], list(after))}
    if len(states) < len(set(after)):
        states |= {row["id"]: State(row["state"]) for row in await connection.fetch(_TIES["ends"], list(after))}
    missing = [parent for parent in after if parent not in states]
    if missing:
        raise JobNotFound(f"there is no durable job {missing[0][:80]!r} to come after")
    return {parent: states[parent] for parent in after}


async def _children(connection: Any, parent: str, state: State) -> list[Failing]:
    """The jobs that wait for one that has ended in `state`, the last of them first."""
    return [(row["id"], parent, state) for row in reversed(await connection.fetch(_TIES["children"], parent))]


async def _release(connection: Any, parent: str, now: float) -> list[KeptJob]:
    """Queue the jobs that waited for this one last."""
    children = [child for child, _, _ in await _children(connection, parent, State.SUCCEEDED)]
    if not children:
        return []
    released: list[KeptJob] = []
    for row in await connection.fetch(_TIES["ready"], children):
        change = Change(id=row["id"], sources=frozenset({State.WAITING}), to=State.QUEUED)
        released += map(rows.kept, await connection.fetch(_JOBS["move"], *rows.move(0, change, now), None, ""))
    return released


async def _fail_all(connection: Any, failing: list[Failing], now: float) -> list[KeptJob]:
    """Fail jobs for their parents, from the last of the list on, each with its own children before the next one."""
    failed: list[KeptJob] = []
    while failing:
        id, parent, state = failing.pop()
        kept = await _fail(connection, id, parent, state, now)
        if kept is not None:
            failed.append(kept)
            failing += await _children(connection, id, State.FAILED)
    return failed


async def _fail(connection: Any, id: str, parent: str, state: State, now: float) -> KeptJob | None:
    text = f"job {parent}, which this one was to come after, ended as {state}"
    event = Event(Kind.FAILED, fault=Fault("PARENT_FAILED", text, False, {"parent": parent}))
    change = Change(id=id, sources=_UNBEGUN, to=State.FAILED, said=(Said(event),))
    row = await connection.fetchrow(_JOBS["finish"], *rows.finish(0, change, now, tied=True))
    if row is None:
        return None
    await connection.execute(_TIES["free"], id)
    return rows.kept(row)
