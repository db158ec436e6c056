"""What is sent to submit a durable job, to list some, and to have work done anew, of what a caller gives."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, TypedDict

from farhand.client.options import check_filter, check_options
from farhand.core.caching import args_digest, payload_digest, pieces_digest
from farhand.errors import InvalidArguments
from farhand.model.names import error_names
from farhand.model.payload import Payload
from farhand.wire.codecs.base import Encoded
from farhand.wire.farhand import bodies
from farhand.wire.farhand._pb import client_pb2
from farhand.wire.values import from_payload


class SubmitOptions(TypedDict, total=False):
    """How a durable job is to run; all optional.

    What a handler declares of `retries`, `backoff`, `never` and `cache` holds where they are left out or None.

    `group`: the workers that may take it ("default"). `timeout`: seconds one attempt may take. `retries`: how often it
    is tried again after it failed (0); an attempt whose worker or hub was lost is tried again in any case, up to 5
    attempts. `backoff`: seconds before the second attempt at most (1), doubling from then on up to 300, by full jitter.
    `never`: error types after which it is not tried again, e.g. ``[ValueError]`` or by name, exactly these and not
    their subclasses. `priority`: higher goes first (0). `labels`: what the worker must have. `delay`: seconds until it
    may begin. `run_at`: in its place the time before which it may not, as a datetime (without a zone: by this machine's
    clocks) or in seconds since 1970. `begin_within`, `end_within`: seconds after which it expires unless it has begun,
    or ended. `idempotency_key`: the same key gives the same job for 24 hours. `cache`: a job that does or did the same
    work stands for this one: True, or the seconds a success answers for; False for never; with `cache_failures` a
    failure answers too. `after`: jobs that must succeed first; when one does not, this one fails. `inputs`: arguments
    that are the results of other jobs, as ``{"data": job}``, which it then comes after; of one that streams, the list
    of its chunks. Left out, `retries`, `backoff`, `never` and `cache` are as the handler declares.
    """

    group: str
    timeout: float | None
    retries: int | None
    backoff: float | None
    never: Iterable[str | type[BaseException]] | None
    priority: int
    labels: Mapping[str, str] | None
    delay: float | None
    run_at: datetime | float | None
    begin_within: float | None
    end_within: float | None
    idempotency_key: str | None
    cache: bool | float | None
    cache_failures: bool
    after: Iterable[Any]
    inputs: Mapping[str, Any]


class JobFilter(TypedDict, total=False):
    """Which jobs are listed; all optional. `error` is the code that they ended with, as "ATTEMPTS_EXHAUSTED". `before`
    is an id, and only older ones are listed; `limit` is 50."""

    status: str | Iterable[str]
    handler: str
    group: str
    labels: Mapping[str, str] | None
    error: str
    before: str
    limit: int


def submit_request(
    handler: str, payload: Payload | Encoded, args: Any, options: SubmitOptions
) -> client_pb2.SubmitRequest:
    """What is sent for a durable job; large arguments are put in once they are uploaded.

    Raises:
        InvalidArguments: an option can't be sent.
    """
    unknown = sorted(options.keys() - SubmitOptions.__annotations__.keys())
    if unknown:
        raise InvalidArguments(f"submit has no option {', '.join(unknown)}")
    if not options:
        return _plain_request(handler, payload, args)
    check_options(options)
    inputs = {name: _id(one) for name, one in (options.get("inputs") or {}).items()}
    twice = (
        sorted(inputs.keys() & (args if isinstance(args, Mapping) else from_payload(payload) or {}).keys())
        if inputs and isinstance(payload, Payload)
        else ()
    )
    if twice:
        raise InvalidArguments(f"{', '.join(twice)}: given twice, as an argument and as an input from another job")
    group, timeout, cache = options.get("group") or "default", options.get("timeout"), options.get("cache")
    retries = options.get("retries")
    try:
        request = client_pb2.SubmitRequest(
            call=client_pb2.RunRequest(
                handler=handler,
                group=group,
                args=bodies.payload_message(payload) if isinstance(payload, Payload) else None,
                timeout_ms=0 if timeout is None else max(1, int(timeout * 1000)),
                priority=options.get("priority") or 0,
                labels=dict(options.get("labels") or {}),
            ),
            idempotency_key=options.get("idempotency_key") or "",
            delay=options.get("delay") or 0.0,
            run_at=_seconds(options.get("run_at")),
            attempts=0 if retries is None else 1 + retries,
            backoff=options.get("backoff") or 0.0,
            never=error_names(options.get("never") or ()),
            begin_within=options.get("begin_within") or 0.0,
            end_within=options.get("end_within") or 0.0,
            cache_ttl=0.0 if cache is None or isinstance(cache, bool) else float(cache),
            args_digest=b"" if cache is False else _digest(args, payload),
            cache_failures=options.get("cache_failures") or False,
            after=[_id(one) for one in options.get("after") or ()],
            inputs=inputs,
        )
    except (TypeError, ValueError, AttributeError) as error:
        raise InvalidArguments(f"the job can't be submitted: {error}") from error
    if cache is not None:
        request.cache = cache is not False
    return request


def _plain_request(handler: str, payload: Payload | Encoded, args: Any) -> client_pb2.SubmitRequest:
    """As `submit_request`, where there is no option: for most jobs, at a third of the cost."""
    media: Any = payload.media
    try:
        request = client_pb2.SubmitRequest(args_digest=_digest(args, payload))
        call = request.call
        call.handler, call.group = handler, "default"
        if isinstance(payload, Payload):
            call.args.data, call.args.media = payload.data, media
    except (TypeError, ValueError) as error:
        raise InvalidArguments(f"the job can't be submitted: {error}") from error
    return request


def _digest(args: Any, payload: Payload | Encoded) -> bytes:
    """What the arguments mean; empty where JSON can't say it, and their bytes count, which the hub sees unless they are
    large."""
    try:
        return args_digest(args)
    except (TypeError, ValueError, RecursionError):
        return b"" if isinstance(payload, Payload) else _digest_of(payload)


def _digest_of(args: Payload | Encoded) -> bytes:
    """As `payload_digest`, of arguments of any size."""
    return payload_digest(args) if isinstance(args, Payload) else pieces_digest(args.media, args.pieces())


def _seconds(at: datetime | float | None) -> float:
    return at.timestamp() if isinstance(at, datetime) else at or 0.0


def _id(one: Any) -> str:
    """The id of a job that is given by it or as one's `Job`.

    Raises:
        InvalidArguments: it is neither.
    """
    id = one if isinstance(one, str) else getattr(one, "id", None)
    if not isinstance(id, str):
        raise InvalidArguments(f"a job is given as its id or as what submit gave, not as {type(one).__name__}")
    return id


def list_request(wanted: JobFilter) -> client_pb2.ListJobsRequest:
    """What is sent to list jobs.

    Raises:
        InvalidArguments: there is no such filter.
    """
    unknown = sorted(wanted.keys() - JobFilter.__annotations__.keys())
    if unknown:
        raise InvalidArguments(f"jobs can't be listed by {', '.join(unknown)}")
    check_filter(wanted)
    status = wanted.get("status") or ()
    return client_pb2.ListJobsRequest(
        states=[status] if isinstance(status, str) else list(status),
        handler=wanted.get("handler") or "",
        group=wanted.get("group") or "",
        labels=dict(wanted.get("labels") or {}),
        code=wanted.get("error") or "",
        before=wanted.get("before") or "",
        limit=wanted.get("limit") or 50,
    )


def uncache_request(handler: str, group: str, args: Any, payload: Payload | Encoded) -> client_pb2.UncacheRequest:
    """What is sent to let cached work be done again; `args` None for all of a handler's."""
    digest = b"" if args is None else _digest(args, payload) or _digest_of(payload)
    return client_pb2.UncacheRequest(handler=handler, group=group, args_digest=digest)
