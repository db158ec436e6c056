"""MySQL and MariaDB, by PyMySQL. Sessions are read-only, take one statement at a time, and stream their rows."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Sequence
from typing import Any

import pymysql
from pymysql.constants import FIELD_TYPE
from pymysql.converters import conversions
from pymysql.cursors import SSCursor
from sqlalchemy import URL

from farhand.errors import InvalidArguments
from farhand.sql.dialects.base import CONNECT_TIMEOUT, Column, Row, finite
from farhand.sql.statements import Rules, Statement

_FUNCTIONS = (
    r"load_file|get_lock|release_lock|release_all_locks|is_(free|used)_lock|sys_\w+|nextval|setval|lastval"
    r"|(master|source|binlog)_\w*(wait|gtid)\w*|wait_for_executed_gtid_set|wait_until_sql_thread_after_gtids|user_lock\w*"
)
_BINARY, _UNSIGNED, _ENUM, _SET = 63, 32, 256, 2048
_INTEGERS = (FIELD_TYPE.TINY, FIELD_TYPE.SHORT, FIELD_TYPE.LONG, FIELD_TYPE.LONGLONG, FIELD_TYPE.INT24, FIELD_TYPE.YEAR)
_DECIMALS = (FIELD_TYPE.DECIMAL, FIELD_TYPE.NEWDECIMAL)
_STAMPS = (FIELD_TYPE.DATETIME, FIELD_TYPE.TIMESTAMP)
_FLOATS = (FIELD_TYPE.FLOAT, FIELD_TYPE.DOUBLE)
_TYPES = {
    FIELD_TYPE.DECIMAL: "decimal",
    FIELD_TYPE.NEWDECIMAL: "decimal",
    FIELD_TYPE.TINY: "tinyint",
    FIELD_TYPE.SHORT: "smallint",
    FIELD_TYPE.INT24: "mediumint",
    FIELD_TYPE.LONG: "int",
    FIELD_TYPE.LONGLONG: "bigint",
    FIELD_TYPE.FLOAT: "float",
    FIELD_TYPE.DOUBLE: "double",
    FIELD_TYPE.NULL: "null",
    FIELD_TYPE.TIMESTAMP: "timestamp",
    FIELD_TYPE.DATETIME: "datetime",
    FIELD_TYPE.DATE: "date",
    FIELD_TYPE.NEWDATE: "date",
    FIELD_TYPE.TIME: "time",
    FIELD_TYPE.YEAR: "year",
    FIELD_TYPE.BIT: "bit",
    FIELD_TYPE.JSON: "json",
    FIELD_TYPE.GEOMETRY: "geometry",
}
_TEXTS = {
    FIELD_TYPE.VARCHAR: ("varchar", "varbinary"),
    FIELD_TYPE.VAR_STRING: ("varchar", "varbinary"),
    FIELD_TYPE.STRING: ("char", "binary"),
    FIELD_TYPE.TINY_BLOB: ("tinytext", "tinyblob"),
    FIELD_TYPE.MEDIUM_BLOB: ("mediumtext", "mediumblob"),
    FIELD_TYPE.LONG_BLOB: ("longtext", "longblob"),
    FIELD_TYPE.BLOB: ("text", "blob"),
}
_LENGTHS = {"char": 4, "varchar": 4, "binary": 1, "varbinary": 1, "bit": 1}
"""Bytes that the server counts for each of a type's characters; those of utf8mb4."""
_SETTINGS = (
    "set session transaction read only",
    # So that quotes and backslashes mean to the server what they mean to the lexer.
    "set session sql_mode = replace(replace(@@sql_mode, 'NO_BACKSLASH_ESCAPES', ''), 'ANSI_QUOTES', '')",
)
_LOST = (2006, 2013, 2003, 2002, 1053, 1077, 1927, 3169, 4031)
_REFUSED = (1792, 1290)
_CREDENTIALS = ("ssl_ca", "ssl_cert", "ssl_key", "unix_socket", "charset")


def _moment(text: str) -> str:
    return text.replace(" ", "T", 1)


_VALUES: dict[Any, Any] = {key: value for key, value in conversions.items() if not isinstance(key, int)}
_VALUES |= dict.fromkeys(_INTEGERS, int) | dict.fromkeys(_FLOATS, float) | dict.fromkeys(_STAMPS, _moment)


