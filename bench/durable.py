"""A hub with its jobs in SQLite: how many it does a second, and what those cost in memory that wait."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace

from bench import subject, usage
from bench.processes import Process, Program, RoleFailed, role
from bench.results import Options, Row, Sample, Status
from bench.scenarios import DURABLE, DURABLE_RATE, WAITING_MEMORY, Figure

IN_FLIGHT = 256
WAITING, WAITING_QUICK = 100_000, 5_000
PATIENCE = 120.0


def measure(names: list[str], options: Options, say: Callable[[str], None]) -> list[Row]:
    """The rows asked for."""
    wanted = [figure for figure in DURABLE if figure.name in names]
    try:
        with ExitStack() as stack:
            return [_measured(figure, _ONE[figure.name](stack, options, say), options) for figure in wanted]
    except (RoleFailed, OSError) as error:
        return [replace(_row(figure), status=Status.FAILED, why=str(error)) for figure in wanted]


def _measured(figure: Figure, figures: tuple[float, ...], options: Options) -> Row:
    return replace(_row(figure), farhand=Sample("farhand", figures), judged=not options.quick)


def _row(figure: Figure) -> Row:
    return Row(figure.name, figure.title, figure.unit, figure.target, Status.MEASURED)


def _rate(stack: ExitStack, options: Options, say: Callable[[str], None]) -> tuple[float, ...]:
    _, client = _start(stack, say)
    say("durable: warming up")
    _ask(client, "durable", options.warm_up, in_flight=IN_FLIGHT)
    figures = []
    for number in range(options.rounds):
        say(f"durable: round {number + 1} of {options.rounds}")
        figures.append(_ask(client, "durable", options.seconds, in_flight=IN_FLIGHT))
    return tuple(figures)


def _memory(stack: ExitStack, options: Options, say: Callable[[str], None]) -> tuple[float, ...]:
    hub, client = _start(stack, say)
    _ask(client, "durable", options.warm_up, in_flight=IN_FLIGHT)
    _ask(client, "fill", 0, count=1_000, in_flight=IN_FLIGHT)
    count = WAITING_QUICK if options.quick else WAITING
    before = usage.memory(hub.pid)
    say(f"waiting-memory: {count:,} jobs that nobody takes")
    _ask(client, "fill", 0, count=count, in_flight=IN_FLIGHT)
    return ((usage.memory(hub.pid) - before) / count / 1000,)


def _start(stack: ExitStack, say: Callable[[str], None]) -> tuple[Process, Process]:
    say("starting a hub for durable jobs")
    folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="farhand-bench"))
    hub = stack.enter_context(Program("farhand hub", subject.hub_command(f"sqlite:///{folder}/farhand.db")))
    address = subject.hub_address(hub.line())
    stack.enter_context(Program("farhand worker", subject.worker_command(address))).line()
    client = stack.enter_context(role("farhand_client", address))
    client.answer()
    return hub, client


def _ask(client: Process, do: str, seconds: float, **details: int) -> float:
    return client.order(seconds * 4 + PATIENCE, do, seconds=seconds, **details)


_ONE = {DURABLE_RATE.name: _rate, WAITING_MEMORY.name: _memory}
