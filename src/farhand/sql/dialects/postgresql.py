"""PostgreSQL, by psycopg 3. A statement goes out as ``DECLARE … CURSOR FOR`` in a read-only transaction, by the
protocol that takes one statement: the server itself refuses what isn't a query there."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Sequence
from typing import Any

import psycopg
from psycopg.abc import Buffer
from psycopg.adapt import Loader
from psycopg.types.string import TextLoader
from sqlalchemy import URL

from farhand.sql.dialects.base import CONNECT_TIMEOUT, Column, Row, column, finite, plain
from farhand.sql.statements import Rules, Statement

_FUNCTIONS = (
    r"set_config|nextval|setval|lo_\w+|loread|lowrite|dblink\w*|pg_notify|(query|table|schema|database|cursor)_to_xml\w*"
    r"|pg_(read|ls|file|stat_file|current_logfile|hba_file_rules|ident_file_mappings|show_all_file_settings)\w*"
    r"|pg_(terminate|cancel)_backend|pg_reload_conf|pg_rotate_logfile\w*|pg_promote|pg_switch_wal|pg_log_\w+"
    r"|pg_(try_)?advisory_\w+|pg_(create|drop|copy|replication|logical|import|backup|start_backup|stop_backup)_?\w*"
    r"|pg_stat_reset\w*|pg_wal_replay_\w+|pg_export_snapshot|pg_sync_\w+|brin_\w+|gin_clean_pending_list"
)
_SIZE = re.compile(r"([^()]*)(?:\(([^)]*)\))?(.*)", re.DOTALL)
LATER = 5.0
"""Seconds after the outside timer at which the server ends a statement by itself."""
_NUMBERS = ("float4", "float8")
_KINDS = ("int4", "int8", "num", "date", "ts", "tstz")
_RANGES = [kind + of for kind in _KINDS for of in ("range", "multirange")]
_BY_TEXT = ("numeric", "uuid", "date", "time", "timetz", "interval", "json", "jsonb", "inet", "cidr", "record")
"""Types whose values come as PostgreSQL writes them, beside ranges."""
_NAMES = "select oid::int8, format_type(oid, null) from pg_catalog.pg_type where oid = any(%s)"
_SETTINGS = (
    "set session characteristics as transaction read only",
    "set standard_conforming_strings = on",
    "set datestyle = 'ISO, YMD'",
    "set intervalstyle = 'iso_8601'",
    "set extra_float_digits = 3",
)


class _Stamp(Loader):
    """A moment as ISO 8601 has it; what that has no form for (infinity, years before Christ) as PostgreSQL has it."""

    def load(self, data: Buffer) -> str:
        text = bytes(data).decode()
        if text[10:11] != " " or text[-2:] == "BC":
            return text
        zone = ":00" if text[-3] in "+-" else ""
        return f"{text[:10]}T{text[11:]}{zone}"


class PostgreSql:
    """A PostgreSQL server."""

    rules = Rules(
        dialect="postgresql",
        first=frozenset({"SELECT", "WITH", "VALUES", "TABLE"}),
        functions=re.compile(_FUNCTIONS),
        placeholder="%s",
        arrays=True,
    )
    pooled = True
    errors: tuple[type[Exception], ...] = (psycopg.Error,)

    def connect(self, url: URL, timeout: float) -> Any:
        """See `Dialect`."""
        given: dict[str, Any] = {"connect_timeout": CONNECT_TIMEOUT, "application_name": "farhand", **url.query}
        named = {"host": url.host, "port": url.port, "user": url.username, "dbname": url.database}
        given |= {key: value for key, value in named.items() if value is not None}
        if url.password is not None:
            given["password"] = str(url.password)
        connection = psycopg.connect(**{**given, "client_encoding": "utf8"}, autocommit=True)
        for name in (*_BY_TEXT, *_RANGES):
            if (kind := connection.adapters.types.get(name)) is not None:
                connection.adapters.register_loader(kind.oid, TextLoader)
        for name in ("timestamp", "timestamptz"):
            connection.adapters.register_loader(name, _Stamp)
        for setting in _SETTINGS:
            connection.execute(setting.encode())
        connection.execute(f"set statement_timeout = {int((timeout + LATER) * 1000)}".encode())
        connection.autocommit, connection.read_only = False, True
        return connection

    def begin(self, connection: Any, statement: Statement, limit: int) -> Any:
        """See `Dialect`."""
        cursor = connection.cursor("farhand")
        try:
            cursor.execute(statement.text.encode(), statement.values)
        except BaseException:
            with contextlib.suppress(psycopg.Error):
                cursor.close()
            raise
        return cursor

    def columns(self, connection: Any, cursor: Any, rows: Sequence[Row]) -> list[Column]:
        """See `Dialect`."""
        shown = [(one.name, one.type_code, one.type_display) for one in cursor.description or ()]
        unknown = [code for _, code, display in shown if display == str(code)]
        names = dict(connection.execute(_NAMES, [unknown]).fetchall()) if unknown else {}
        found = []
        for name, code, display in shown:
            match = _SIZE.fullmatch(names.get(code, display))
            assert match is not None
            found.append(column(name, match[1] + match[3], match[2]))
        return found

    def plain(self, cursor: Any) -> list[Callable[[Any], Any] | None]:
        """See `Dialect`."""
        found: list[Callable[[Any], Any] | None] = []
        for one in cursor.description or ():
            kind = one.type_display.partition("(")[0]
            found.append(finite if kind in _NUMBERS else plain if kind.endswith("[]") else None)
        return found

    def interrupt(self, connection: Any, url: URL) -> None:
        """See `Dialect`."""
        connection.cancel_safe(timeout=CONNECT_TIMEOUT)

    def leave(self, connection: Any, cursor: Any, url: URL) -> bool:
        """See `Dialect`. The server has made no more rows than were asked for."""
        cursor.close()
        return True

    def failed(self, error: BaseException) -> str:
        """See `Dialect`."""
        if not isinstance(error, psycopg.Error) or error.diag.message_primary is None:
            return str(error)
        hint = f" ({error.diag.message_hint})" if error.diag.message_hint else ""
        return f"{error.diag.message_primary}{hint} [{error.sqlstate}]"

    def lost(self, error: BaseException) -> bool:
        """See `Dialect`."""
        if not isinstance(error, psycopg.OperationalError | psycopg.InterfaceError):
            return False
        # 57P0x: the server is being shut down or starts. Without a code the driver noticed it by itself.
        return error.sqlstate is None or error.sqlstate[:2] == "08" or error.sqlstate in ("57P01", "57P02", "57P03")

    def refused(self, error: BaseException) -> bool:
        """See `Dialect`."""
        return isinstance(error, psycopg.errors.ReadOnlySqlTransaction)
