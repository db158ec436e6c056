"""Durable jobs and their logs ↔ their wire messages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from farhand.core.caching import cache_key, payload_digest
from farhand.errors import InvalidArguments, ProtocolViolation
from farhand.model.durable import FOREVER, DurableJob, Entry, KeptJob, Retries
from farhand.model.event import Event, Kind
from farhand.model.handler import JobDefaults
from farhand.model.job import NO_LABELS
from farhand.model.limits import ATTEMPTS_LIMIT, NAME_LIMIT, NEVER_LIMIT, SECONDS_LIMIT
from farhand.model.names import check_name
from farhand.model.state import State
from farhand.ports.store import Filter, Schedule
from farhand.wire.farhand import bodies
from farhand.wire.farhand._pb import client_pb2

KEY_LIMIT = 200
DIGEST_SIZE = 32
KEY_SECONDS = 24 * 3600.0
AFTER_LIMIT = 1_000
LIST_LIMIT = 1_000

_PAYLOADS = (Kind.CHUNK, Kind.SUCCEEDED)


def event_message(job: str, event: Event, number: int) -> client_pb2.JobEvent:
    """An event in rows, for callers that don't read columns."""
    kind: Any = int(event.kind)
    message = client_pb2.JobEvent(job_id=job, kind=kind, number=number)
    if event.progress is not None:
        message.progress.MergeFromString(bodies.progress_bytes(event.progress))
    elif event.kind in _PAYLOADS:
        message.payload.CopyFrom(bodies.payload_message(event.payload))
    elif event.fault is not None:
        message.fault.MergeFromString(bodies.fault_bytes(event.fault, event.outcome))
    message.text = event.text if event.kind is Kind.CONSOLE else ""
    message.worker_id = event.worker
    return message


def read_event(message: client_pb2.JobEvent) -> Event:
    """The event in a row.

    Raises:
        ProtocolViolation: it can't be read.
    """
    kind = bodies.KINDS.get(message.kind)
    if kind is None:
        raise ProtocolViolation(f"an event has the unknown kind {message.kind}")
    try:
        if message.HasField("fault"):
            fault, outcome = bodies.read_fault(message.fault.SerializeToString())
            return Event(kind, fault=fault, outcome=outcome)
        if message.HasField("progress"):
            return Event(kind, progress=bodies.read_progress(message.progress.SerializeToString()))
    except ValueError as error:
        raise ProtocolViolation(f"the body of an event can't be read: {error}") from error
    return Event(kind, bodies.payload_of(message.payload), text=message.text, worker=message.worker_id)


def entry_message(job: str, entry: Entry) -> client_pb2.LogEntry:
    """An entry of a job's log."""
    return client_pb2.LogEntry(offset=entry.offset, at=entry.at, event=event_message(job, entry.event, entry.number))


def read_entry(message: client_pb2.LogEntry) -> Entry:
    """The entry.

    Raises:
        ProtocolViolation: it can't be read.
    """
    return Entry(message.offset, message.at, read_event(message.event), message.event.number)


def view_message(kept: KeptJob) -> client_pb2.JobView:
    """A job as it is shown."""
    job = kept.job
    view = client_pb2.JobView(
        job_id=job.id,
        handler=job.handler,
        group=job.group,
        state=kept.state.value,
        attempt=kept.attempt,
        attempts=job.retries.attempts,
        created=job.created,
        run_at=kept.run_at,
        ended=kept.ended or 0.0,
        worker_id=kept.worker,
        offset=kept.offset,
        priority=job.priority,
        labels=dict(job.labels),
        after=job.after,
        retry_of=job.retry_of,
        schedule=job.schedule,
        inputs=dict(job.inputs),
    )
    if kept.last is not None:
        view.last.CopyFrom(event_message(job.id, kept.last, 0))
    return view


