"""Durable jobs and their logs ↔ their wire messages."""

from __future__ import annotations

from typing import Any

from farhand.errors import ProtocolViolation
from farhand.model.durable import FOREVER, Entry, KeptJob
from farhand.model.event import Event, Kind
from farhand.model.job import NO_LABELS
from farhand.model.order import Order
from farhand.model.state import read_states
from farhand.ports.store import Filter, Schedule
from farhand.wire.farhand import bodies
from farhand.wire.farhand._pb import client_pb2

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
        first=kept.first,
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


def order(request: client_pb2.SubmitRequest) -> Order:
    """The durable job that is asked for. To copy an empty list or map takes as long as ten fields, and most are."""
    call, never, parents, inputs = request.call, request.never, request.after, request.inputs
    return Order(
        handler=call.handler,
        group=call.group,
        args=bodies.payload_of(call.args),
        labels=dict(call.labels) if call.labels else NO_LABELS,
        priority=call.priority,
        timeout=call.timeout_ms / 1000 if call.timeout_ms else None,
        session=call.session,
        key=request.idempotency_key,
        delay=request.delay,
        run_at=request.run_at,
        attempts=request.attempts,
        backoff=request.backoff,
        backoff_limit=request.backoff_limit,
        never=tuple(never) if never else (),
        begin_within=request.begin_within,
        end_within=request.end_within,
        cache=request.cache if request.HasField("cache") else None,
        cache_key=request.cache_key,
        cache_ttl=request.cache_ttl,
        cache_failures=request.cache_failures,
        digest=request.args_digest,
        after=tuple(parents) if parents else (),
        inputs=dict(inputs) if inputs else NO_LABELS,
    )


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
        InvalidArguments: a state isn't one.
    """
    return Filter(
        states=read_states(request.states),
        handler=request.handler,
        group=request.group,
        labels=dict(request.labels),
        code=request.code,
        before=request.before,
        limit=request.limit or 50,
    )
