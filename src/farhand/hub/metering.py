"""What is measured of a hub's jobs: how long they waited and ran, and how they ended, by handler and group.

The hub tells when a job is assigned, when its first chunk comes and when it ends, which costs it a microsecond a call;
the numbers are worked out in batches, and whoever shows them folds what is left first.
"""

from __future__ import annotations

from bisect import bisect_right
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

BATCH = 2_000
"""Ends that may wait to be worked out."""

Key = tuple[str, str]


class Times:
    """A histogram of seconds: `counts` by BOUNDS and one more for what is above them, and their `total`."""

    __slots__ = ("counts", "total")

    def __init__(self) -> None:
        self.counts = [0] * (len(BOUNDS) + 1)
        self.total = 0.0

    def add(self, seconds: list[float]) -> None:
        """Take in times; the list is sorted by it."""
        seconds.sort()
        self.total += sum(seconds)
        before = 0
        for at, bound in enumerate(BOUNDS):
            upto = bisect_right(seconds, bound, before)
            self.counts[at] += upto - before
            before = upto
            if before == len(seconds):
                return
        self.counts[-1] += len(seconds) - before


class Series:
    """What is measured of one handler in one group. `calls` and `durables` count ends."""

    __slots__ = ("calls", "durables", "first", "fresh", "queue", "run")

    def __init__(self) -> None:
        self.queue, self.run, self.first = Times(), Times(), Times()
        self.calls: dict[Kind, int] = {}
        self.durables: dict[str, int] = {}
        self.fresh: tuple[list[float], list[float], list[float]] = ([], [], [])

    def fold(self) -> None:
        """Work out what has come."""
        for times, fresh in zip((self.queue, self.run, self.first), self.fresh, strict=True):
            if fresh:
                times.add(fresh)
                fresh.clear()


class Meter:
    """All of one hub. `now` is the hub's clock."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._begun: dict[str, float] = {}
        self._over: list[tuple[Job, float, float, Kind]] = []
        self._series: dict[Key, Series] = {}

    # -- what the hub tells ------------------------------------------------------------------------------------------

    def assigned(self, job: Job) -> None:
        """A worker has it now."""
        self._begun[job.id] = self._now()

    def chunk(self, job: Job) -> None:
        """Its first chunk has come."""
        self._of(job.handler, job.group).fresh[2].append(self._now() - job.submitted)

    def ended(self, job: Job, kind: Kind) -> None:
        """It has ended so."""
        over = self._over
        over.append((job, self._begun.pop(job.id, 0.0), self._now(), kind))
        if len(over) >= BATCH:
            self.fold()

    def claimed(self, handler: str, group: str, waited: float) -> None:
        """A durable job was taken from the store, so many seconds after it was due."""
        self._of(handler, group).fresh[0].append(max(0.0, waited))

    def kept(self, handler: str, group: str, state: str) -> None:
        """A durable job's end was kept."""
        ends = self._of(handler, group).durables
        ends[state] = ends.get(state, 0) + 1

    # -- what is shown -----------------------------------------------------------------------------------------------

    def fold(self) -> None:
        """Work out what has come."""
        over, self._over = self._over, []
        for job, begun, ended, kind in over:
            series = self._series.get((job.handler, job.group)) or self._of(job.handler, job.group)
            queue, run, _ = series.fresh
            if begun:
                run.append(ended - begun)
            if not job.leased:
                if begun:
                    queue.append(begun - job.submitted)
                series.calls[kind] = series.calls.get(kind, 0) + 1
        for series in self._series.values():
            series.fold()

    def series(self) -> Iterable[tuple[Key, Series]]:
        """What was measured, by handler and group."""
        self.fold()
        return self._series.items()

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
