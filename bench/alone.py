"""Rows of what is measured of farhand alone, in one go."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from bench.processes import RoleFailed
from bench.results import Options, Row, Sample, Status
from bench.scenarios import Figure


def rows(figures: Sequence[Figure], options: Options, crowd: str, found: Callable[[], dict[str, float]]) -> list[Row]:
    """A row for each of the figures, with the value of its name in what `found` gives; `crowd` says beside how many."""
    blank = [Row(one.name, f"{one.title}, {crowd}", one.unit, one.target, Status.MEASURED) for one in figures]
    if not blank:
        return []
    try:
        values = found()
    except (RoleFailed, OSError) as error:
        return [replace(row, status=Status.FAILED, why=str(error)) for row in blank]
    return [replace(row, farhand=Sample("farhand", (values[row.name],)), judged=not options.quick) for row in blank]
