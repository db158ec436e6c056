"""Rows and nouns: what is written of a job, and what is read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from farhand.model.durable import DurableJob, Entry, KeptJob, Retries, Said
from farhand.model.event import Event, Kind
from farhand.model.state import State
from farhand.ports.store import Change, Claim, Schedule

_encode = msgspec.msgpack.Encoder().encode
_job = msgspec.msgpack.Decoder(DurableJob).decode
_retries = msgspec.msgpack.Decoder(Retries).decode
_event = msgspec.msgpack.Decoder(Event).decode
_json = msgspec.json.Encoder(order="deterministic").encode
_NOUN = {"grp": "group"}
_STATES = {str(state): state for state in State}


def labels(given: Mapping[str, str]) -> str | None:
    """Labels as JSON; None for none, as most jobs have."""
    return _json(given).decode() if given else None


def new(job: DurableJob, state: State, now: float) -> tuple[Any, ...]:
    """The parameters of `add`."""
    times = (job.priority, job.run_at, job.begin_by, job.end_by)
    named = (job.id, job.handler, job.group, job.schedule, labels(job.labels), _encode(job))
    queued = _encode(Event(Kind.QUEUED, text=job.id))
    return (*named, now, queued, *times, state.value, job.cache_key != "", job.retry_of)


def claim(asker: int, wanted: Claim, now: float) -> tuple[Any, ...]:
    """The parameters of `claim`."""
    able = _json(wanted.labels).decode()
    handlers = sorted(wanted.handlers)
    return (asker, wanted.group, handlers, able, wanted.worker, wanted.count, now, wanted.lease_until, wanted.only)


def due(wanted: Claim, now: float) -> tuple[Any, ...]:
    """The parameters of `due`."""
    able = _json(wanted.labels).decode()
    return (wanted.group, sorted(wanted.handlers), able, wanted.count, now, wanted.only)


def move(asker: int, change: Change, now: float) -> tuple[Any, ...]:
    """The parameters that `move` and `finish` share."""
    states = [state.value for state in change.sources]
    return (asker, change.id, states, change.epoch, change.to.value, now, *said(change.said))


def finish(asker: int, change: Change, now: float, *, tied: bool) -> tuple[Any, ...]:
    """The parameters of `finish`."""
    fault = change.said[-1].event.fault if change.said else None
    return (*move(asker, change, now), tied, "" if fault is None else fault.code, change.worker)


def said(events: Sequence[Said]) -> tuple[list[bytes], list[int]]:
    """Events, and their numbers."""
    return [_encode(one.event) for one in events], [one.number for one in events]


def kept(row: Any) -> KeptJob:
    """A job, from any of the queries that give one."""
    last = row["last"]
    return KeptJob(
        job=_job(row["body"]),
        state=_STATES[row["state"]],
        epoch=row["epoch"],
        attempt=row["attempt"],
        run_at=row["run_at"],
        worker=row["worker"],
        lease_until=row["lease_until"],
        offset=row["log_end"],
        first=row["log_begin"],
        cut=row["cut"],
        ended=row["ended"],
        last=None if last is None else _event(last),
    )


def entry(row: Any) -> Entry:
    """An entry of a log."""
    return Entry(row["place"], row["at"], _event(row["body"]), row["number"])


def schedule(row: Any) -> Schedule:
    """A schedule."""
    values = {_NOUN.get(name, name): value for name, value in row.items()}
    return msgspec.convert(values | {"retries": _retries(row["retries"])}, Schedule)


def of_schedule(schedule: Schedule) -> tuple[Any, ...]:
    """The parameters of `put`."""
    named = (schedule.name, schedule.handler, schedule.group, schedule.cron, schedule.timezone, schedule.missed)
    return (*named, _encode(schedule.retries), schedule.next_at, schedule.fired, schedule.last)
