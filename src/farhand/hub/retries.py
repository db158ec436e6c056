"""Starting jobs anew: the same work, after the newest retries of the jobs that it came after."""

from __future__ import annotations

from farhand.errors import JobNotFound
from farhand.model.durable import DurableJob, KeptJob
from farhand.model.state import ENDS, State
from farhand.ports.store import Filter, Store

RETRIES = 1_000
"""Retries of one job that are looked at, its retries' own included."""


async def anew(store: Store, old: DurableJob, id: str) -> DurableJob:
    """The job that starts `old` anew.

    Raises:
        JobNotFound: a job whose result it takes isn't there any more, nor a retry of it.
    """
    now = store.now()
    parents: dict[str, str] = {}
    for parent in old.after:
        newest = await _newest(store, parent)
        if newest is not None:
            parents[parent] = newest.job.id
        elif parent in old.inputs.values():
            raise JobNotFound(f"job {parent}, whose result job {old.id} takes, isn't there any more", parent=parent)
    return DurableJob(
        id=id,
        handler=old.handler,
        group=old.group,
        args=old.args,
        labels=old.labels,
        priority=old.priority,
        created=now,
        run_at=now,
        begin_by=now + (old.begin_by - old.created),
        end_by=now + (old.end_by - old.created),
        run_timeout=old.run_timeout,
        retries=old.retries,
        after=tuple(dict.fromkeys(parents.values())),
        inputs={argument: parents[parent] for argument, parent in old.inputs.items()},
        retry_of=old.id,
    )


async def _newest(store: Store, id: str) -> KeptJob | None:
    """The newest of a job and its retries that has succeeded or may yet; the newest of all where each has failed. None:
    it isn't there any more, and no retry of it either."""
    first = await store.get(id)
    found = [] if first is None else [first]
    waiting = [id]
    while waiting and len(found) < RETRIES:
        retries = await store.find(Filter(retry_of=waiting.pop(), limit=RETRIES))
        found += retries
        waiting += [kept.job.id for kept in retries]
    able = [kept for kept in found if kept.state is State.SUCCEEDED or kept.state not in ENDS]
    return max(able or found, key=lambda kept: (kept.job.created, kept.job.id), default=None)
