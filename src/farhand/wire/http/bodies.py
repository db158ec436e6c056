"""What the API shows and takes: the JSON bodies as types, from and to the model's nouns."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from farhand.errors import InvalidArguments
from farhand.model.durable import FOREVER, KeptJob
from farhand.model.handler import HandlerView
from farhand.model.limits import ATTEMPTS_LIMIT, NAME_LIMIT, NEVER_LIMIT, SECONDS_LIMIT
from farhand.model.order import Order
from farhand.model.payload import Media, Payload
from farhand.model.ref import Ref, as_dict
from farhand.model.worker import WorkerView
from farhand.ports.store import Added, Schedule
from farhand.wire.http import values

Seconds = Annotated[float, Meta(ge=0, le=SECONDS_LIMIT)]
Name = Annotated[str, Meta(min_length=1, max_length=NAME_LIMIT)]
Key = Annotated[str, Meta(min_length=1, max_length=200)]
Priority = Annotated[int, Meta(ge=-(2**31), le=2**31 - 1)]


class NewJob(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A durable job as it is asked for. Times are in seconds; what isn't said is as the handler declares.

    `timeout` is for one attempt. `run_at` is seconds since 1970, or a time with its zone. `cache` may be a number of
    seconds too. `after` are jobs that must succeed first, `inputs` maps arguments to the jobs whose results they are.
    """

    handler: Name
    args: dict[str, Any] = {}
    group: Name = "default"
    timeout: Annotated[float, Meta(gt=0, le=SECONDS_LIMIT)] | None = None
    retries: Annotated[int, Meta(ge=0, lt=ATTEMPTS_LIMIT)] | None = None
    backoff: Seconds | None = None
    never: Annotated[list[Name], Meta(max_length=NEVER_LIMIT)] | None = None
    priority: Priority = 0
    labels: dict[str, str] = {}
    delay: Seconds = 0.0
    run_at: Annotated[float, Meta(ge=0)] | Annotated[datetime, Meta(tz=True)] | None = None
    begin_within: Seconds = 0.0
    end_within: Seconds = 0.0
    cache: bool | Annotated[float, Meta(gt=0, le=SECONDS_LIMIT)] | None = None
    cache_failures: bool = False
    idempotency_key: Key | None = None
    after: Annotated[list[str], Meta(max_length=1_000)] = []
    inputs: dict[str, str] = {}


_NEW_JOB = msgspec.json.Decoder(NewJob)


def read_new_job(body: bytes) -> NewJob:
    """The job that a body asks for.

    Raises:
        InvalidArguments: it is no such body; `details["problems"]` has the path of what is wrong.
    """
    try:
        return _NEW_JOB.decode(body)
    except msgspec.ValidationError as error:
        what, _, path = str(error).partition(" - at `")
        raise InvalidArguments(
            f"the body is no job: {error}", problems=[{"path": path.rstrip("`") or "$", "message": what}]
        ) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidArguments(
            f"the body is not valid JSON: {error}", problems=[{"path": "$", "message": str(error)}]
        ) from None


def _seconds(at: float | datetime | None) -> float:
    return at.timestamp() if isinstance(at, datetime) else at or 0.0


def order(new: NewJob, header_key: str | None) -> Order:
    """What is asked for; `header_key` is what `Idempotency-Key` says.

    Raises:
        InvalidArguments: the header and the body say different keys.
    """
    if header_key and new.idempotency_key and header_key != new.idempotency_key:
        raise InvalidArguments("the Idempotency-Key header and idempotency_key in the body are not the same")
    cached = None if new.cache is None else new.cache is not False
    ttl = 0.0 if new.cache is None or isinstance(new.cache, bool) else float(new.cache)
    return Order(
        handler=new.handler,
        group=new.group,
        args=Payload(values.encode(new.args), int(Media.JSON)),
        labels=new.labels,
        priority=new.priority,
        timeout=new.timeout,
        key=new.idempotency_key or header_key or "",
        delay=new.delay,
        run_at=_seconds(new.run_at),
        attempts=0 if new.retries is None else 1 + new.retries,
        backoff=new.backoff or 0.0,
        never=tuple(new.never or ()),
        begin_within=new.begin_within,
        end_within=new.end_within,
        cache=cached,
        cache_ttl=ttl,
        cache_failures=new.cache_failures,
        digest=b"" if new.cache is False else values.digest(new.args),
        after=tuple(new.after),
        inputs=new.inputs,
    )


class JobBody(msgspec.Struct, frozen=True, kw_only=True):
    """A durable job as it is now. Times are seconds since 1970. `entries` is how long its log is, and `first` the
    offset of the first entry that is still kept; `error` and `message`
    say why it ended otherwise than by success. `how` is there after a submit: "new"; or the job was found by its "key",
    as a running "twin", or "cached"."""

    id: str
    status: str
    handler: str
    group: str
    attempt: int
    attempts: int
    created: float
    run_at: float
    ended: float | None
    worker: str
    entries: int
    first: int
    priority: int
    labels: Mapping[str, str]
    after: tuple[str, ...]
    inputs: Mapping[str, str]
    retry_of: str
    schedule: str
    error: str = ""
    message: str = ""
    how: str | msgspec.UnsetType = msgspec.UNSET


