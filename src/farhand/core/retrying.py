"""Waiting longer after each failure, each time by chance, so that many who failed together don't return together."""

from __future__ import annotations

import msgspec

from farhand.core.lifecycle import BY_END, Move
from farhand.model.durable import Retries
from farhand.model.event import Event, Fault, Kind


class Backoff:
    """Full jitter (M. Brooker, "Exponential Backoff And Jitter", 2015): uniform below a bound that doubles.

    `least` and `most` are seconds.
    """

    __slots__ = ("_least", "_most", "_tries")

    def __init__(self, least: float = 0.2, most: float = 30.0) -> None:
        self._least = least
        self._most = most
        self._tries = 0

    def reset(self) -> None:
        """It worked."""
        self._tries = 0

    def next(self, chance: float) -> float:
        """Seconds to wait now; `chance` is uniform in [0, 1)."""
        self._tries = min(self._tries + 1, 32)
        bound = min(self._most, self._least * 2.0**self._tries)
        return self._least + (bound - self._least) * chance


class Verdict(msgspec.Struct, frozen=True):
    """What follows from the end of an attempt: the move, the event that says so (None: nothing more than was said), and
    when the job may begin again."""

    move: Move
    event: Event | None = None
    run_at: float | None = None


NOT_AGAIN = frozenset({"INVALID_ARGUMENTS", "TOO_LARGE"})
"""Faults that every attempt would have."""


LOST = frozenset({"OUTCOME_UNKNOWN", "NEVER_DISPATCHED", "UNAVAILABLE", "OVERLOADED", "HANDLER_NOT_FOUND"})
"""Faults of what lies between the hub and the handler. A job is tried again after one even if its handler may fail only
once, but not for ever: it may be what ends its workers."""
LOST_ATTEMPTS = 5


def judge(
    retries: Retries, attempt: int, end: Event, now: float, chance: float, *, to_the_end: bool = False
) -> Verdict:
    """What becomes of a durable job whose attempt number `attempt` ended so. `chance` is uniform in [0, 1).
    `to_the_end`: the attempt had time until the job itself expires, so that if it expired, the job did."""
    fault = end.fault
    if to_the_end and end.kind is Kind.EXPIRED:
        return Verdict(Move.EXPIRE, end)
    if fault is None or end.kind is Kind.CANCELLED:
        return Verdict(BY_END[end.kind], end)
    if fault.code in NOT_AGAIN or fault.details.get("type") in retries.never:
        return Verdict(Move.FAIL, Event(Kind.FAILED, fault=fault))
    attempts = max(retries.attempts, LOST_ATTEMPTS) if fault.code in LOST else retries.attempts
    if attempt < attempts:
        bound = min(retries.backoff_limit, retries.backoff * 2.0 ** min(attempt - 1, 64))
        return Verdict(Move.RETRY, None, now + bound * chance)
    if attempt > 1:
        text = f"attempts exhausted: the last of {attempt} failed: {fault.message}"
        details = {"attempts": attempt, "last": fault.code, **fault.details}
        fault = Fault("ATTEMPTS_EXHAUSTED", text, False, details)
    return Verdict(Move.FAIL, Event(Kind.FAILED, fault=fault))
