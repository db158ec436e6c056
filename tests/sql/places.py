"""A database of its own on each system: PostgreSQL at FARHAND_TEST_POSTGRES, MariaDB or MySQL at FARHAND_TEST_MYSQL, or
the local ones, and a SQLite file."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import psycopg
import pymysql
import pytest
from sqlalchemy import make_url

from farhand.sql import Ask, Databases, querying

POSTGRES = os.environ.get("FARHAND_TEST_POSTGRES") or "postgresql://postgres@127.0.0.1:5432/postgres"
MYSQL = os.environ.get("FARHAND_TEST_MYSQL") or "mysql://root@127.0.0.1:3306/mysql"
KINDS = ("postgresql", "mysql", "sqlite")
ITEMS = [(1, "nut"), (2, "bölt ☃ 🔩"), (3, None)]


class Place(Protocol):
    """A database that holds the table `items`, seen from beside farhand."""

    kind: str
    url: str
    folder: Path
    """Where a server could write files, were it let."""

    def do(self, sql: str) -> list[Any]:
        """Run a statement as its owner; its rows."""
        ...

    def running(self, text: str) -> int:
        """How many statements with this text run there."""
        ...

    def state(self) -> object:
        """All that a writing statement could have changed."""
        ...


class OnPostgres:
    """A database of a PostgreSQL server."""

    kind = "postgresql"

    def __init__(self, name: str, folder: Path) -> None:
        self.name = name
        self.folder = folder
        self.url = make_url(POSTGRES).set(database=name).render_as_string(hide_password=False)

    def do(self, sql: str) -> list[Any]:
        with psycopg.connect(self.url, autocommit=True) as connection:
            cursor = connection.execute(sql.encode())
            return cursor.fetchall() if cursor.description else []

    def running(self, text: str) -> int:
        # What is fetched of a cursor shows as that.
        return len(
            self.do(
                f"select 1 from pg_stat_activity where datname = '{self.name}' and state = 'active' "
                f"and (query like '%{text}%' or query like 'FETCH%') and pid <> pg_backend_pid()"
            )
        )

    def state(self) -> object:
        return (
            self.do("select * from items order by id"),
            self.do("select relnamespace::regnamespace::text, relname from pg_class order by 1, 2"),
            self.do("select last_value, is_called from counter"),
            self.do("select oid from pg_largeobject_metadata"),
            self.do("select setrole, setconfig from pg_db_role_setting"),
            self.do(
                "select name, setting from pg_settings where name in ('default_transaction_read_only', 'work_mem')"
            ),
            self.do("select proname from pg_proc where pronamespace = 'public'::regnamespace"),
            self.do("select rolname from pg_roles"),
            sorted(os.listdir(self.folder)),
        )


class OnMysql:
    """A database of a MariaDB or MySQL server."""

    kind = "mysql"

    def __init__(self, name: str, folder: Path) -> None:
        self.name = name
        self.folder = folder
        self.url = make_url(MYSQL).set(database=name).render_as_string(hide_password=False)

    def do(self, sql: str) -> list[Any]:
        with on_mysql(self.url) as connection, connection.cursor() as cursor:
            cursor.execute(sql)
            return list(cursor.fetchall())

    def running(self, text: str) -> int:
        return len(
            self.do(
                f"select 1 from information_schema.processlist where db = '{self.name}' and info like '%{text}%' "
                "and id <> connection_id()"
            )
        )

    def state(self) -> object:
        return (
            self.do("select * from items order by id"),
            self.do(f"select table_name from information_schema.tables where table_schema = '{self.name}' order by 1"),
            self.do("select @@global.sql_mode, @@global.read_only, @@global.max_allowed_packet, @@global.general_log"),
            self.do("select routine_name from information_schema.routines where routine_schema = database()"),
            self.do("select user, host from mysql.user order by 1, 2"),
            sorted(os.listdir(self.folder)),
        )


class OnSqlite:
    """A SQLite file."""

    kind = "sqlite"

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / "items.db"
        self.url = f"sqlite:///{self.path}"

    def do(self, sql: str) -> list[Any]:
        with contextlib.closing(sqlite3.connect(self.path)) as connection:
            found = connection.execute(sql).fetchall()
            connection.commit()
            return found

    def running(self, text: str) -> int:
        raise AssertionError("a file has no list of what runs")

    def state(self) -> object:
        return self.path.read_bytes(), sorted(os.listdir(self.folder))


def missing(what: str, error: Exception) -> None:
    """Skip aloud, or fail where services are required."""
    text = f"no {what}: {error}"
    if os.environ.get("FARHAND_REQUIRE_SERVICES") == "1":
        pytest.fail(text)
    pytest.skip(text)


def on_mysql(url: str) -> Any:
    """A connection as the owner."""
    at = make_url(url)
    return pymysql.connect(
        host=at.host or "127.0.0.1",
        port=at.port or 3306,
        user=at.username,
        password=at.password or "",
        database=at.database,
        charset="utf8mb4",
        autocommit=True,
        connect_timeout=5,
    )


@contextlib.contextmanager
def postgres_place(folder: Path) -> Iterator[Place]:
    """A fresh database, gone afterwards."""
    try:
        admin = psycopg.connect(POSTGRES, autocommit=True, connect_timeout=5)
    except psycopg.Error as error:
        missing("PostgreSQL (set FARHAND_TEST_POSTGRES)", error)
        raise
    place = OnPostgres(f"farhand_sql_{uuid.uuid4().hex[:12]}", folder)
    with admin:
        admin.execute(f"create database {place.name} encoding 'UTF8' template template0".encode())
        try:
            place.do("create table items (id int primary key, name varchar(40))")
            place.do("insert into items values (1, 'nut'), (2, 'bölt ☃ 🔩'), (3, null)")
            place.do("create sequence counter")
            yield place
        finally:
            admin.execute(f"drop database if exists {place.name} with (force)".encode())


@contextlib.contextmanager
def mysql_place(folder: Path) -> Iterator[Place]:
    """A fresh database, gone afterwards."""
    try:
        admin = on_mysql(MYSQL)
    except pymysql.Error as error:
        missing("MariaDB or MySQL (set FARHAND_TEST_MYSQL)", error)
        raise
    place = OnMysql(f"farhand_sql_{uuid.uuid4().hex[:12]}", folder)
    with admin, admin.cursor() as cursor:
        cursor.execute(f"create database {place.name} character set utf8mb4")
        try:
            place.do("create table items (id int primary key, name varchar(40))")
            place.do("insert into items values (1, 'nut'), (2, 'bölt ☃ 🔩'), (3, null)")
            yield place
        finally:
            cursor.execute(f"drop database if exists {place.name}")


@contextlib.contextmanager
def sqlite_place(folder: Path) -> Iterator[Place]:
    """A fresh file."""
    place = OnSqlite(folder)
    place.do("create table items (id integer primary key, name varchar(40))")
    place.do("insert into items values (1, 'nut'), (2, 'bölt ☃ 🔩'), (3, null)")
    yield place


MAKERS: Mapping[str, Callable[[Path], contextlib.AbstractContextManager[Place]]] = {
    "postgresql": postgres_place,
    "mysql": mysql_place,
    "sqlite": sqlite_place,
}


class Answer:
    """A whole answer."""

    def __init__(
        self,
        databases: Databases,
        query: str,
        params: Sequence[Any] | Mapping[str, Any] | None = None,
        *,
        stopped: Callable[[], bool] = lambda: False,
        **more: Any,
    ) -> None:
        self.columns: list[dict[str, Any]] = []
        self.rows: list[list[Any]] = []
        self.chunks: list[int] = []
        asked = querying.query(databases, Ask(query=query, params=params, **more), stopped)
        while True:
            try:
                chunk = next(asked)
            except StopIteration as end:
                self.result = end.value
                return
            if "columns" in chunk:
                self.columns = chunk["columns"]
            else:
                self.rows += map(list, chunk["rows"])
                self.chunks.append(len(chunk["rows"]))

    @property
    def value(self) -> Any:
        """The only value."""
        ((value,),) = self.rows
        return value
