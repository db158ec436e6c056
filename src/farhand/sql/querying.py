"""How an answer is streamed: its columns, then its rows in chunks, then how many they were."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from importlib.resources import files
from operator import itemgetter
from typing import Any

import msgspec
import msgspec.structs

from farhand.errors import InvalidArguments
from farhand.sql.databases import Database, Databases
from farhand.sql.dialects.base import Row, column, finite
from farhand.sql.errors import QueryFailed, QueryRefused
from farhand.sql.statements import Statement, checked
from farhand.sql.watching import Running

CHUNK_ROWS = 1000
CHUNK_BYTES = 32 * 1024
"""Bytes of rows that a chunk aims at: as JSON too it mostly still goes into a frame that others share."""
FIRST_ROWS = 50
"""Rows that are fetched before it is known how large they are."""

_SIZE_OF = msgspec.msgpack.Encoder().encode
Chunks = Generator[dict[str, Any], None, dict[str, Any]]


class Ask(msgspec.Struct, frozen=True, kw_only=True):
    """A query, as `farhand.kits.sql` explains its fields."""

    query: str
    database: str = ""
    params: Sequence[Any] | Mapping[str, Any] | None = None
    max_rows: int | None = None
    chunk_rows: int = CHUNK_ROWS


def query(databases: Databases, ask: Ask, stopped: Callable[[], bool]) -> Chunks:
    """Answer a query; `stopped` says whether nobody waits for it any more. What is given back is
    ``{"rows": N, "truncated": bool}``.

    Raises:
        SqlError: it can't be answered.
        InvalidArguments: a number makes no sense.
    """
    if ask.chunk_rows < 1:
        raise InvalidArguments(f"chunk_rows must be 1 or more, not {ask.chunk_rows}")
    if ask.max_rows is not None and ask.max_rows < 0:
        raise InvalidArguments(f"max_rows must be 0 or more, not {ask.max_rows}")
    database = databases.find(ask.database)
    statement = checked(ask.query, ask.params, database.dialect.rules)
    most = databases.limits.max_rows if ask.max_rows is None else min(ask.max_rows, databases.limits.max_rows)
    with _answer(databases, database, statement, stopped) as answer:
        return (yield from answer.chunks(most, ask.chunk_rows))


def tables(databases: Databases, database_name: str, stopped: Callable[[], bool]) -> list[dict[str, Any]]:
    """The tables and views of a database, each with its columns.

    Raises:
        SqlError: it can't be asked.
    """
    database = databases.find(database_name)
    text = files("farhand.sql.tables").joinpath(f"{database.dialect.rules.dialect}.sql").read_text()
    found: dict[tuple[str, str], dict[str, Any]] = {}
    with _answer(databases, database, Statement(text, None), stopped) as answer:
        for rows in answer.batches(databases.limits.max_rows, CHUNK_ROWS):
            for schema, table, view, name, kind, brackets, nullable in rows:
                entry = {"schema": schema, "name": table, "kind": "view" if view else "table", "columns": []}
                entry = found.setdefault((schema, table), entry)
                if name is not None:
                    made = msgspec.structs.asdict(column(name, kind, brackets))
                    entry["columns"].append({**made, "nullable": bool(nullable)})
    return list(found.values())


@contextlib.contextmanager
def _answer(
    databases: Databases, database: Database, statement: Statement, stopped: Callable[[], bool]
) -> Iterator[_Answer]:
    """An answer that is read until the block ends. Its connection goes back only if nothing can still happen to it."""
    dialect, limits = database.dialect, databases.limits
    with database.connection() as pooled:
        connection = pooled.dbapi_connection
        running = Running(lambda: dialect.interrupt(connection, database.url), limits.timeout, stopped)
        answer = _Answer(database, connection, running, limits.max_bytes)
        clean = False
        try:
            with databases.watch.over(running):
                try:
                    answer.begin(statement)
                except (QueryFailed, QueryRefused):
                    clean = True
                    raise
                yield answer
            clean = answer.leave()
        finally:
            # An interrupt that was sent may arrive later, in the midst of somebody else's query.
            if running.finish() or not clean:
                answer.drop()
                pooled.invalidate()


class _Answer:
    """The rows of a statement that runs."""

    def __init__(self, database: Database, connection: Any, running: Running, max_bytes: int) -> None:
        self._database = database
        self._dialect = database.dialect
        self._connection = connection
        self._running = running
        self._max_bytes = max_bytes
        self._cursor: Any = None
        self._whole = False
        self._sample: Sequence[Row] = ()
        self.truncated = False

    def begin(self, statement: Statement) -> None:
        """Send the statement."""
        with self._guarded():
            self._cursor = self._dialect.begin(self._connection, statement, self._max_bytes)

    def chunks(self, most: int, chunk_rows: int) -> Chunks:
        """The columns, then the rows."""
        count, described = 0, False
        for rows in self.batches(most, chunk_rows):
            if not described:
                with self._guarded():
                    columns = self._dialect.columns(self._connection, self._cursor, self._sample)
                yield {"columns": [msgspec.structs.asdict(one) for one in columns]}
                described = True
            count += len(rows)
            if rows:
                yield {"rows": rows}
        return {"rows": count, "truncated": self.truncated}

    def batches(self, most: int, chunk_rows: int) -> Iterator[list[Row]]:
        """The rows in lists that are about as large as a chunk is to be; the first may be empty."""
        makers = self._dialect.plain(self._cursor)
        count, taken, wanted, first = 0, 0, min(FIRST_ROWS, chunk_rows), True
        while not self._whole:
            asked = min(wanted, most - count + 1)
            rows = self._fetch(asked)
            self._whole = len(rows) < asked
            self.truncated = count + len(rows) > most
            if first:
                self._sample = rows
            rows = _plain(rows[: most - count], makers)
            size = len(_SIZE_OF(rows))
            while rows and taken + size > self._max_bytes:
                self.truncated = True
                rows = rows[: len(rows) // 2]
                size = len(_SIZE_OF(rows))
            count, taken = count + len(rows), taken + size
            if rows or first:
                yield rows
            if self.truncated:
                return
            first = False
            wanted = max(1, min(chunk_rows, wanted * 4, CHUNK_BYTES * len(rows) // max(size, 1)))

    def _fetch(self, count: int) -> list[Row]:
        with self._guarded():
            self._running.check()
            return list(self._cursor.fetchmany(count))

    @contextlib.contextmanager
    def _guarded(self) -> Iterator[None]:
        """An error of a query that was interrupted is that of the interrupt."""
        try:
            with self._database.translated():
                yield
        except Exception:
            if self._running.cause is not None:
                raise self._running.cause from None
            raise

    def leave(self) -> bool:
        """It is read no further; whether its connection can be used again."""
        with self._database.translated():
            if not self._whole:
                return self._dialect.leave(self._connection, self._cursor, self._database.url)
            self._cursor.close()
            return True

    def drop(self) -> None:
        """It is read no further, whatever has happened: the database is not to go on with it."""
        with contextlib.suppress(Exception):  # what is gone need not be ended
            if self._cursor is not None and not self._whole and self._running.cause is None:
                self._dialect.leave(self._connection, self._cursor, self._database.url)
        with contextlib.suppress(Exception):
            if self._cursor is not None:
                self._cursor.close()


def _plain(rows: Sequence[Row], makers: Sequence[Callable[[Any], Any] | None]) -> list[Row]:
    """The rows with plain values; mostly they are so already."""
    needed = [None if make is finite and _all_finite(rows, at) else make for at, make in enumerate(makers)]
    if not rows or not any(needed):
        return list(rows)
    columns = zip(zip(*rows, strict=True), needed, strict=True)
    made = [values if make is None else [make(one) for one in values] for values, make in columns]
    return list(zip(*made, strict=True))


def _all_finite(rows: Sequence[Row], at: int) -> bool:
    """Whether a column is known to hold nothing but numbers with an end, and NULL."""
    try:
        return all(map(math.isfinite, filter(None, map(itemgetter(at), rows))))
    except TypeError:
        return False
