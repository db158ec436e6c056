"""The databases of a worker, by name: how each is reached, how many connections it gets, and what an answer may be."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any

import msgspec
from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError, TimeoutError
from sqlalchemy.pool import NullPool, QueuePool

from farhand.errors import InvalidArguments, Unavailable
from farhand.model.names import check_name
from farhand.model.urls import HIDDEN
from farhand.sql.dialects.base import Dialect
from farhand.sql.errors import DatabaseAway, DatabaseUnknown, QueryFailed, QueryRefused, SqlError
from farhand.sql.watching import Watch

RECYCLE = 1800
"""Seconds after which a connection is not used again."""
_DIALECTS = {
    "postgresql": ("postgresql", "PostgreSql"),
    "postgres": ("postgresql", "PostgreSql"),
    "mysql": ("mysql", "MySql"),
    "mariadb": ("mysql", "MySql"),
    "sqlite": ("sqlite", "Sqlite"),
}


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What one query may take: rows, bytes of its rows as they are sent, and seconds from its begin to its last row."""

    max_rows: int = 10_000_000
    max_bytes: int = 4 * 1024**3
    timeout: float = 300.0


class Database:
    """One database. It gives out at most `slots` connections."""

    def __init__(self, name: str, url: URL, dialect: Dialect, slots: int, timeout: float) -> None:
        self.name = name
        self.url = url
        self.dialect = dialect
        self._slots = slots
        self._errors: tuple[type[Exception], ...] = (*dialect.errors, SQLAlchemyError)
        self._pool = (
            QueuePool(lambda: dialect.connect(url, timeout), pool_size=slots, max_overflow=0, recycle=RECYCLE)
            if dialect.pooled
            else NullPool(lambda: dialect.connect(url, timeout))
        )

    @contextlib.contextmanager
    def connection(self) -> Iterator[Any]:
        """A pooled connection until the block ends: ``dbapi_connection`` is the driver's own, ``invalidate()`` closes
        it.

        Raises:
            DatabaseAway: there is none.
        """
        with self.translated():
            found = self._checked()
        try:
            yield found
        finally:
            found.close()

    def _checked(self) -> Any:
        """A connection that answers: those that were kept may be lost, each of them."""
        for _ in range(self._slots if self.dialect.pooled else 0):
            found: Any = self._pool.connect()
            with contextlib.suppress(*self.dialect.errors):
                _ping(found)
                return found
            found.invalidate()
            found.close()
        return self._pool.connect()

    @contextlib.contextmanager
    def translated(self) -> Iterator[None]:
        """What the driver raises as what a query can end with, without the password."""
        try:
            yield
        except SqlError:
            raise
        except self._errors as error:
            raise self._translate(error) from None

    def _translate(self, error: BaseException) -> SqlError:
        text = self._hidden(self.dialect.failed(error).strip())
        if self.dialect.lost(error) or isinstance(error, TimeoutError):
            return DatabaseAway(f"the database {self.name!r} can't be reached: {text}")
        if self.dialect.refused(error):
            return QueryRefused(f"only reading is allowed: {text}")
        return QueryFailed(text)

    def _hidden(self, text: str) -> str:
        password = str(self.url.password or "")
        return text.replace(password, HIDDEN) if password else text

    def close(self) -> None:
        """Close what is kept."""
        self._pool.dispose()


def _ping(connection: Any) -> None:
    cursor = connection.cursor()
    try:
        cursor.execute("select 1")
        cursor.fetchall()
    finally:
        cursor.close()
    connection.rollback()


class Databases:
    """A worker's databases, by name."""

    def __init__(self, urls: Mapping[str, str], *, slots: int = 8, limits: Limits | None = None) -> None:
        """`urls` are ``postgresql://…``, ``mysql://…`` or ``mariadb://…``, ``sqlite:///FILE``, or ``env:VARIABLE``
        where one of these stands in a variable. `slots` is how many queries run at once.

        Raises:
            InvalidArguments: a name or URL is none.
            Unavailable: a driver isn't installed.
        """
        if not urls:
            raise InvalidArguments("name at least one database, as in NAME=postgresql://USER@HOST/DATABASE")
        self.limits = limits or Limits()
        self.watch = Watch()
        self._by_name = {
            check_name("database", name): _database(name, url, slots, self.limits.timeout) for name, url in urls.items()
        }

    @property
    def names(self) -> list[str]:
        """What they are called."""
        return list(self._by_name)

    def find(self, name: str) -> Database:
        """The database of this name; the only one for an empty name.

        Raises:
            DatabaseUnknown: there is none.
        """
        found = self._by_name.get(name)
        if found is None and not name and len(self._by_name) == 1:
            return next(iter(self._by_name.values()))
        if found is None:
            there = ", ".join(sorted(self._by_name))
            raise DatabaseUnknown(f"there is no database {name[:100]!r} here; there is: {there}")
        return found

    def close(self) -> None:
        """Close all connections that are kept."""
        for one in self._by_name.values():
            one.close()


def _database(name: str, text: str, slots: int, timeout: float) -> Database:
    url = _url(name, text)
    module, kind = _DIALECTS[url.get_backend_name()]
    try:
        dialect: Dialect = getattr(import_module(f"farhand.sql.dialects.{module}"), kind)()
    except ImportError as missing:
        raise Unavailable(f"{missing}: pip install 'farhand[sql]'", retryable=False) from missing
    return Database(name, url, dialect, slots, timeout)


def _url(name: str, text: str) -> URL:
    """A database's URL, whose text no error shows: what is wrong with it may stand in its password."""
    if text.startswith("env:"):
        variable = text.removeprefix("env:")
        text = os.environ.get(variable, "")
        if not text:
            raise InvalidArguments(f"database {name!r}: the variable {variable} isn't set")
    try:
        url = make_url(text)
        backend = url.get_backend_name()
    except (ArgumentError, ValueError):
        raise InvalidArguments(
            f"database {name!r}: that is no URL; write it as postgresql://USER@HOST/DATABASE"
        ) from None
    if backend not in _DIALECTS or url.drivername not in (backend, *_DRIVERS.get(backend, ())):
        raise InvalidArguments(
            f"database {name!r}: {url.drivername!r} isn't served; there are postgresql, mysql, mariadb and sqlite"
        )
    if backend == "sqlite" and not url.database:
        raise InvalidArguments(f"database {name!r}: a file is needed, as in sqlite:///data.db")
    return url


_DRIVERS = {
    "postgresql": ("postgresql+psycopg",),
    "mysql": ("mysql+pymysql",),
    "mariadb": ("mariadb+pymysql",),
    "sqlite": ("sqlite+pysqlite",),
}
