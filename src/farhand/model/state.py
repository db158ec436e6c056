"""Where a job is. Which moves lead from one state to another is `farhand.core.lifecycle`'s to say."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from farhand.errors import InvalidArguments


class State(StrEnum):
    """Where a job is. WAITING is for durable jobs whose parents have not ended; the last four are ends."""

    WAITING = "waiting"
    QUEUED = "queued"
    ASSIGNED = "assigned"
    RUNNING = "running"
    CANCELLING = "cancelling"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"

    __hash__ = str.__hash__  # Enum's own runs Python code at each look-up


LEASED = frozenset({State.ASSIGNED, State.RUNNING, State.CANCELLING})
"""The states in which a worker has the job."""

ENDS = frozenset({State.SUCCEEDED, State.FAILED, State.CANCELLED, State.EXPIRED})


def read_states(names: Iterable[str]) -> frozenset[State]:
    """The states of these names.

    Raises:
        InvalidArguments: one isn't a state.
    """
    found = frozenset(names)
    wrong = sorted(found - {state.value for state in State})
    if wrong:
        raise InvalidArguments(f"no such state: {', '.join(wrong)[:200]}; there are {', '.join(State)}")
    return frozenset(State(name) for name in found)