class _Cursor(SSCursor):
    """A cursor that reads no further once it is closed: what waits may be millions of rows."""

    def close(self) -> None:
        result: Any = getattr(self, "_result", None)
        if result is not None:
            result.unbuffered_active, result.connection = False, None
        setattr(self, "connection", None)  # noqa: B010 - as the driver does it, whose stubs don't know it

    __del__ = close


class MySql:
    """A MySQL or MariaDB server."""

    rules = Rules(
        dialect="mysql",
        first=frozenset({"SELECT", "WITH", "VALUES", "TABLE", "SHOW", "DESCRIBE", "DESC", "EXPLAIN"}),
        functions=re.compile(_FUNCTIONS),
        placeholder="%s",
    )
    pooled = True
    errors: tuple[type[Exception], ...] = (pymysql.Error, OSError)

    def connect(self, url: URL, timeout: float) -> Any:
        """See `Dialect`."""
        connection = self._dial(url, conv=_VALUES, autocommit=False)
        with connection.cursor() as cursor:
            for setting in _SETTINGS:
                cursor.execute(setting)
        return connection

    def _dial(self, url: URL, **more: Any) -> Any:
        given: dict[str, Any] = {"charset": "utf8mb4", **url.query}
        if unknown := [name for name in url.query if name not in _CREDENTIALS]:
            raise InvalidArguments(f"a MySQL URL takes no ?{unknown[0]}=: it takes {', '.join(_CREDENTIALS)}")
        named = {"host": url.host, "port": url.port, "user": url.username, "database": url.database}
        given |= {key: value for key, value in named.items() if value is not None}
        password = "" if url.password is None else str(url.password)
        return pymysql.connect(**given, password=password, connect_timeout=CONNECT_TIMEOUT, **more)

    def begin(self, connection: Any, statement: Statement, limit: int) -> Any:
        """See `Dialect`."""
        cursor = connection.cursor(_Cursor)
        cursor.execute("start transaction read only")
        cursor.execute(statement.text, statement.values)
        return cursor

    def columns(self, connection: Any, cursor: Any, rows: Sequence[Row]) -> list[Column]:
        """See `Dialect`."""
        return [_column(one) for one in getattr(cursor._result, "fields", ())]

    def plain(self, cursor: Any) -> list[Callable[[Any], Any] | None]:
        """See `Dialect`."""
        return [finite if one[1] in _FLOATS else None for one in cursor.description or ()]

    def interrupt(self, connection: Any, url: URL) -> None:
        """See `Dialect`."""
        with self._dial(url, autocommit=True) as other, other.cursor() as cursor:
            cursor.execute(f"kill query {connection.thread_id()}")

    def leave(self, connection: Any, cursor: Any, url: URL) -> bool:
        """See `Dialect`. The protocol can't stop an answer: the query is killed, and its connection is closed."""
        with contextlib.suppress(pymysql.Error, OSError):  # then it ends once nobody takes its rows
            self.interrupt(connection, url)
        cursor.close()
        return False

    def failed(self, error: BaseException) -> str:
        """See `Dialect`."""
        code, text = (*error.args, "", "")[:2]
        return f"{text} [{code}]" if text else str(error)

    def lost(self, error: BaseException) -> bool:
        """See `Dialect`."""
        if isinstance(error, OSError | pymysql.InterfaceError):
            return True
        return isinstance(error, pymysql.OperationalError) and (error.args or (0,))[0] in _LOST

    def refused(self, error: BaseException) -> bool:
        """See `Dialect`."""
        return isinstance(error, pymysql.Error) and (error.args or (0,))[0] in _REFUSED


def _column(field: Any) -> Column:
    """A field of an answer as a column; `length` counts bytes, and a decimal's sign and point."""
    code, binary = field.type_code, field.charsetnr == _BINARY
    kind = _TYPES.get(code) or _TEXTS.get(code, ("unknown", "unknown"))[binary]
    size, scale = None, None
    if code in _DECIMALS:
        size, scale = field.length - (field.scale > 0) - (not field.flags & _UNSIGNED), field.scale
    elif field.flags & (_ENUM | _SET):
        kind = "enum" if field.flags & _ENUM else "set"
    elif kind in _LENGTHS:
        size = field.length // _LENGTHS[kind]
    if code in _INTEGERS and field.flags & _UNSIGNED and code != FIELD_TYPE.YEAR:
        kind += " unsigned"
    return Column(field.name, kind, size, scale)
