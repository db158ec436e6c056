"""Where a job is. Which moves lead from one state to another is `farhand.core.lifecycle`'s to say."""

from __future__ import annotations

from enum import StrEnum


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
