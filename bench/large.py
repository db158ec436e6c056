"""Large results beside a bare gRPC stream, eight at once, and short calls while one passes."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from threading import Thread
from time import perf_counter

from bench import subject
from bench.processes import Process, Program, RoleFailed, free_port, role
from bench.results import Options, Row, Sample, Status
from bench.scenarios import LARGE, Figure

PATIENCE = 120.0
SIZE, QUICK_SIZE = 256 * 1024 * 1024, 16 * 1024 * 1024


def measure(names: list[str], options: Options, say: Callable[[str], None]) -> list[Row]:
    """The rows asked for."""
    wanted = [figure for figure in LARGE if figure.name in names]
    if not wanted:
        return []
    try:
        with ExitStack() as stack:
            return _rows(_Bench(stack, options, say), wanted, options)
    except (RoleFailed, OSError) as error:
        return [replace(_empty(figure), status=Status.FAILED, why=str(error)) for figure in wanted]


class _Bench:
    """A hub, a worker without a data port and a hub with one that has, a bare server, and their clients."""

    def __init__(self, stack: ExitStack, options: Options, say: Callable[[str], None]) -> None:
        say("starting hubs for large results")
        bare = f"127.0.0.1:{free_port()}"
        stack.enter_context(role("grpc_server", bare)).answer()
        self.hub = self._client(stack, bare)
        self.other = self._client(stack, bare, self.address)
        self.direct = self._client(stack, bare, "", "--data", "127.0.0.1:0")
        self.size = QUICK_SIZE if options.quick else SIZE
        self._say = say

    def _client(self, stack: ExitStack, bare: str, hub: str = "", *data: str) -> Process:
        if not hub:
            program = stack.enter_context(Program("farhand hub", subject.hub_command()))
            self.address = hub = subject.hub_address(program.line())
            command = [*subject.worker_command(hub, app="bench.arrays:app"), *data]
            stack.enter_context(Program("farhand worker", command)).line()
        client: Process = stack.enter_context(role("large_client", hub, bare))
        client.answer()
        return client

    def speed(self, client: Process, do: str, seconds: float) -> float:
        """MiB a second."""
        self._say(f"large: {do}")
        return client.order(seconds * 4 + PATIENCE, do, size=self.size, seconds=seconds)

    def eight(self) -> float:
        """How much longer the last of eight took than the first."""
        self._say("large: eight at once")
        return self.hub.order(PATIENCE, "eight", size=self.size // 4, seconds=0.0)

    def small(self, seconds: float) -> float:
        """The p99 of short calls in milliseconds."""
        return self.other.order(seconds * 4 + PATIENCE, "small", seconds=seconds)

    def small_beside(self, seconds: float) -> float:
        """The same while large results pass."""
        self._say("large: short calls beside one")
        passing = Thread(target=self.speed, args=(self.hub, "whole", seconds + 1.0))
        passing.start()
        until = perf_counter() + 0.3
        while perf_counter() < until:
            self.small(0.1)
        found = self.small(seconds)
        passing.join()
        return found


def _rows(bench: _Bench, wanted: list[Figure], options: Options) -> list[Row]:
    bare: list[float] = []
    found: dict[str, list[float]] = {figure.name: [] for figure in LARGE}
    alone: list[float] = []
    names = {figure.name for figure in wanted}
    for number in range(options.rounds + 1):
        seconds = options.seconds if number else options.warm_up
        keep = number > 0
        if names & {"large-hub", "large-direct"}:
            _put(bare, bench.speed(bench.hub, "stream", seconds), keep)
        if "large-hub" in names:
            _put(found["large-hub"], bench.speed(bench.hub, "whole", seconds), keep)
        if "large-direct" in names:
            _put(found["large-direct"], bench.speed(bench.direct, "whole", seconds), keep)
        if "large-fair" in names:
            _put(found["large-fair"], bench.eight(), keep)
        if "large-small" in names:
            _put(alone, bench.small(seconds), keep)
            _put(found["large-small"], bench.small_beside(seconds), keep)
    return [_row(figure, found[figure.name], bare, alone, options) for figure in wanted]


def _put(figures: list[float], value: float, keep: bool) -> None:
    if keep:
        figures.append(value)


def _row(figure: Figure, ours: list[float], bare: list[float], alone: list[float], options: Options) -> Row:
    row = replace(_empty(figure), farhand=Sample("farhand", tuple(ours)), judged=not options.quick)
    if figure.name == "large-fair":
        return row
    best, theirs = ("alone", alone) if figure.name == "large-small" else ("a bare gRPC stream", bare)
    ratio = tuple(one / other for one, other in zip(ours, theirs, strict=True))
    return replace(row, baselines=(Sample(best, tuple(theirs)),), best=best, ratio=ratio)


def _empty(figure: Figure) -> Row:
    return Row(figure.name, figure.title, figure.unit, figure.target, Status.MEASURED)
