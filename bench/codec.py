"""Arrays there and back beside the same numbers as JSON, over a hub and without one."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace

from bench import subject
from bench.processes import Process, Program, RoleFailed, role
from bench.results import Options, Row, Sample, Status
from bench.scenarios import ARRAYS, QUICK_UP_TO, ArrayFigure

PATIENCE = 240.0


def measure(names: list[str], options: Options, say: Callable[[str], None]) -> list[Row]:
    """The rows asked for."""
    wanted = [figure for figure in ARRAYS if figure.name in names]
    if not wanted:
        return []
    try:
        with ExitStack() as stack:
            client = _start(stack, say)
            return [
                replace(_empty(figure), status=Status.SKIPPED, why="too large for a short run")
                if options.quick and figure.size > QUICK_UP_TO
                else _row(figure, client, options, say)
                for figure in wanted
            ]
    except (RoleFailed, OSError) as error:
        return [replace(_empty(figure), status=Status.FAILED, why=str(error)) for figure in wanted]


def _start(stack: ExitStack, say: Callable[[str], None]) -> Process:
    say("starting a hub for arrays")
    hub = stack.enter_context(Program("farhand hub", subject.hub_command()))
    address = subject.hub_address(hub.line())
    command = subject.worker_command(address, app="bench.arrays:app")
    stack.enter_context(Program("farhand worker", command)).line()
    client: Process = stack.enter_context(role("codec_client", address))
    client.answer()
    return client


def _row(figure: ArrayFigure, client: Process, options: Options, say: Callable[[str], None]) -> Row:
    """The figures of both, in turn, each round."""
    ours: list[float] = []
    theirs: list[float] = []
    for number in range(options.rounds + 1):
        say(f"{figure.name}: round {number} of {options.rounds}" if number else f"{figure.name}: warming up")
        for do, found in ((figure.do, ours), (f"{figure.do}_json", theirs)):
            seconds = options.seconds if number else options.warm_up
            value = client.order(seconds * 4 + PATIENCE, do, size=figure.size, seconds=seconds)
            if number:
                found.append(value)
    return replace(
        _empty(figure),
        farhand=Sample("farhand", tuple(ours)),
        baselines=(Sample("JSON", tuple(theirs)),),
        best="JSON",
        ratio=tuple(slow / fast for slow, fast in zip(theirs, ours, strict=True)),
        judged=not options.quick,
    )


def _empty(figure: ArrayFigure) -> Row:
    return Row(figure.name, figure.title, figure.unit, figure.target, Status.MEASURED)
