"""When a schedule fires, and what becomes of the times that nobody was there for."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, tzinfo
from hashlib import sha256
from typing import Literal

import msgspec
from cronsim import CronSim, CronSimError

from farhand.model.durable import FOREVER

ON_TIME = 60.0
"""Seconds after its time in which a firing counts as on time; later it is missed."""

CRON_LIMIT = 200
"""Longest cron expression, in characters."""

Missed = Literal["skip", "once"]

_FIELDS = (
    ("second", "0-59"),
    ("minute", "0-59"),
    ("hour", "0-23"),
    ("day-of-month", "1-31 or L"),
    ("month", "1-12 or JAN-DEC"),
    ("day-of-week", "0-7 or SUN-SAT"),
)
_SOME_DAY = datetime(2024, 1, 1)


class BadCron(ValueError):
    """A cron expression can't be read, or names a time that never comes; the message shows the field."""


class Firing(msgspec.Struct, frozen=True):
    """What is to be done about a schedule that is due: a job for the time `due`, or none if it is None; and when it is
    due again, which may be never (infinity)."""

    due: float | None
    next_at: float


def check_cron(cron: str) -> str:
    """`cron`, if it names times that come: five fields (minute, hour, day of month, month, day of week), or six with
    seconds first.

    Raises:
        BadCron: it doesn't.
    """
    if len(cron) > CRON_LIMIT:
        raise BadCron(f"{cron[:CRON_LIMIT]!r}… is longer than {CRON_LIMIT} characters")
    parts = cron.split()
    if len(parts) not in (5, 6):
        raise BadCron(
            f"{cron!r} has {len(parts)} fields; 5 are needed (minute, hour, day of month, month, day of week), or 6 "
            "with the second first"
        )
    for at, (name, allowed) in enumerate(_FIELDS[-len(parts) :]):
        part, alone = parts[at], ["*"] * len(parts)
        alone[at] = part
        try:
            CronSim(" ".join(alone), _SOME_DAY)
        except (CronSimError, ValueError, TypeError, AssertionError):
            raise BadCron(
                f"{cron!r} has the {name} {part!r}, which can't be read; {allowed} may stand there, with * , - and /"
            ) from None
    try:
        next(CronSim(cron, _SOME_DAY))
    except (CronSimError, StopIteration):
        raise BadCron(f"{cron!r} never comes: no such day is in these months") from None
    return cron


def next_time(cron: str, zone: tzinfo, after: float) -> float | None:
    """The first time after `after` that a checked `cron` names, by the clocks of `zone`; None if there is none in the
    next 50 years. All times are seconds since 1970.

    A job of certain hours runs once where the clocks change: at the first of the two times that have its name, or,
    where its time is left out, as soon as the clocks have changed.
    """
    for at in CronSim(cron, datetime.fromtimestamp(after, zone)):
        if (found := at.timestamp()) > after:  # in the hour that comes twice it begins with the first
            return found
    return None


def decide(
    next_at: float, missed: Missed, now: float, begun: bool, next_after: Callable[[float], float | None]
) -> Firing | None:
    """What is to be done at `now` about a schedule that was to fire at `next_at`; None if nothing is. `begun`: its last
    job has begun, or there was none. `next_after` gives the next time after another.

    The latest time, if it is on time, has its job. Those before are missed, and so are all if none is on time: "skip"
    makes no job of them, "once" one job of all. While the last job has not begun, no other is added: under "skip" what
    comes meanwhile is left out, under "once" it is owed.
    """
    if next_at > now or (missed == "once" and not begun):
        return None
    latest: float | None = next_at if next_at > now - ON_TIME else None
    coming = next_after(next_at if latest is not None else now - ON_TIME)
    while coming is not None and coming <= now:
        latest, coming = coming, next_after(coming)
    if not begun:
        latest = None
    elif latest is None and missed == "once":
        latest = next_at
    return Firing(latest, FOREVER if coming is None else coming)


def firing_id(name: str, fired: int, due: float) -> str:
    """The id of the job of a schedule's firing, the same whoever computes it: a UUIDv7 of its time, with a random part
    made of the name, the count of firings before it, and the time."""
    ms = max(0, int(due * 1000)) & (1 << 48) - 1
    chance = int.from_bytes(sha256(f"{name}\0{fired}\0{ms}".encode()).digest()[:10])
    rand_a, rand_b = chance >> 62 & 0xFFF, chance & (1 << 62) - 1
    text = f"{ms << 80 | 7 << 76 | rand_a << 64 | 2 << 62 | rand_b:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def schedule_name(group: str, handler: str) -> str:
    """What the schedule of a handler is called: as the handler, with its group before a slash unless it is default."""
    return handler if group == "default" else f"{group}/{handler}"
