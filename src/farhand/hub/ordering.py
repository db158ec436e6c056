"""What a caller asks of a durable job, checked and made a job: the same for every front."""

from __future__ import annotations

from functools import lru_cache

from farhand.core.caching import cache_key, payload_digest
from farhand.errors import InvalidArguments
from farhand.model.durable import FOREVER, DurableJob, Retries
from farhand.model.handler import JobDefaults
from farhand.model.limits import ATTEMPTS_LIMIT, NAME_LIMIT, NEVER_LIMIT, SECONDS_LIMIT
from farhand.model.names import check_name
from farhand.model.order import Order
from farhand.model.payload import check_size

KEY_LIMIT = 200
DIGEST_SIZE = 32
KEY_SECONDS = 24 * 3600.0
AFTER_LIMIT = 1_000

_SECONDS = ("delay", "backoff", "backoff_limit", "begin_within", "end_within", "cache_ttl")


@lru_cache(maxsize=1024)
def _retries(attempts: int, backoff: float, limit: float, never: tuple[str, ...]) -> Retries:
    return Retries(attempts=attempts, backoff=backoff, backoff_limit=limit, never=never)


_named = lru_cache(maxsize=4096)(check_name)


def durable_job(order: Order, id: str, now: float, declared: JobDefaults) -> DurableJob:
    """The job that is asked for; what it doesn't say is as its handler has `declared`.

    Raises:
        InvalidArguments: a part of it makes no sense; the message names it.
        TooLarge: the arguments are over the limit.
    """
    check_size(len(order.args.data), "the arguments")
    _check(order, now)
    after = tuple(dict.fromkeys((*order.after, *order.inputs.values()))) if order.after or order.inputs else ()
    if len(after) > AFTER_LIMIT:
        raise InvalidArguments(f"a job may come after {AFTER_LIMIT:,} others, not {len(after):,}")
    run_at = max(now, order.run_at) if order.run_at else now + order.delay
    retries = _retries(
        order.attempts or declared.attempts,
        order.backoff or declared.backoff,
        order.backoff_limit or 300.0,
        order.never or declared.never,
    )
    return DurableJob(
        id=id,
        handler=_named("handler", order.handler),
        group=_named("group", order.group or "default"),
        args=order.args,
        labels=order.labels,
        priority=order.priority,
        created=now,
        run_at=run_at,
        begin_by=run_at + order.begin_within if order.begin_within else FOREVER,
        end_by=run_at + order.end_within if order.end_within else FOREVER,
        run_timeout=order.timeout or None,
        retries=retries,
        key=order.key,
        key_until=now + KEY_SECONDS if order.key else 0.0,
        cache_key=_cache_key(order, declared),
        cache_ttl=order.cache_ttl or declared.cache_ttl or FOREVER,
        cache_failures=order.cache_failures,
        after=after,
        inputs=order.inputs,
    )


def _check(order: Order, now: float) -> None:
    if order.session:
        raise InvalidArguments("a durable job can't be of a session: its worker may be gone when it runs")
    for name, text in (("idempotency_key", order.key), ("cache_key", order.cache_key)):
        if len(text) > KEY_LIMIT:
            raise InvalidArguments(f"{name} may have {KEY_LIMIT} characters")
    for name in _SECONDS:
        if not 0 <= getattr(order, name) <= SECONDS_LIMIT:
            raise InvalidArguments(f"{name} is seconds, from 0 to {SECONDS_LIMIT:,.0f}")
    if not 0 <= order.run_at <= now + SECONDS_LIMIT:
        raise InvalidArguments(f"run_at is a time in seconds since 1970, at most {SECONDS_LIMIT:,.0f} s from now")
    if order.run_at and order.delay:
        raise InvalidArguments("delay and run_at both say when it may begin: give one")
    if order.attempts > ATTEMPTS_LIMIT:
        raise InvalidArguments(f"attempts is at most {ATTEMPTS_LIMIT:,}, not {order.attempts:,}")
    if len(order.never) > NEVER_LIMIT:
        raise InvalidArguments(f"never names at most {NEVER_LIMIT} error types, not {len(order.never):,}")
    if len(order.digest) not in (0, DIGEST_SIZE):
        raise InvalidArguments(f"args_digest is a SHA-256, of {DIGEST_SIZE} bytes, not {len(order.digest)}")
    for argument in order.inputs:
        if not 0 < len(argument) <= NAME_LIMIT:
            raise InvalidArguments(f"inputs has an argument's name, of 1 to {NAME_LIMIT} characters, for each job")


def _cache_key(order: Order, declared: JobDefaults) -> str:
    """What finds the same work: the caller's own key, or one made of all that the work is."""
    wanted = order.cache if order.cache is not None else declared.cache_ttl is not None
    if order.cache_key or not wanted:
        return order.cache_key
    digest = order.digest or payload_digest(order.args)
    return cache_key(order.handler, order.group or "default", declared.version, digest, order.inputs)
