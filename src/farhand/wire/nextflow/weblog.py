"""Nextflow's own events, as it posts them to the URL of ``-with-weblog``, as observations."""

from __future__ import annotations

import uuid
from typing import Any, Final, Literal

import msgspec

from farhand.errors import InvalidArguments
from farhand.wire.nextflow._pb.nf_ai_comms_pb2 import TaskObservation
from farhand.wire.nextflow.observations import FIELDS, observation_of

Kind = Literal["started", "process_submitted", "process_started", "process_completed", "error", "completed"]

UNKNOWN: Final = "N/A"
"""How senders name what they don't know."""
NO_EXIT: Final = 2**31 - 1
"""What Nextflow has for the exit status of a task that hasn't ended."""
_ABSENT = (None, "", "-")
_EVENTS: Final = uuid.UUID("5f1e3a52-93f2-4c86-9d6b-0f8b7a0cc9b1")
"""The namespace of the ids that the same event always gets."""

_TYPES: dict[str, str] = {
    "process_submitted": "task_start",
    "process_started": "task_start",
    "process_completed": "task_complete",
}
"""Tasks' events, by the names that other senders have for them. Those of a whole run keep their own."""
_TRACE: dict[str, str] = {
    "process_name": "process",
    "task_id_num": "task_id",
    "task_hash": "hash",
    "task_name": "name",
    "native_id": "native_id",
    "status": "status",
    "exit_code": "exit",
    "duration_ms": "duration",
    "realtime_ms": "realtime",
    "cpu_percent": "%cpu",
    "peak_rss_bytes": "peak_rss",
    "peak_vmem_bytes": "peak_vmem",
    "read_bytes": "read_bytes",
    "write_bytes": "write_bytes",
}
"""An observation's fields, and what a trace calls them."""


class Weblog(msgspec.Struct, frozen=True, kw_only=True):
    """An event as it is posted. Its further keys, and those of the trace, differ between Nextflow's versions."""

    event: Kind
    run_name: str = msgspec.field(name="runName")
    run_id: str = msgspec.field(name="runId")
    time: str = msgspec.field(name="utcTime")
    trace: dict[str, Any] | None = None
    metadata: msgspec.Raw = msgspec.Raw(b"null")


_WEBLOG = msgspec.json.Decoder(Weblog)


def read_weblog(body: bytes) -> TaskObservation:
    """The observation that an event's body is. The same event has the same id, however often it is posted.

    Raises:
        InvalidArguments: it is no such event; `details["problems"]` has the path of what is wrong.
    """
    try:
        body.decode()
        return _observation(_WEBLOG.decode(body))
    except msgspec.ValidationError as error:
        what, _, path = str(error).partition(" - at `")
        path = path.rstrip("`") or "$"
        raise _refused(f"{path}: {what}", path) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _refused(f"the body is not valid JSON: {error}", "$") from None


def _observation(event: Weblog) -> TaskObservation:
    trace = event.trace or {}
    found: dict[str, Any] = {"process_name": UNKNOWN} if event.trace is not None else {}
    for field, name in _TRACE.items():
        value = trace.get(name)
        if value not in _ABSENT and not (field == "exit_code" and value == NO_EXIT):
            found[field] = _checked(field, name, value)
    same = (event.run_id, event.event, trace.get("task_id"), trace.get("attempt"), None if trace else event.time)
    found |= {
        "event_id": str(uuid.uuid5(_EVENTS, msgspec.json.encode(same).decode())),
        "event_type": _TYPES.get(event.event, event.event),
        "timestamp_iso": event.time,
        "pipeline_name": event.run_name or UNKNOWN,
    }
    try:
        return observation_of(found)
    except ValueError as error:  # of the three texts that stand outside of the trace
        raise _refused(str(error), "$") from None


def _checked(field: str, name: str, value: Any) -> Any:
    """A trace's value, which is to fit by itself, so that what is wrong is told by its own name."""
    try:
        return FIELDS[field](value)
    except ValueError as error:
        raise _refused(f"{name} {error}", f"$.trace.{name}") from None


def _refused(what: str, path: str) -> InvalidArguments:
    return InvalidArguments(f"this is no event of Nextflow's: {what}", problems=[{"path": path, "message": what}])


__all__ = ["Weblog", "read_weblog"]