def durable_job(request: client_pb2.SubmitRequest, id: str, now: float, declared: JobDefaults) -> DurableJob:
    """The job that is asked for; what it doesn't say is as its handler has `declared`.

    Raises:
        InvalidArguments: a part of it makes no sense; the message names it.
    """
    call = request.call
    if call.session:
        raise InvalidArguments("a durable job can't be of a session: its worker may be gone when it runs")
    for name in ("idempotency_key", "cache_key"):
        if len(getattr(request, name)) > KEY_LIMIT:
            raise InvalidArguments(f"{name} may have {KEY_LIMIT} characters")
    for name in ("delay", "backoff", "backoff_limit", "begin_within", "end_within", "cache_ttl"):
        if not 0 <= getattr(request, name) <= SECONDS_LIMIT:
            raise InvalidArguments(f"{name} is seconds, from 0 to {SECONDS_LIMIT:,.0f}")
    if request.attempts > ATTEMPTS_LIMIT:
        raise InvalidArguments(f"attempts is at most {ATTEMPTS_LIMIT:,}, not {request.attempts:,}")
    if len(request.never) > NEVER_LIMIT:
        raise InvalidArguments(f"never names at most {NEVER_LIMIT} error types, not {len(request.never):,}")
    if len(request.args_digest) not in (0, DIGEST_SIZE):
        raise InvalidArguments(f"args_digest is a SHA-256, of {DIGEST_SIZE} bytes, not {len(request.args_digest)}")
    after = tuple(dict.fromkeys((*request.after, *request.inputs.values())))
    if len(after) > AFTER_LIMIT:
        raise InvalidArguments(f"a job may come after {AFTER_LIMIT:,} others, not {len(after):,}")
    for argument in request.inputs:
        if not 0 < len(argument) <= NAME_LIMIT:
            raise InvalidArguments(f"inputs has an argument's name, of 1 to {NAME_LIMIT} characters, for each job")
    run_at = now + request.delay
    retries = Retries(
        attempts=request.attempts or declared.attempts,
        backoff=request.backoff or declared.backoff,
        backoff_limit=request.backoff_limit or 300.0,
        never=tuple(request.never) or declared.never,
    )
    return DurableJob(
        id=id,
        handler=check_name("handler", call.handler),
        group=check_name("group", call.group or "default"),
        args=bodies.payload_of(call.args),
        labels=dict(call.labels) if call.labels else NO_LABELS,
        priority=call.priority,
        created=now,
        run_at=run_at,
        begin_by=run_at + request.begin_within if request.begin_within else FOREVER,
        end_by=run_at + request.end_within if request.end_within else FOREVER,
        run_timeout=call.timeout_ms / 1000 if call.timeout_ms else None,
        retries=retries,
        key=request.idempotency_key,
        key_until=now + KEY_SECONDS if request.idempotency_key else 0.0,
        cache_key=_cache_key(request, declared),
        cache_ttl=request.cache_ttl or declared.cache_ttl or FOREVER,
        cache_failures=request.cache_failures,
        after=after,
        inputs=dict(request.inputs),
    )


def _cache_key(request: client_pb2.SubmitRequest, declared: JobDefaults) -> str:
    """What finds the same work: the caller's own key, or one made of all that the work is."""
    wanted = request.cache if request.HasField("cache") else declared.cache_ttl is not None
    if request.cache_key or not wanted:
        return request.cache_key
    call = request.call
    digest = request.args_digest or payload_digest(bodies.payload_of(call.args))
    return cache_key(call.handler, call.group or "default", declared.version, digest, request.inputs)


def schedule_view(schedule: Schedule) -> client_pb2.ScheduleView:
    """A schedule as it is shown."""
    view = client_pb2.ScheduleView(
        name=schedule.name,
        handler=schedule.handler,
        group=schedule.group,
        cron=schedule.cron,
        timezone=schedule.timezone,
        missed=schedule.missed,
        fired=schedule.fired,
        last_job=schedule.last,
    )
    if schedule.next_at < FOREVER:
        view.next_at = schedule.next_at
    return view


def job_filter(request: client_pb2.ListJobsRequest) -> Filter:
    """Which jobs are asked for.

    Raises:
        InvalidArguments: a state isn't one, or the limit is too high.
    """
    if request.limit > LIST_LIMIT:
        raise InvalidArguments(f"limit is at most {LIST_LIMIT:,}, not {request.limit:,}")
    return Filter(
        states=read_states(request.states),
        handler=request.handler,
        group=request.group,
        labels=dict(request.labels),
        code=request.code,
        before=request.before,
        limit=request.limit or 50,
    )


def read_states(names: Sequence[str]) -> frozenset[State]:
    """The states of these names.

    Raises:
        InvalidArguments: one isn't a state.
    """
    try:
        return frozenset(State(name) for name in names)
    except ValueError:
        wrong = sorted(set(names) - {state.value for state in State})
        raise InvalidArguments(f"no such state: {', '.join(wrong)}; there are {', '.join(State)}") from None
