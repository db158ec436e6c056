"""Events and values as plain JSON, for people, scripts and browsers."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from farhand.errors import InvalidArguments, OutcomeUnknown, TooLarge
from farhand.model.durable import Entry
from farhand.model.event import Kind
from farhand.model.payload import Media, Payload
from farhand.model.ref import as_dict
from farhand.model.ref import from_payload as from_ref
from farhand.wire.codecs import files
from farhand.wire.codecs.base import Broken, take_name
from farhand.wire.values import from_payload

_PLAIN = frozenset((Media.NONE, Media.JSON, Media.MSGPACK, Media.BYTES, Media.OPEN_JSON))
_MESSAGE_NAME = re.compile(r"[A-Za-z_][\w.]{0,200}", re.ASCII)


def value_of(payload: Payload) -> Any:
    """What a handler answered. Of what is for the two ends alone, as arrays, tables and pickles, only the media type
    and the size are told: where this runs in a hub, none of that is read.

    Raises:
        OutcomeUnknown: the bytes are not what their media type says, so they were altered on the way; or
            they would take far more memory than their size allows.
    """
    if payload.media == Media.REF:
        ref = from_ref(payload)
        return {"ref": as_dict(ref), "media": ref.format, "size": ref.size}
    if payload.media not in _PLAIN:
        return {"media": body_of(payload)[1], "size": len(payload.data)}
    try:
        return from_payload(payload)
    except (InvalidArguments, TooLarge) as error:
        raise OutcomeUnknown(f"the handler answered what can't be read: {error}") from error


def body_of(payload: Payload) -> tuple[bytes, str]:
    """Bytes and media type of a payload that isn't plain. A worker has no say in the type but for messages and tables,
    so that no browser takes its bytes for a page."""
    if payload.media == Media.ARROW:
        return payload.data, Media.ARROW.mime
    if payload.media == Media.PROTOBUF:
        try:
            name, body = take_name(memoryview(payload.data))
        except Broken:
            return payload.data, Media.BYTES.mime
        if _MESSAGE_NAME.fullmatch(name):
            return bytes(body), f"{Media.PROTOBUF.mime};type={name}"
    return payload.data, Media.BUNDLE.mime if payload.media == Media.BUNDLE else Media.BYTES.mime


def named_file(begin: bytes) -> tuple[str, int]:
    """The name of the file that a NAMED payload begins with (empty: it is no file), and where its bytes begin.

    Raises:
        OutcomeUnknown: it doesn't begin so.
    """
    try:
        name, rest = take_name(memoryview(begin))
        file = files.decode(name, memoryview(b""))
    except Broken as error:
        raise OutcomeUnknown(f"the handler answered what can't be read: {error}") from error
    return ("" if file is None else file.name), len(begin) - len(rest)


def entry_fields(entry: Entry, read: Callable[[Payload], Any] = value_of) -> dict[str, Any]:
    """An entry of a job's log, as `farhand watch` prints it and server-sent events carry it; `read` makes values of
    payloads.

    Raises:
        OutcomeUnknown: its value can't be read.
    """
    event = entry.event
    plain: dict[str, Any] = {"offset": entry.offset, "at": entry.at, "kind": event.kind.name.lower()}
    if event.kind is Kind.CHUNK or (event.kind is Kind.SUCCEEDED and event.payload.media):
        plain["value"] = read(event.payload)
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
