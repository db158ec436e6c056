"""The SQL beside this file: queries by name, migrations by number."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files
from typing import NamedTuple

_NAME = re.compile(r"^-- name: (\w+)$", re.MULTILINE)


class Migration(NamedTuple):
    """One step of the schema."""

    number: int
    name: str
    sql: str


@cache
def queries(file: str) -> dict[str, str]:
    """The queries of `queries/<file>.sql`; each begins with a line ``-- name: <its name>``."""
    parts = _NAME.split((files(__package__) / "queries" / f"{file}.sql").read_text("utf-8"))
    return {name: text.strip() for name, text in zip(parts[1::2], parts[2::2], strict=True)}


@cache
def migrations() -> tuple[Migration, ...]:
    """All of `migrations/`, in order; a file's name begins with its number."""
    found = [one for one in (files(__package__) / "migrations").iterdir() if one.name.endswith(".sql")]
    return tuple(sorted(Migration(int(one.name[:4]), one.name, one.read_text("utf-8")) for one in found))
