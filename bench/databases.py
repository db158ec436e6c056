"""Rows a second of a query through the hub, beside the driver alone on the same query."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace

from bench import services, subject
from bench.processes import Process, Program, RoleFailed, role
from bench.results import Options, Row, Sample, Status
from bench.scenarios import SQL_ROWS
from bench.services import ServiceMissing

PATIENCE = 60.0
BARE = "psycopg alone"


def measure(names: list[str], options: Options, say: Callable[[str], None]) -> list[Row]:
    """The row, if it is asked for."""
    if SQL_ROWS.name not in names:
        return []
    row = Row(SQL_ROWS.name, SQL_ROWS.title, SQL_ROWS.unit, SQL_ROWS.target, Status.MEASURED)
    try:
        if why := services.lacks("sqlalchemy", "psycopg", "pymysql") or services.lacks_postgres():
            return [replace(row, status=Status.SKIPPED, why=why)]
        ours, theirs = _measure(options, say)
    except (RoleFailed, ServiceMissing, OSError) as error:
        return [replace(row, status=Status.FAILED, why=str(error))]
    return [
        replace(
            row,
            farhand=Sample("farhand", tuple(ours)),
            baselines=(Sample(BARE, tuple(theirs)),),
            best=BARE,
            ratio=tuple(one / other for one, other in zip(ours, theirs, strict=True)),
            judged=not options.quick,
        )
    ]


def _measure(options: Options, say: Callable[[str], None]) -> tuple[list[float], list[float]]:
    """Rows a second through the hub and by the driver, measured in turn."""
    figures: dict[str, list[float]] = {"hub": [], "bare": []}
    with ExitStack() as stack:
        say("sql: starting a hub and a worker beside PostgreSQL")
        hub = stack.enter_context(Program("farhand hub", subject.hub_command()))
        address = subject.hub_address(hub.line())
        command = subject.sql_worker_command(address, f"bench={services.POSTGRES}")
        stack.enter_context(Program("farhand sql-worker", command)).line()
        client: Process = stack.enter_context(role("sql_client", address, services.POSTGRES))
        client.answer()
        for number in range(options.rounds + 1):
            say(f"sql: round {number} of {options.rounds}" if number else "sql: warming up")
            for do, found in figures.items():
                seconds = options.seconds if number else options.warm_up
                value = client.order(seconds * 4 + PATIENCE, do, seconds=seconds)
                if number:
                    found.append(value)
    return figures["hub"], figures["bare"]
