"""Workers and handlers ↔ their wire messages."""

from __future__ import annotations

from collections.abc import Iterable
from typing import cast, get_args

from farhand.core.scheduling import BadCron, check_cron
from farhand.errors import ProtocolViolation
from farhand.model.addresses import check_address
from farhand.model.durable import FOREVER, Keep
from farhand.model.handler import HandlerSpec, Isolate, JobDefaults
from farhand.model.limits import ATTEMPTS_LIMIT, KEEP_LIMIT, NAME_LIMIT, NEVER_LIMIT, PROTOCOL, SECONDS_LIMIT
from farhand.model.names import check_name
from farhand.model.worker import Hold, WorkerInfo, WorkerState, WorkerView
from farhand.wire.farhand._pb import client_pb2, worker_pb2


def hello_message(info: WorkerInfo, holds: Iterable[Hold] = ()) -> worker_pb2.Hello:
    """A worker's introduction, with the leased jobs it holds."""
    return worker_pb2.Hello(
        protocol=PROTOCOL,
        worker_id=info.id,
        group=info.group,
        slots=info.slots,
        labels=dict(info.labels),
        handlers=[handler_message(spec) for spec in info.handlers],
        version=info.version,
        host=info.host,
        pid=info.pid,
        holds=[
            worker_pb2.Hold(job=hold.job, timeout_ms=_left_ms(hold.left), window=hold.window, chunks=hold.chunks)
            for hold in holds
        ],
        data=info.data,
    )


def holds(hello: worker_pb2.Hello) -> list[Hold]:
    """The leased jobs that a worker holds."""
    return [
        Hold(
            job=message.job,
            left=message.timeout_ms / 1000 if message.timeout_ms else None,
            window=message.window,
            chunks=message.chunks,
        )
        for message in hello.holds
    ]


def _left_ms(left: float | None) -> int:
    """For the wire, where 0 is no deadline."""
    return 0 if left is None else max(1, round(left * 1000))


def worker_info(hello: worker_pb2.Hello) -> WorkerInfo:
    """The worker that introduces itself.

    Raises:
        InvalidArguments: a name or an address isn't one.
        ProtocolViolation: the slots or a handler make no sense.
    """
    if not 1 <= hello.slots <= 1_000_000:
        raise ProtocolViolation(f"a worker offers 1 to 1,000,000 slots, not {hello.slots}")
    return WorkerInfo(
        id=check_name("worker", hello.worker_id),
        group=check_name("group", hello.group or "default"),
        slots=hello.slots,
        labels=dict(hello.labels),
        handlers=tuple(handler_spec(message) for message in hello.handlers),
        version=hello.version,
        host=hello.host,
        pid=hello.pid,
        data=check_address(hello.data) if hello.data else "",
    )


def handler_message(spec: HandlerSpec) -> worker_pb2.Handler:
    """A handler as its wire message."""
    return worker_pb2.Handler(
        name=spec.name,
        doc=spec.doc,
        parameters=spec.parameters,
        result=spec.result,
        streams=spec.streams,
        isolate=spec.isolate,
        timeout=spec.timeout or 0.0,
        durable=_defaults_message(spec.durable),
    )


def handler_spec(message: worker_pb2.Handler) -> HandlerSpec:
    """A handler from its wire message.

    Raises:
        InvalidArguments: its name isn't one.
        ProtocolViolation: its isolation is unknown, or what it declares for durable jobs makes no sense.
    """
    if message.isolate not in get_args(Isolate):
        raise ProtocolViolation(f"handler {message.name!r} has the unknown isolation {message.isolate!r}")
    return HandlerSpec(
        name=check_name("handler", message.name),
        doc=message.doc,
        parameters=message.parameters,
        result=message.result,
        streams=message.streams,
        isolate=cast("Isolate", message.isolate),
        timeout=message.timeout or None,
        durable=_read_defaults(message.name, message.durable),
    )


def _defaults_message(defaults: JobDefaults) -> worker_pb2.JobDefaults:
    ttl = defaults.cache_ttl
    return worker_pb2.JobDefaults(
        attempts=defaults.attempts,
        backoff=defaults.backoff,
        never=defaults.never,
        cache=ttl is not None,
        cache_ttl=0.0 if ttl is None or ttl == FOREVER else ttl,
        version=defaults.version,
        schedule=defaults.schedule,
        timezone=defaults.timezone,
        missed=defaults.missed,
        keep=defaults.keep.jobs,
        keep_for=defaults.keep.seconds,
        keep_log=defaults.keep.entries,
    )


def _read_defaults(handler: str, message: worker_pb2.JobDefaults) -> JobDefaults:
    seconds = (message.backoff, message.cache_ttl)
    lengths = (len(message.version), len(message.timezone), *map(len, message.never))
    few = message.attempts <= ATTEMPTS_LIMIT and len(message.never) <= NEVER_LIMIT
    if not few or not all(0 <= one <= SECONDS_LIMIT for one in seconds) or max(lengths) > NAME_LIMIT:
        raise ProtocolViolation(f"what handler {handler!r} declares for durable jobs makes no sense")
    if message.missed not in ("", "skip", "once"):
        raise ProtocolViolation(f"handler {handler!r} has missed={message.missed[:40]!r}: it is skip or once")
    try:
        schedule = check_cron(message.schedule) if message.schedule else ""
    except BadCron as error:
        raise ProtocolViolation(f"handler {handler!r} has a schedule that can't be: {error}") from None
    return JobDefaults(
        attempts=message.attempts or 1,
        backoff=message.backoff or 1.0,
        never=tuple(message.never),
        cache_ttl=(message.cache_ttl or FOREVER) if message.cache else None,
        version=message.version,
        schedule=schedule,
        timezone=message.timezone or "UTC",
        missed="once" if message.missed == "once" else "skip",
        keep=_read_keep(handler, message),
    )


def _read_keep(handler: str, message: worker_pb2.JobDefaults) -> Keep:
    counts = message.keep <= KEEP_LIMIT and message.keep_log <= KEEP_LIMIT
    if not counts or not 0 <= message.keep_for <= SECONDS_LIMIT:
        raise ProtocolViolation(f"what handler {handler!r} declares to be kept makes no sense")
    return Keep(
        jobs=message.keep if message.HasField("keep") else None,
        seconds=message.keep_for if message.HasField("keep_for") else None,
        entries=message.keep_log if message.HasField("keep_log") else None,
    )


def worker_view_message(view: WorkerView) -> client_pb2.WorkerView:
    """A connected worker as its wire message."""
    return client_pb2.WorkerView(
        worker=hello_message(view.info),
        state=view.state.value,
        running=view.running,
        sessions=view.sessions,
        connected_for=view.connected_for,
        silent_for=view.silent_for,
    )


def worker_view(message: client_pb2.WorkerView) -> WorkerView:
    """A connected worker from its wire message."""
    return WorkerView(
        info=worker_info(message.worker),
        state=WorkerState(message.state),
        running=message.running,
        sessions=message.sessions,
        connected_for=message.connected_for,
        silent_for=message.silent_for,
    )
