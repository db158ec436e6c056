"""The SQL of this engine: queries by name, and migrations by number."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files

_NAME = re.compile(r"^-- name: (\w+)$", re.MULTILINE)


@cache
def queries() -> dict[str, str]:
    """Each query of queries.sql by its name."""
    parts = _NAME.split((files(__package__) / "queries.sql").read_text())
    return {name: text.strip() for name, text in zip(parts[1::2], parts[2::2], strict=True)}


def migrations() -> list[tuple[int, str]]:
    """The migrations, in order, with their numbers."""
    found = [one for one in (files(__package__) / "migrations").iterdir() if one.name.endswith(".sql")]
    return sorted((int(one.name.partition("_")[0]), one.read_text()) for one in found)
