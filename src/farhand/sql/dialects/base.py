"""What a database system has to be able to do here."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import msgspec
from sqlalchemy import URL

from farhand.sql.statements import Rules, Statement

CONNECT_TIMEOUT = 5
"""Seconds until a database that doesn't answer is away."""


class Column(msgspec.Struct, frozen=True):
    """A column of an answer: its type as the database names it, and the numbers behind that: ``numeric(10, 2)`` has the
    size 10 and the scale 2, ``varchar(20)`` the size 20; None where there is none."""

    name: str
    type: str
    size: int | None = None
    scale: int | None = None


Row = Sequence[Any]


class Dialect(Protocol):
    """A database system, with the driver that reaches it. Connections and cursors are the driver's own."""

    rules: Rules
    pooled: bool
    """Whether its connections are worth keeping."""
    errors: tuple[type[Exception], ...]
    """What the driver raises."""

    def connect(self, url: URL, timeout: float) -> Any:
        """A connection that can only read, whose statements the database itself ends after `timeout` seconds where it
        can. What the driver raises passes through."""
        ...

    def begin(self, connection: Any, statement: Statement, limit: int) -> Any:
        """Send the statement; a cursor that has none of its rows yet. No value takes more than `limit` bytes where the
        database can see to that."""
        ...

    def columns(self, connection: Any, cursor: Any, rows: Sequence[Row]) -> list[Column]:
        """The columns of the answer, whose first rows are these."""
        ...

    def plain(self, cursor: Any) -> list[Callable[[Any], Any] | None]:
        """For each column what makes its values plain, or None where the driver gives them so."""
        ...

    def interrupt(self, connection: Any, url: URL) -> None:
        """End what runs on this connection, from another thread."""
        ...

    def leave(self, connection: Any, cursor: Any, url: URL) -> bool:
        """Give up an answer that wasn't read to its end; whether the connection can be used again."""
        ...

    def failed(self, error: BaseException) -> str:
        """What the database said, with its code."""
        ...

    def lost(self, error: BaseException) -> bool:
        """Whether an error means that the database is away."""
        ...

    def refused(self, error: BaseException) -> bool:
        """Whether an error means that a statement would have done more than read."""
        ...


_SIZED = re.compile(r"\s*(\d{1,10})\s*(?:,\s*(-?\d{1,5})\s*)?")


def column(name: str, kind: str, brackets: str | None) -> Column:
    """A column whose type has this in brackets behind it."""
    found = _SIZED.fullmatch(brackets or "")
    if found is None:
        return Column(name, kind)
    return Column(name, kind, int(found[1]), None if found[2] is None else int(found[2]))


def finite(value: Any) -> Any:
    """A number as JSON can hold it: what is none, or has no end, as the text that PostgreSQL has for it."""
    if value.__class__ is not float or math.isfinite(value):
        return value
    return "NaN" if value != value else "Infinity" if value > 0 else "-Infinity"


def plain(value: Any) -> Any:
    """Whatever a driver gives as what JSON and MessagePack hold: lists deep down, everything else as text."""
    if value is None or isinstance(value, str | bytes | bool | int):
        return value
    if isinstance(value, float):
        return finite(value)
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    return bytes(value) if isinstance(value, bytearray | memoryview) else str(value)
