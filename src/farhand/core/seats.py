"""The workers of one group that have a free slot, the least busy and longest idle first, in O(1) steps."""

from __future__ import annotations

from collections import OrderedDict

from farhand.core.queues import Labels, Need
from farhand.model.worker import WorkerInfo

_FULL = 1024


class Seat:
    """A connected worker as dispatch sees it: how many of its slots are taken, and whether it takes new work."""

    __slots__ = ("handlers", "info", "labels", "link", "open", "touched", "used")

    def __init__(self, link: int, info: WorkerInfo) -> None:
        self.link = link
        self.info = info
        self.handlers = frozenset(spec.name for spec in info.handlers)
        self.labels: Labels = frozenset(info.labels.items())
        self.used = 0
        self.open = True
        self.touched = 0

    def fits(self, need: Need) -> bool:
        """Whether a job with this need may run here."""
        if need.pinned is not None and need.pinned != self.link:
            return False
        return need.handler in self.handlers and need.labels <= self.labels

    @property
    def free(self) -> int:
        """Slots that may be filled now."""
        return self.info.slots - self.used if self.open else 0

    @property
    def level(self) -> int:
        """How busy it is, 0 idle to 1024 full."""
        return self.used * _FULL // self.info.slots


class Pool:
    """Seats that serve the same handlers with the same labels, by how busy they are."""

    __slots__ = ("_levels", "handlers", "labels", "size")

    def __init__(self, handlers: frozenset[str], labels: Labels) -> None:
        self.handlers = handlers
        self.labels = labels
        self.size = 0
        self._levels: dict[int, OrderedDict[int, Seat]] = {}

    def fits(self, need: Need) -> bool:
        """Whether its seats may run a job with this need, its pin aside."""
        return need.handler in self.handlers and need.labels <= self.labels

    def best(self) -> Seat | None:
        """The least busy seat with a free slot; among equals the one longest untouched."""
        if not self._levels:
            return None
        return next(iter(self._levels[min(self._levels)].values()))

    def put(self, seat: Seat) -> None:
        """List a seat, if it has a free slot."""
        if seat.free > 0:
            self._levels.setdefault(seat.level, OrderedDict())[seat.link] = seat

    def take(self, seat: Seat) -> None:
        """Take it off the list, before its load changes."""
        level = seat.level
        seats = self._levels.get(level)
        if seats is not None and seats.pop(seat.link, None) is not None and not seats:
            del self._levels[level]
