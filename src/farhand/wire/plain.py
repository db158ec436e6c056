"""Events and values as plain JSON, for people, scripts and browsers."""

from __future__ import annotations

from typing import Any

from farhand.errors import InvalidArguments, OutcomeUnknown
from farhand.model.durable import Entry
from farhand.model.event import Kind
from farhand.model.payload import Payload
from farhand.wire.values import from_payload


def value_of(payload: Payload) -> Any:
    """What a handler answered.

    Raises:
        OutcomeUnknown: the bytes are not what their media type says, so they were altered on the way.
    """
    try:
        return from_payload(payload)
    except InvalidArguments as error:
        raise OutcomeUnknown(f"the handler answered what can't be read: {error}") from error


def entry_fields(entry: Entry) -> dict[str, Any]:
    """An entry of a job's log, as `farhand watch` prints it and server-sent events carry it.

    Raises:
        OutcomeUnknown: its value can't be read.
    """
    event = entry.event
    plain: dict[str, Any] = {"offset": entry.offset, "at": entry.at, "kind": event.kind.name.lower()}
    if event.kind is Kind.CHUNK or (event.kind is Kind.SUCCEEDED and event.payload.media):
        plain["value"] = value_of(event.payload)
    if event.progress is not None:
        plain |= {"current": event.progress.current, "total": event.progress.total, "message": event.progress.message}
    if event.kind is Kind.CONSOLE:
        plain["text"] = event.text
    if event.worker:
        plain["worker"] = event.worker
    if event.fault is not None:
        plain |= {"error": event.fault.code, "message": event.fault.message}
    if event.outcome:
        plain["outcome"] = event.outcome
    return plain
