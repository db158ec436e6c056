"""Entries of a job's log ↔ server-sent events."""

from __future__ import annotations

import re
from collections.abc import Iterable

from farhand.errors import InvalidArguments, OutcomeUnknown
from farhand.model.durable import Entry
from farhand.wire.http.values import encode
from farhand.wire.plain import entry_fields

MEDIA = "text/event-stream"
RETRY = b"retry: 1000\n\n"
"""Milliseconds after which a browser whose stream was cut comes back."""
HEARTBEAT = b": still here\n\n"

_OFFSET = re.compile(r"[0-9]{1,18}")


def events_of(entries: Iterable[Entry]) -> bytes:
    """Entries as events: the offset as the id, the kind, and one JSON object."""
    return b"".join(
        [
            b"id: %d\nevent: %s\ndata: %s\n\n" % (entry.offset, entry.event.kind.name.lower().encode(), _data(entry))
            for entry in entries
        ]
    )


def _data(entry: Entry) -> bytes:
    try:
        return encode(entry_fields(entry))
    except OutcomeUnknown as error:  # a worker's bytes that nobody can read are no reason to end the log
        kind = entry.event.kind.name.lower()
        return encode({"offset": entry.offset, "at": entry.at, "kind": kind, "unreadable": error.message})


def first_wanted(last_id: str | None, asked: int) -> int:
    """The offset of the first entry that a follower wants: the one after `Last-Event-ID`, else what it `asked` for.

    Raises:
        InvalidArguments: the id isn't one of ours.
    """
    if last_id is None or not last_id:
        return asked
    if not _OFFSET.fullmatch(last_id):
        raise InvalidArguments(f"Last-Event-ID is an offset, 0 or more, not {last_id[:40]!r}", option="Last-Event-ID")
    return int(last_id) + 1
