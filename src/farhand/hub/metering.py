"""What is measured of a hub's jobs: how long they waited and ran, and how they ended, by handler and group.

Ends are all counted. Times are taken of all jobs while they are few; of more than 1,000 a second, of each 64th, which
then stands for 64: a hub does tens of thousands, and is to do no less for being measured.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence

from farhand.model.event import Kind
from farhand.model.job import Job

BOUNDS = (
    *(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0),
    *(2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 3600.0),
)
"""Seconds, the upper ends of what is counted together."""

SERIES = 500
"""Pairs of handler and group that are told apart; all others are one."""
OTHER = ("other", "other")

ALL = 1_000
"""Jobs whose times are all taken, between two calls of `tick`."""
EACH = 64
"""Of the others, each so many-th one stands for so many."""

Key = tuple[str, str]


class Times:
    """A histogram of seconds: `counts` by BOUNDS and one more for what is above them, and their `total`."""

    __slots__ = ("counts", "total")

    def __init__(self) -> None:
        self.counts = [0] * (len(BOUNDS) + 1)
        self.total = 0.0

    def add(self, seconds: float, weight: int = 1) -> None:
        """Take in a time, which stands for so many."""
        self.counts[bisect_left(BOUNDS, seconds)] += weight
        self.total += seconds * weight


class Series:
    """What is measured of one handler in one group. `calls` and `durables` count ends."""

    __slots__ = ("calls", "durables", "first", "queue", "run")

    def __init__(self) -> None:
        self.queue, self.run, self.first = Times(), Times(), Times()
        self.calls: dict[Kind, int] = {}
        self.durables: dict[str, int] = {}


class Meter:
    """All of one hub. `now` is the hub's clock. Whoever owns it calls `tick` each second."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._left = ALL
        self._begun: dict[str, tuple[float, int]] = {}
        self._ends: dict[tuple[str, str, Kind], int] = {}
        self._series: dict[Key, Series] = {}

    # -- what the hub tells ------------------------------------------------------------------------------------------

    def assigned(self, job: Job) -> None:
        """A worker has it now."""
        self._left = left = self._left - 1
        if left >= 0:
            self._begun[job.id] = (self._now(), 1)
        elif not left % EACH:
            self._begun[job.id] = (self._now(), EACH)

    def chunk(self, job: Job) -> None:
        """Its first chunk has come."""
        self._of(job.handler, job.group).first.add(self._now() - job.submitted)

    def ended(self, job: Job, kind: Kind) -> None:
        """It has ended so."""
        if not job.leased:
            key = (job.handler, job.group, kind)
            try:
                self._ends[key] += 1
            except KeyError:
                self._new_end(key)
        if job.id in self._begun:
            begun, weight = self._begun.pop(job.id)
            series = self._of(job.handler, job.group)
            series.run.add(self._now() - begun, weight)
            if not job.leased:
                series.queue.add(begun - job.submitted, weight)

    def claimed(self, handler: str, group: str, waited: float) -> None:
        """A durable job was taken from the store, so many seconds after it was due."""
        self._of(handler, group).queue.add(max(0.0, waited))

    def kept(self, handler: str, group: str, state: str) -> None:
        """A durable job's end was kept."""
        ends = self._of(handler, group).durables
        ends[state] = ends.get(state, 0) + 1

    def tick(self) -> None:
        """Time passed: take all times again."""
        self._left = ALL

    # -- what is shown -----------------------------------------------------------------------------------------------

    def series(self) -> Iterable[tuple[Key, Series]]:
        """What was measured, by handler and group."""
        for (handler, group, kind), count in self._ends.items():
            calls = self._of(handler, group).calls
            calls[kind] = calls.get(kind, 0) + count
        self._ends = {}
        return self._series.items()

    def _new_end(self, key: tuple[str, str, Kind]) -> None:
        if len(self._ends) >= SERIES:
            self.series()
        self._ends[key] = 1

    def _of(self, handler: str, group: str) -> Series:
        key = (handler, group)
        found = self._series.get(key)
        if found is None:
            key = key if len(self._series) < SERIES else OTHER
            found = self._series.get(key)
            if found is None:
                found = self._series[key] = Series()
        return found


def cumulative(times: Times) -> Sequence[tuple[str, float]]:
    """Upper ends as texts, each with how many were at most so long."""
    found: list[tuple[str, float]] = []
    total = 0
    for bound, count in zip((*map(str, BOUNDS), "+Inf"), times.counts, strict=True):
        total += count
        found.append((bound, total))
    return found
