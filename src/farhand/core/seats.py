"""The workers of one group that have a free slot, the least busy and longest idle first."""

from __future__ import annotations

from heapq import heapify, heappop, heappush, heapreplace

from farhand.core.queues import Labels, Need
from farhand.model.worker import WorkerInfo

_FULL = 1024
_SLACK = 64

Rank = tuple[int, int, int]
"""How busy a seat is, when it was last touched, and its link; lower is chosen first."""


class Seat:
    """A connected worker as dispatch sees it: how many of its slots are taken, and whether it takes new work.

    `touched` is when a slot was last taken or freed; where `in_turn` is false, how many are taken. `ranked` is its rank
    as its pool last noted it, None while it isn't noted.
    """

    __slots__ = ("in_turn", "info", "link", "open", "pool", "ranked", "slots", "touched", "used")

    def __init__(self, link: int, info: WorkerInfo, pool: Pool, in_turn: bool = True) -> None:
        self.link = link
        self.info = info
        self.pool = pool
        self.slots = info.slots
        self.in_turn = in_turn
        self.used = 0
        self.open = True
        self.touched = 0
        self.ranked: Rank | None = None

    def fits(self, need: Need) -> bool:
        """Whether a job with this need may run here."""
        return (need.pinned is None or need.pinned == self.link) and self.pool.fits(need.handler, need.labels)

    @property
    def free(self) -> int:
        """Slots that may be filled now."""
        return self.slots - self.used if self.open else 0

    @property
    def rank(self) -> Rank:
        """Its place among the others: 0 (idle) to 1024 (full) first, then how long ago it was touched."""
        return (self.used * _FULL // self.slots, self.touched, self.link)


class Pool:
    """Seats that serve the same handlers with the same labels, by how busy they are.

    A heap of ranks that is put right when it is read: a seat that grew busier keeps its old, lower rank until it comes
    up, so that taking a slot costs nothing here. Only a rank that fell is pushed anew; the one it replaces is dropped
    when it comes up.
    """

    __slots__ = ("_heap", "handlers", "labels", "seats")

    def __init__(self, handlers: frozenset[str], labels: Labels) -> None:
        self.handlers = handlers
        self.labels = labels
        self.seats: dict[int, Seat] = {}
        self._heap: list[Rank] = []

    def __len__(self) -> int:
        """Ranks noted, dead ones included."""
        return len(self._heap)

    def fits(self, handler: str, labels: Labels) -> bool:
        """Whether its seats serve this handler and have these labels."""
        return handler in self.handlers and (not labels or labels <= self.labels)

    def best(self) -> Seat | None:
        """The least busy seat with a free slot; among equals the one longest untouched."""
        heap = self._heap
        while heap:
            noted = heap[0]
            seat = self.seats.get(noted[2])
            if seat is None or seat.ranked is not noted:
                heappop(heap)
            elif not seat.open or seat.used >= seat.slots:
                seat.ranked = None
                heappop(heap)
            elif noted[1] == seat.touched:
                return seat
            else:
                seat.ranked = rank = seat.rank
                heapreplace(heap, rank)
        return None

    def offer(self, seat: Seat) -> None:
        """Note a seat that is new, opened, or less busy than before."""
        rank, noted = seat.rank, seat.ranked
        if noted is None or rank < noted:
            seat.ranked = rank
            heappush(self._heap, rank)
            if len(self._heap) > 2 * len(self.seats) + _SLACK:
                self._heap = [one.ranked for one in self.seats.values() if one.ranked is not None]
                heapify(self._heap)
