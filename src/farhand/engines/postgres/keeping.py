"""What is kept of jobs that have ended, in a PostgreSQL database: one hub at a time deletes, in short transactions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from farhand.engines.postgres.sql import queries
from farhand.model.durable import Keep
from farhand.ports.store import Declared, History, Mark, Prune, Pruned

_SQL = queries("keeping")
_encode = msgspec.msgpack.Encoder().encode
_keep = msgspec.msgpack.Decoder(Keep).decode


async def declare(connection: Any, given: Sequence[Declared]) -> None:
    """As `Keeping.declare`."""
    keeps = [_encode(one.keep) for one in given]
    await connection.execute(_SQL["declare"], [one.group for one in given], [one.handler for one in given], keeps)


async def declared(connection: Any) -> list[Declared]:
    """As `Keeping.declared`."""
    rows = await connection.fetch(_SQL["declared"])
    return [Declared(row["grp"], row["handler"], _keep(row["keep"])) for row in rows]


async def history(connection: Any) -> list[History]:
    """As `Keeping.history`."""
    rows = await connection.fetch(_SQL["history"])
    return [History(row["handler"], row["oldest"], row["newest"]) for row in rows]


async def surplus(connection: Any, handler: str, keep: int) -> Mark | None:
    """As `Keeping.surplus`."""
    row = await connection.fetchrow(_SQL["surplus"], handler, keep)
    return None if row is None else Mark(row["ended"], row["id"])


async def trim(connection: Any, id: str, upto: int, cut: int) -> bool:
    """As `Logs.trim`."""
    done: int = await connection.fetchval(_SQL["trim"], id, upto, cut)
    return done > 0


async def prune(connection: Any, schema: str, wanted: Prune, now: float) -> Pruned:
    """As `Keeping.prune`, within the connection's transaction. While another hub prunes, nothing is done."""
    if not await connection.fetchval(_SQL["one_prunes"], schema):
        return Pruned(0, 0, None)
    places = (wanted.after.ended, wanted.after.id, wanted.upto.ended, wanted.upto.id)
    looked = await connection.fetch(_SQL["prunable"], wanted.handler, *places, wanted.jobs, now)
    chosen = _first_of(looked, wanted.entries)
    ours = await _lock(connection, chosen)
    lengths = await _lengths(connection, ours, wanted.entries)
    gone: list[str] = []
    entries, size = 0, wanted.size
    after: Mark | None = wanted.after
    for row in looked:
        id = row["id"]
        if not row["needed"] and (entries >= wanted.entries or size <= 0 or row not in chosen):
            break
        if id in lengths:
            own, places_of = lengths[id]
            size -= own
            upto = row["log_begin"]
            for place, length in places_of[: wanted.entries - entries]:
                upto, size = place + 1, size - length
                if size <= 0:
                    break
            entries += upto - row["log_begin"]
            if upto < row["log_end"]:
                await trim(connection, id, upto, row["cut"])
                break
            gone.append(id)
        after = Mark(row["ended"], id)
    else:
        if len(looked) < wanted.jobs:
            after = None
    if gone:
        await connection.execute(_SQL["drop"], gone)
    return Pruned(len(gone), entries, after)


def _first_of(looked: Sequence[Any], entries: int) -> list[Any]:
    """The first of those that nothing needs, up to the one with which their logs have so many entries."""
    chosen: list[Any] = []
    for row in looked:
        if not row["needed"] and entries > 0:
            chosen.append(row)
            entries -= row["log_end"] - row["log_begin"]
    return chosen


async def _lock(connection: Any, chosen: list[Any]) -> list[Any]:
    """Those that no other transaction has, and that nothing has come to need meanwhile."""
    ids = [row["id"] for row in chosen]
    ours = {row["id"] for row in await connection.fetch(_SQL["doomed"], ids)}
    ours -= {row["id"] for row in await connection.fetch(_SQL["tied"], ids)}
    return [row for row in chosen if row["id"] in ours]


async def _lengths(connection: Any, chosen: list[Any], most: int) -> dict[str, tuple[int, list[tuple[int, int]]]]:
    """By job: the size of its own row, and the places and sizes of the first entries of its log."""
    ids, firsts = [row["id"] for row in chosen], [row["log_begin"] for row in chosen]
    found: dict[str, tuple[int, list[tuple[int, int]]]] = {}
    for row in await connection.fetch(_SQL["lengths"], ids, firsts, most):
        found.setdefault(row["job"], (row["own"], []))[1].append((row["place"], row["size"]))
    return found
