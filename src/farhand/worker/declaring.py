"""What `@app.handler(…)` says of durable jobs → what the hub is told. What makes no sense fails there."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any, Literal, TypedDict
from zoneinfo import ZoneInfo, available_timezones

from farhand.core.scheduling import check_cron
from farhand.model.durable import FOREVER, Keep
from farhand.model.handler import JobDefaults
from farhand.model.limits import ATTEMPTS_LIMIT, KEEP_LIMIT, NAME_LIMIT, NEVER_LIMIT, SECONDS_LIMIT
from farhand.model.names import error_names


class DurableOptions(TypedDict, total=False):
    """How durable jobs of a handler are run where their submit doesn't say; all optional.

    `retries`: how often one is tried again after it failed (0). `backoff`: seconds before the second attempt at most
    (1), doubling from then on up to 300, by full jitter. `never`: error types after which it is not tried again, e.g.
    ``(ValueError,)``, exactly these and not their subclasses. `cache`: True, or the seconds a success answers for: a
    job that does or did the same work stands for another. `version`: another one makes it other work; raise it when the
    handler gives other results. `schedule`: a cron expression by which it runs by itself, as ``"*/5 * * * *"``; six
    fields begin with the seconds. `timezone`: by whose clocks ("UTC"), as ``"Europe/Berlin"``. `missed`: what becomes
    of times that no hub was there for: "skip" them, or make up for all of them "once".
    `keep`: how many of its ended jobs are kept, the newest. `keep_for`: seconds that an ended job is kept. Left out,
    both are as the hub says. `keep_log`: how many entries of a job's log are kept, the newest (all). 0 is no bound.
    """

    retries: int
    backoff: float
    never: Iterable[str | type[BaseException]]
    cache: bool | float
    version: str
    schedule: str
    timezone: str
    missed: Literal["skip", "once"]
    keep: int
    keep_for: float
    keep_log: int


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
            keep=_keep(options),
            **_times(options),
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


def _keep(options: DurableOptions) -> Keep:
    """What is kept of them."""
    seconds = options.get("keep_for")
    return Keep(
        jobs=_count("keep", options["keep"], KEEP_LIMIT) if "keep" in options else None,
        seconds=None if seconds is None else 0.0 if seconds == 0 else _seconds("keep_for, where not 0,", seconds),
        entries=_count("keep_log", options["keep_log"], KEEP_LIMIT) if "keep_log" in options else None,
    )


def _times(options: DurableOptions) -> dict[str, Any]:
    """When it runs by itself."""
    cron = options.get("schedule")
    if cron is None:
        if "timezone" in options or "missed" in options:
            raise ValueError("timezone and missed are for a schedule, and there is none")
        return {}
    if not isinstance(cron, str):
        raise ValueError(f"schedule is a cron expression, as '*/5 * * * *', not {cron!r}")
    zone, missed = options.get("timezone", "UTC"), options.get("missed", "skip")
    if missed not in ("skip", "once"):
        raise ValueError(f"missed is 'skip' or 'once', not {missed!r}")
    return {"schedule": check_cron(cron), "timezone": _timezone(zone), "missed": missed}


def _timezone(name: Any) -> str:
    if not isinstance(name, str) or not name or len(name) > NAME_LIMIT:
        raise ValueError(f"timezone is a name, as 'Europe/Berlin', not {name!r}")
    if name == "UTC":
        return name
    try:
        return ZoneInfo(name).key
    except (KeyError, ValueError, OSError):
        known = available_timezones()
        near = get_close_matches(name, known, n=1)
        hint = f"did you mean {near[0]}?" if near else "" if known else "this machine knows none: install tzdata"
        raise ValueError(f"there is no timezone {name!r}; {hint or 'it is a name as Europe/Berlin'}") from None


def _version(value: Any) -> str:
    if not isinstance(value, str) or len(value) > NAME_LIMIT:
        raise ValueError(f"version is a text of at most {NAME_LIMIT} characters, not {value!r}")
    return value
