"""What submitters, runners and administrators are told. Times are milliseconds since 1970."""

from __future__ import annotations

from typing import Any

import msgspec

from farhand.model.durable import KeptJob
from farhand.model.event import Fault, Progress
from farhand.model.payload import Media, Payload
from farhand.model.state import State
from farhand.wire.plain import value_of

STATUSES = ("pending", "claimed", "in_progress", "completed", "failed", "expired")

OF_STATE = {
    State.WAITING: "pending",
    State.QUEUED: "pending",
    State.ASSIGNED: "claimed",
    State.RUNNING: "in_progress",
    State.CANCELLING: "in_progress",
    State.SUCCEEDED: "completed",
    State.FAILED: "failed",
    State.CANCELLED: "failed",
    State.EXPIRED: "expired",
}

_MESSAGES = {
    "pending": "Job is already queued",
    "claimed": "Job is already claimed by a runner",
    "in_progress": "Job is already in progress",
    "completed": "Job already completed (cached result)",
    "failed": "Job previously failed",
    "expired": "Job result has expired",
}

_encode = msgspec.json.Encoder(enc_hook=str).encode
_BAD_ARGUMENTS = ("INVALID_ARGUMENTS", "TOO_LARGE")


def encode(body: Any) -> bytes:
    """A body as JSON."""
    return _encode(body)


def states_of(status: str) -> frozenset[State]:
    """The states that a status stands for."""
    return frozenset(state for state, name in OF_STATE.items() if name == status)


def status_of(kept: KeptJob, outdated: bool) -> str:
    """What a job's state is called; `outdated` where its result isn't good any more."""
    return "expired" if outdated else OF_STATE[kept.state]


def standing(kept: KeptJob, status: str, end: dict[str, Any]) -> dict[str, Any]:
    """A job that is there already, for who checks or submits it; `end` as from `end_of` or empty."""
    return {"job_id": kept.job.id, "status": status, "message": _MESSAGES[status], **end}


def result(output: Any, console: str) -> dict[str, Any]:
    """The end of a job that completed."""
    return {"result": {"output_data": output, "console_output": console}}


def error(fault: Fault | None) -> dict[str, Any]:
    """The end of one that failed: in its runner's words, or in those that a runner would use for a worker's."""
    if fault is None or fault.details.get("reported"):
        return {"error": fault.message if fault is not None else ""}
    bad = fault.code in _BAD_ARGUMENTS or fault.details.get("type") == "ValueError"
    return {"error": f"{'Invalid parameters' if bad else 'Job execution failed'}: {fault.message}"}


def output_of(payload: Payload, chunks: list[Payload]) -> Any:
    """A result as an object: what is none is its `result`, and a stream's chunks are its `chunks`.

    Raises:
        OutcomeUnknown: it can't be read.
    """
    if chunks or payload.media == Media.NONE:
        return {"chunks": [value_of(chunk) for chunk in chunks]}
    value = value_of(payload)
    return value if isinstance(value, dict) else {"result": value}


def progress(found: Progress | None) -> dict[str, Any]:
    """How far it is, if that is known."""
    if found is None:
        return {}
    return {"progress": {"current": _plain(found.current), "total": _plain(found.total)}}


def ms(seconds: float) -> int:
    """Milliseconds."""
    return int(seconds * 1000)


def _plain(number: float | None) -> float | int | None:
    return int(number) if number is not None and number.is_integer() else number
