"""What `@app.handler(…)` says of durable jobs → what the hub is told. What makes no sense fails there."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any, TypedDict

from farhand.model.durable import FOREVER
from farhand.model.handler import JobDefaults
from farhand.model.limits import ATTEMPTS_LIMIT, NAME_LIMIT, NEVER_LIMIT, SECONDS_LIMIT
from farhand.model.names import error_names


class DurableOptions(TypedDict, total=False):
    """How durable jobs of a handler are run where their submit doesn't say; all optional.

    `retries`: how often one is tried again after it failed (0). `backoff`: seconds before the second attempt at most
    (1), doubling from then on up to 300, by full jitter. `never`: error types after which it is not tried again, e.g.
    ``(ValueError,)``, exactly these and not their subclasses. `cache`: True, or the seconds a success answers for: a
    job that does or did the same work stands for another. `version`: another one makes it other work; raise it when the
    handler gives other results.
    """

    retries: int
    backoff: float
    never: Iterable[str | type[BaseException]]
    cache: bool | float
    version: str


def declared(handler: str, options: DurableOptions) -> JobDefaults:
    """What a handler declares.

    Raises:
        TypeError: there is no such option.
        ValueError: an option makes no sense.
    """
    known = DurableOptions.__annotations__
    for name in options:
        if name not in known:
            near = get_close_matches(name, known, n=1)
            raise TypeError(
                f"handler {handler!r}: there is no option {name!r}" + (f"; did you mean {near[0]}?" if near else "")
            )
    try:
        return JobDefaults(
            attempts=1 + _count("retries", options.get("retries", 0), ATTEMPTS_LIMIT - 1),
            backoff=_seconds("backoff", options.get("backoff", 1.0)),
            never=_never(options.get("never", ())),
            cache_ttl=_cache(options.get("cache", False)),
            version=_version(options.get("version", "")),
        )
    except (TypeError, ValueError) as error:
        raise ValueError(f"handler {handler!r}: {error}") from None


def _count(name: str, value: Any, most: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= most:
        raise ValueError(f"{name} is a whole number from 0 to {most:,}, not {value!r}")
    return value


def _seconds(name: str, value: Any) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 < value <= SECONDS_LIMIT:
        raise ValueError(f"{name} is more than 0 seconds, not {value!r}")
    return float(value)


def _never(value: Any) -> tuple[str, ...]:
    names = error_names(value)
    if len(names) > NEVER_LIMIT or any(len(name) > NAME_LIMIT for name in names):
        raise ValueError(f"never has at most {NEVER_LIMIT} names, each of at most {NAME_LIMIT} characters")
    return names


def _cache(value: Any) -> float | None:
    if isinstance(value, bool):
        return FOREVER if value else None
    return _seconds("cache, where not True or False,", value)


def _version(value: Any) -> str:
    if not isinstance(value, str) or len(value) > NAME_LIMIT:
        raise ValueError(f"version is a text of at most {NAME_LIMIT} characters, not {value!r}")
    return value
