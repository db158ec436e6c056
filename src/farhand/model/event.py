"""The entries of a job's log."""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from typing import Any, Literal

import msgspec

from farhand.errors import FarhandError, from_code
from farhand.model.payload import NOTHING, Payload


class Kind(IntEnum):
    """Kinds of event. The values are the wire's `EventKind`; SUCCEEDED and above are ends, exactly one a job."""

    QUEUED = 1
    STARTED = 2
    PROGRESS = 3
    CONSOLE = 4
    CHUNK = 5
    SUCCEEDED = 8
    FAILED = 9
    CANCELLED = 10
    EXPIRED = 11

    __hash__ = int.__hash__  # Enum's own runs Python code at each look-up

    @property
    def final(self) -> bool:
        """Whether this kind ends a job."""
        return self >= Kind.SUCCEEDED


Outcome = Literal["not_started", "stopped", "finished", "killed", "unconfirmed"]
"""What a cancel's receipt says of the handler: it never began; it stopped; it had already finished; its process was
killed; or the worker had not said within the time allowed, so that it may still run."""


class Fault(msgspec.Struct, frozen=True):
    """An error as data: what a FAILED, CANCELLED or EXPIRED event carries. `code` is from `farhand.errors`."""

    code: str
    message: str
    retryable: bool = False
    details: Mapping[str, Any] = msgspec.field(default_factory=dict)


class Progress(msgspec.Struct, frozen=True):
    """How far a job is: `current` of `total` (None when unknown), in the handler's own unit."""

    current: float
    total: float | None = None
    message: str = ""


class Event(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """One entry. `payload` for CHUNK and SUCCEEDED, `fault` for the other ends, `progress`, `text` for CONSOLE.

    `worker` is set on STARTED; `outcome` on CANCELLED and EXPIRED when a cancel's receipt is in.
    """

    kind: Kind
    payload: Payload = NOTHING
    fault: Fault | None = None
    progress: Progress | None = None
    text: str = ""
    worker: str = ""
    outcome: Outcome | Literal[""] = ""


def to_fault(error: FarhandError) -> Fault:
    """An error as data."""
    return Fault(error.code, error.message, error.retryable, error.details)


def to_error(fault: Fault, outcome: str = "") -> FarhandError:
    """The error a fault stands for; a cancel's outcome becomes `details["receipt"]`."""
    error = from_code(fault.code, fault.message, fault.details, fault.retryable)
    if outcome:
        error.details["receipt"] = outcome
    return error
