"""What a claim takes in a store of many finished jobs, beside one of few: it is to be the same."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

from bench import services, subject
from bench.processes import Process, RoleFailed, role
from bench.results import Options, Row, Sample, Status
from bench.scenarios import CLAIM_POSTGRES, CLAIM_SQLITE, Figure
from bench.services import ServiceMissing

FEW, MANY, MANY_QUICK = 1_000, 1_000_000, 20_000
FILL_TIMEOUT = 900.0
PATIENCE = 60.0


def measure(names: list[str], options: Options, say: Callable[[str], None]) -> list[Row]:
    """The rows asked for."""
    many = MANY_QUICK if options.quick else MANY
    return [_row(figure, many, options, say) for figure in (CLAIM_SQLITE, CLAIM_POSTGRES) if figure.name in names]


def _row(figure: Figure, many: int, options: Options, say: Callable[[str], None]) -> Row:
    title = f"{figure.title}, {many:,} finished jobs vs {FEW:,}"
    row = Row(figure.name, title, figure.unit, figure.target, Status.MEASURED)
    try:
        if figure is CLAIM_POSTGRES and (why := services.lacks_postgres()):
            return replace(row, status=Status.SKIPPED, why=why)
        few, full = _measure(figure, many, options, say)
    except (RoleFailed, ServiceMissing, OSError) as error:
        return replace(row, status=Status.FAILED, why=str(error))
    return replace(
        row,
        farhand=Sample("farhand", tuple(full)),
        baselines=(Sample(f"{FEW:,} finished", tuple(few)),),
        best=f"{FEW:,} finished",
        ratio=tuple(theirs / ours for theirs, ours in zip(full, few, strict=True)),
        judged=not options.quick,
    )


def _measure(
    figure: Figure, many: int, options: Options, say: Callable[[str], None]
) -> tuple[list[float], list[float]]:
    """The figures with few finished jobs, and those with many, measured in turn."""
    figures: tuple[list[float], list[float]] = ([], [])
    with ExitStack() as stack:
        stores = []
        for count in (FEW, many):
            say(f"{figure.name}: filling a store with {count:,} finished jobs")
            url = stack.enter_context(_on_postgres() if figure is CLAIM_POSTGRES else _on_sqlite())
            store: Process = stack.enter_context(role("claimer", url, str(count)))
            store.answer(FILL_TIMEOUT)
            stores.append(store)
        for number in range(options.rounds + 1):
            say(f"{figure.name}: round {number} of {options.rounds}" if number else f"{figure.name}: warming up")
            for store, found in zip(stores, figures, strict=True):
                figure_found = store.order(options.seconds * 4 + PATIENCE, "p99", seconds=options.seconds)
                if number:
                    found.append(figure_found)
    return figures


@contextmanager
def _on_postgres() -> Iterator[str]:
    with services.schema() as schema:
        yield subject.postgres_store(services.POSTGRES, schema)


@contextmanager
def _on_sqlite() -> Iterator[str]:
    with tempfile.TemporaryDirectory(prefix="farhand-bench-") as folder:
        yield f"sqlite:///{Path(folder) / 'farhand.db'}"
