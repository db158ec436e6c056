"""SQLite, by Python's own driver. A file is opened for reading only, and an authorizer lets through nothing but
reading: read-only files alone would still let ATTACH make new ones."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import URL

from farhand.sql.dialects.base import CONNECT_TIMEOUT, Column, Row, finite
from farhand.sql.statements import Rules, Statement

_FUNCTIONS = r"load_extension|fts3_tokenizer|readfile|writefile|edit|zipfile|sqlite_\w+"
_LENGTH_MOST = 1_000_000_000
_TYPES = {int: "integer", float: "real", str: "text", bytes: "blob"}
_PRAGMAS = ("table_info", "table_xinfo", "table_list", "index_list", "index_info", "index_xinfo", "foreign_key_list")
_READING = (sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_RECURSIVE)


def _authorize(action: int, first: str | None, second: str | None, database: str | None, inner: str | None) -> int:
    """Whether a step of a statement only reads."""
    if action in _READING:
        return sqlite3.SQLITE_OK
    if action == sqlite3.SQLITE_FUNCTION:
        called = (second or "").lower()
        return sqlite3.SQLITE_DENY if Sqlite.rules.functions.fullmatch(called) else sqlite3.SQLITE_OK
    if action == sqlite3.SQLITE_PRAGMA and (first or "").lower() in _PRAGMAS:
        return sqlite3.SQLITE_OK  # as the tables of that name, which describe the others
    if action == sqlite3.SQLITE_UPDATE and first == "sqlite_master":
        return sqlite3.SQLITE_OK  # how a virtual table is made known in memory; to write there is refused without this
    return sqlite3.SQLITE_DENY


def _text(data: bytes) -> str | bytes:
    """A text, or the bytes that stand where one should be."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data


class Sqlite:
    """SQLite files."""

    rules = Rules(
        dialect="sqlite",
        first=frozenset({"SELECT", "WITH", "VALUES", "EXPLAIN"}),
        functions=re.compile(_FUNCTIONS),
        placeholder="?",
    )
    pooled = False
    errors: tuple[type[Exception], ...] = (sqlite3.Error,)

    def connect(self, url: URL, timeout: float) -> Any:
        """See `Dialect`."""
        name = f"file:{quote(str(Path(url.database or '').absolute()))}?mode=ro"
        connection = sqlite3.connect(
            name, uri=True, timeout=CONNECT_TIMEOUT, isolation_level=None, check_same_thread=False
        )
        connection.text_factory = _text
        connection.execute("pragma query_only = on")
        connection.execute("pragma trusted_schema = off")
        connection.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
        connection.set_authorizer(_authorize)
        return connection

    def begin(self, connection: Any, statement: Statement, limit: int) -> Any:
        """See `Dialect`."""
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, min(max(limit, 1_000_000), _LENGTH_MOST))
        return connection.execute(statement.text, statement.values or ())

    def columns(self, connection: Any, cursor: Any, rows: Sequence[Row]) -> list[Column]:
        """See `Dialect`. A column has no type here: what its first values have stands in for one."""
        found = []
        for at, one in enumerate(cursor.description or ()):
            kind = next((type(row[at]) for row in rows if row[at] is not None), None)
            found.append(Column(one[0], "null" if kind is None else _TYPES[kind]))
        return found

    def plain(self, cursor: Any) -> list[Callable[[Any], Any] | None]:
        """See `Dialect`. Any column may hold anything."""
        return [finite for _ in cursor.description or ()]

    def interrupt(self, connection: Any, url: URL) -> None:
        """See `Dialect`."""
        connection.interrupt()

    def leave(self, connection: Any, cursor: Any, url: URL) -> bool:
        """See `Dialect`."""
        cursor.close()
        return True

    def failed(self, error: BaseException) -> str:
        """See `Dialect`."""
        name = getattr(error, "sqlite_errorname", "")
        return f"{error} [{name}]" if name else str(error)

    def lost(self, error: BaseException) -> bool:
        """See `Dialect`."""
        return getattr(error, "sqlite_errorname", "") in ("SQLITE_CANTOPEN", "SQLITE_IOERR", "SQLITE_BUSY")

    def refused(self, error: BaseException) -> bool:
        """See `Dialect`."""
        return getattr(error, "sqlite_errorname", "") in ("SQLITE_AUTH", "SQLITE_READONLY")
