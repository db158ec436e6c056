"""Measures comparisons round by round: farhand, then each baseline, then again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from itertools import groupby
from types import TracebackType

from bench.contenders import FARHAND, Contender
from bench.processes import Process, RoleFailed
from bench.results import Options, Row, Sample, Status
from bench.scenarios import Comparison, Order
from bench.services import ServiceMissing

Say = Callable[[str], None]

PATIENCE = 60.0
"""Seconds that a measurement may take beyond what it should."""


def compare(comparisons: list[Comparison], options: Options, say: Say) -> Iterator[Row]:
    """A row for each comparison. farhand stays up; baselines are up only while they are measured."""
    with Stage(say) as stage:
        for contenders, group in groupby(sorted(comparisons, key=_key), key=lambda one: one.contenders):
            yield from _together(contenders, list(group), options, stage)


class Stage:
    """farhand's processes, from when they are first needed to the end, or to a failure."""

    def __init__(self, say: Say) -> None:
        self.say = say
        self._stack = ExitStack()
        self._farhand: Process | None = None

    def start(self, contender: Contender, stack: ExitStack) -> Process:
        """The contender's client; of a baseline, until the stack is closed."""
        if contender is not FARHAND:
            self.say(f"starting {contender.name}")
            return stack.enter_context(contender.start())
        if self._farhand is None:
            self.say("starting farhand")
            self._farhand = self._stack.enter_context(FARHAND.start())
        return self._farhand

    def clear(self) -> None:
        """Something failed: end farhand, so that what comes next begins afresh."""
        self._farhand = None
        self._stack.close()

    def __enter__(self) -> Stage:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.clear()


def _key(comparison: Comparison) -> tuple[str, ...]:
    return tuple(contender.name for contender in comparison.contenders)


def _together(
    contenders: tuple[Contender, ...], comparisons: list[Comparison], options: Options, stage: Stage
) -> Iterator[Row]:
    left = list(comparisons)
    try:
        missing = {one.name: why for one in contenders if (why := one.lacks())}
        present = [one for one in contenders if one.name not in missing]
        if missing and (contenders[0].name in missing or present == [contenders[0]]):
            yield from (_row(comparison, Status.SKIPPED, _reasons(missing)) for comparison in left)
            return
        with ExitStack() as stack:
            clients = {one.name: stage.start(one, stack) for one in present}
            while left:
                yield _measure(left[0], clients, missing, options, stage.say)
                left.pop(0)
    except (RoleFailed, ServiceMissing, OSError) as error:
        stage.clear()
        yield from (_row(comparison, Status.FAILED, str(error)) for comparison in left)


def _measure(
    comparison: Comparison, clients: dict[str, Process], missing: dict[str, str], options: Options, say: Say
) -> Row:
    baselines = [order for order in comparison.baselines if order.contender.name not in missing]
    orders = [comparison.farhand, *baselines]
    figures: list[list[float]] = [[] for _ in orders]
    say(f"{comparison.name}: warming up")
    for order in orders:
        _ask(clients, order, options.warm_up)
    for number in range(options.rounds):
        say(f"{comparison.name}: round {number + 1} of {options.rounds}")
        for order, row in zip(orders, figures, strict=True):
            row.append(_ask(clients, order, options.seconds))
    samples = [Sample(_label(order, comparison), tuple(row)) for order, row in zip(baselines, figures[1:], strict=True)]
    best = (max if comparison.more_is_better else min)(samples, key=lambda sample: sample.median)
    return replace(
        _row(comparison, Status.MEASURED),
        farhand=Sample(FARHAND.name, tuple(figures[0])),
        least=comparison.least,
        baselines=(*samples, *(Sample(name, skipped=why) for name, why in missing.items())),
        best=best.name,
        ratio=tuple(ours / theirs for ours, theirs in zip(figures[0], best.figures, strict=True)),
        judged=not options.quick,
    )


def _ask(clients: dict[str, Process], order: Order, seconds: float) -> float:
    client = clients[order.contender.name]
    return client.order(seconds * 4 + PATIENCE, order.do, seconds=seconds, **order.details)


def _reasons(missing: dict[str, str]) -> str:
    named = {why: ", ".join(name for name in missing if missing[name] == why) for why in missing.values()}
    return "; ".join(f"{names}: {why}" for why, names in named.items())


def _label(order: Order, comparison: Comparison) -> str:
    return "farhand run" if order.contender is comparison.farhand.contender else order.contender.name


def _row(comparison: Comparison, status: Status, why: str = "") -> Row:
    return Row(comparison.name, comparison.title, comparison.unit, comparison.target, status, why=why)
