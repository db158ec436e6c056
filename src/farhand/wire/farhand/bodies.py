"""The bodies of events: faults, progress and text ↔ bytes."""

from __future__ import annotations

from typing import Any, get_args

import msgspec

from farhand.errors import ProtocolViolation
from farhand.model.event import Event, Fault, Kind, Outcome, Progress
from farhand.model.job import Input
from farhand.model.limits import TEXT_LIMIT
from farhand.model.payload import NOTHING, Payload
from farhand.wire.farhand._pb import common_pb2 as pb
from farhand.wire.farhand._pb import worker_pb2

KINDS: dict[int, Kind] = {int(kind): kind for kind in Kind}
_SUCCEEDED, _CHUNK = Kind.SUCCEEDED, Kind.CHUNK
_OUTCOMES = frozenset(get_args(Outcome)) | {""}
_TO_JSON = msgspec.json.Encoder(enc_hook=str)
_FROM_JSON: msgspec.json.Decoder[dict[str, Any]] = msgspec.json.Decoder(dict[str, Any])


def body_of(event: Event) -> tuple[bytes, int]:
    """The event's body and its media type, as the columns hold them."""
    kind = event.kind
    if kind is _SUCCEEDED or kind is _CHUNK:
        return event.payload.data, event.payload.media
    if event.fault is not None:
        return fault_bytes(event.fault, event.outcome), 0
    if event.progress is not None:
        return progress_bytes(event.progress), 0
    if kind == Kind.STARTED:
        return event.worker.encode(), 0
    return cut(event.text).encode(errors="replace"), 0


def event_of(kind: int, body: bytes, media: int) -> Event:
    """The event with this body.

    Raises:
        ProtocolViolation: the kind is unknown, or the body is not one of its kind.
    """
    if kind == 8 or kind == 5:
        return Event(KINDS[kind], Payload(body, media))
    known = KINDS.get(kind)
    if known is None:
        raise ProtocolViolation(f"an event has the unknown kind {kind}")
    try:
        if known.final:
            fault, outcome = read_fault(body)
            return Event(known, fault=fault, outcome=outcome)
        if known is Kind.PROGRESS:
            return Event(known, progress=read_progress(body))
        text = body.decode(errors="replace")
    except ValueError as error:
        raise ProtocolViolation(f"the body of a {known.name.lower()} event can't be read: {error}") from error
    return Event(known, worker=text) if known is Kind.STARTED else Event(known, text=text)


def input_message(one: Input) -> worker_pb2.Input:
    """An argument that is another job's result."""
    values = [payload_message(value) for value in one.values]
    return worker_pb2.Input(argument=one.argument, values=values, chunks=one.chunks)


def read_input(message: worker_pb2.Input) -> Input:
    """The argument.

    Raises:
        ProtocolViolation: it has no value, or several that are no list.
    """
    if not message.chunks and len(message.values) != 1:
        raise ProtocolViolation(f"the input {message.argument[:40]!r} has {len(message.values)} values, not one")
    return Input(message.argument, tuple([payload_of(value) for value in message.values]), message.chunks)


def fault_bytes(fault: Fault, outcome: str = "") -> bytes:
    """A fault as a wire message; texts over 64 KiB are cut, details that JSON can't hold are left out."""
    details = {key: cut(value) if isinstance(value, str) else value for key, value in fault.details.items()}
    try:
        encoded = _TO_JSON.encode(details) if details else b""
    except Exception:  # whatever a handler put there: an error must always reach its caller
        encoded = _TO_JSON.encode({"omitted": "the details can't be sent"})
    if len(encoded) > 4 * TEXT_LIMIT:
        encoded = _TO_JSON.encode({"omitted": "the details were too large to send"})
    return pb.Fault(
        code=fault.code, message=cut(fault.message), retryable=fault.retryable, details=encoded, outcome=outcome
    ).SerializeToString()


def read_fault(body: bytes) -> tuple[Fault, Any]:
    """The fault and a cancel's outcome (empty for none).

    Raises:
        ValueError: it is not one.
    """
    try:
        message = pb.Fault.FromString(body)
        details = _FROM_JSON.decode(message.details) if message.details else {}
    except Exception as error:
        raise ValueError(str(error)) from error
    if message.outcome not in _OUTCOMES:
        raise ValueError(f"unknown outcome {message.outcome!r}")
    return Fault(message.code, message.message, message.retryable, details), message.outcome


def progress_bytes(progress: Progress) -> bytes:
    """Progress as a wire message."""
    return pb.Progress(
        current=progress.current, total=progress.total, message=cut(progress.message)
    ).SerializeToString()


def read_progress(body: bytes) -> Progress:
    """Progress from its wire message.

    Raises:
        ValueError: it is not one.
    """
    try:
        message = pb.Progress.FromString(body)
    except Exception as error:
        raise ValueError(str(error)) from error
    return Progress(message.current, message.total if message.HasField("total") else None, message.message)


def cut(text: str) -> str:
    """`text`, cut with a mark where it is over 64 Ki characters; lone surrogates become ``?``."""
    if len(text) > TEXT_LIMIT:
        text = f"{text[:TEXT_LIMIT]} … [{len(text) - TEXT_LIMIT:,} more characters]"
    return text if text.isascii() else text.encode(errors="replace").decode()


def payload_of(message: pb.Payload) -> Payload:
    """A wire payload as a noun."""
    return Payload(message.data, int(message.media)) if message.media else NOTHING


def payload_message(payload: Payload) -> pb.Payload:
    """A payload as its wire message."""
    media: Any = payload.media
    return pb.Payload(data=payload.data, media=media)