def job_body(kept: KeptJob, how: str | msgspec.UnsetType = msgspec.UNSET) -> JobBody:
    """A job as it is shown."""
    job = kept.job
    fault = kept.last.fault if kept.last is not None else None
    return JobBody(
        id=job.id,
        status=kept.state.value,
        handler=job.handler,
        group=job.group,
        attempt=kept.attempt,
        attempts=job.retries.attempts,
        created=job.created,
        run_at=kept.run_at,
        ended=kept.ended,
        worker=kept.worker,
        entries=kept.offset,
        first=kept.first,
        priority=job.priority,
        labels=job.labels,
        after=job.after,
        inputs=job.inputs,
        retry_of=job.retry_of,
        schedule=job.schedule,
        error=fault.code if fault is not None else "",
        message=fault.message if fault is not None else "",
        how=how,
    )


def added_body(added: Added) -> JobBody:
    """What became of a submit."""
    return job_body(added.kept, added.how)


class JobsBody(msgspec.Struct, frozen=True):
    """Durable jobs, newest first. `next` is the `before` that lists older ones; null where these are all."""

    jobs: list[JobBody]
    next: str | None


def jobs_body(found: list[KeptJob], limit: int) -> JobsBody:
    """A listing of at most `limit` jobs."""
    return JobsBody([job_body(one) for one in found], found[-1].job.id if len(found) == limit else None)


class ReceiptBody(msgspec.Struct, frozen=True):
    """What a cancel learned of the handler: not_started, stopped, finished, killed or unconfirmed."""

    outcome: str
    message: str


class RefBody(msgspec.Struct, frozen=True):
    """A ref as clients take it, and the path where curl or a browser fetches what it stands for."""

    ref: dict[str, Any]
    url: str


def ref_body(ref: Ref) -> RefBody:
    """What is said of a ref."""
    return RefBody(as_dict(ref), f"/v1/refs/{ref.id}?token={ref.token}")


class WorkerBody(msgspec.Struct, frozen=True, kw_only=True):
    """A connected worker. `state` is ready, stalled or draining; times are in seconds."""

    id: str
    group: str
    state: str
    slots: int
    running: int
    sessions: int
    labels: Mapping[str, str]
    handlers: list[str]
    version: str
    host: str
    pid: int
    connected_for: float
    silent_for: float


class WorkersBody(msgspec.Struct, frozen=True):
    """The connected workers."""

    workers: list[WorkerBody]


def worker_body(view: WorkerView) -> WorkerBody:
    """A worker as it is shown."""
    info = view.info
    return WorkerBody(
        id=info.id,
        group=info.group,
        state=view.state.value,
        slots=info.slots,
        running=view.running,
        sessions=view.sessions,
        labels=info.labels,
        handlers=[spec.name for spec in info.handlers],
        version=info.version,
        host=info.host,
        pid=info.pid,
        connected_for=view.connected_for,
        silent_for=view.silent_for,
    )


class HandlerBody(msgspec.Struct, frozen=True, kw_only=True):
    """A handler that can be called. `parameters` and `result` are JSON Schemas; `result` is of one chunk where it
    streams. `timeout` is its own, in seconds."""

    name: str
    group: str
    doc: str
    streams: bool
    isolate: str
    timeout: float | None
    workers: int
    slots_free: int
    parameters: dict[str, Any]
    result: dict[str, Any]


class HandlersBody(msgspec.Struct, frozen=True):
    """The handlers that can be called, one entry a group and name."""

    handlers: list[HandlerBody]


def handler_body(view: HandlerView) -> HandlerBody:
    """A handler as it is shown."""
    spec = view.handler
    return HandlerBody(
        name=spec.name,
        group=view.group,
        doc=spec.doc,
        streams=spec.streams,
        isolate=spec.isolate,
        timeout=spec.timeout,
        workers=view.workers,
        slots_free=view.slots_free,
        parameters=_schema(spec.parameters),
        result=_schema(spec.result),
    )


def _schema(text: bytes) -> dict[str, Any]:
    """A worker's JSON Schema; empty, which fits everything, where it isn't one."""
    try:
        found: dict[str, Any] = msgspec.json.decode(text, type=dict[str, Any])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return {}
    return found


class ScheduleBody(msgspec.Struct, frozen=True, kw_only=True):
    """A handler that runs at times. `next_at` is in seconds since 1970, null for never again; `fired` counts its jobs,
    and `last` is the last of them."""

    name: str
    handler: str
    group: str
    cron: str
    timezone: str
    missed: str
    next_at: float | None
    fired: int
    last: str


class SchedulesBody(msgspec.Struct, frozen=True):
    """The schedules, by name."""

    schedules: list[ScheduleBody]


def schedule_body(schedule: Schedule) -> ScheduleBody:
    """A schedule as it is shown."""
    return ScheduleBody(
        name=schedule.name,
        handler=schedule.handler,
        group=schedule.group,
        cron=schedule.cron,
        timezone=schedule.timezone,
        missed=schedule.missed,
        next_at=schedule.next_at if schedule.next_at < FOREVER else None,
        fired=schedule.fired,
        last=schedule.last,
    )


class HealthBody(msgspec.Struct, frozen=True):
    """`status` is live or ready."""

    status: str
