"""What is kept of jobs that have ended, in a SQLite file.

What is to be deleted is looked for by the reader; the writer deletes it, in steps that are short by their bounds. Pages
that become free are used again, so the file stays as large as it ever had to be.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import apsw
import msgspec

from farhand.engines.sqlite.sql import queries
from farhand.model.durable import Keep
from farhand.ports.store import Declared, History, Mark, Prune, Pruned

_TO_BYTES = msgspec.msgpack.Encoder()
_KEEP = msgspec.msgpack.Decoder(Keep)

Looked = list[tuple[Mark, bool]]
"""Ended jobs in their order, and whether something needs each."""


def declare(db: apsw.Connection, given: Sequence[Declared]) -> None:
    """As `Keeping.declare`."""
    db.executemany(queries()["declare"], [(one.group, one.handler, _TO_BYTES.encode(one.keep)) for one in given])


def declared(db: apsw.Connection) -> list[Declared]:
    """As `Keeping.declared`."""
    return [Declared(group, handler, _KEEP.decode(keep)) for group, handler, keep in _rows(db, "declared")]


def history(db: apsw.Connection) -> list[History]:
    """As `Keeping.history`."""
    return [History(*row) for row in _rows(db, "history")]


def surplus(db: apsw.Connection, handler: str, keep: int) -> Mark | None:
    """As `Keeping.surplus`."""
    rows = _rows(db, "surplus", handler, keep)
    return Mark(*rows[0]) if rows else None


def look(db: apsw.Connection, wanted: Prune, now: float) -> Looked:
    """The jobs that are looked at."""
    places = (wanted.after.ended, wanted.after.id, wanted.upto.ended, wanted.upto.id)
    rows = _rows(db, "prunable", wanted.handler, *places, wanted.jobs, now)
    return [(Mark(ended, id), bool(needed)) for ended, id, needed in rows]


def prune(db: apsw.Connection, looked: Looked, wanted: Prune, now: float) -> Pruned:
    """Delete what nothing needs of the jobs that were looked at, as far as the bounds allow."""
    jobs = entries = 0
    size, after = wanted.size, wanted.after
    for mark, needed in looked:
        if needed or not (rows := _rows(db, "prunable_now", mark.id, now)):
            after = mark
            continue
        if entries >= wanted.entries or size <= 0:
            return Pruned(jobs, entries, after)
        first, end, own = rows[0]
        size -= own
        upto = first
        for place, length in db.execute(queries()["lengths"], (mark.id, first, wanted.entries - entries)):
            upto, size = place + 1, size - length
            if size <= 0:
                break
        entries += upto - first
        if upto < end:
            trim(db, mark.id, upto, None)
            return Pruned(jobs, entries, after)
        for query in ("drop_log", "drop_key_of", "drop_cached_of", "drop_job"):
            _rows(db, query, mark.id)
        jobs, after = jobs + 1, mark
    return Pruned(jobs, entries, after if len(looked) == wanted.jobs else None)


def trim(db: apsw.Connection, id: str, upto: int, cut: int | None) -> bool:
    """As `Logs.trim`; without `cut` it stays as it is."""
    if not _rows(db, "trim", upto, cut, id):
        return False
    _rows(db, "drop_before", id, upto)
    return True


def _rows(db: apsw.Connection, query: str, *values: Any) -> list[tuple[Any, ...]]:
    return db.execute(queries()[query], values).fetchall()
