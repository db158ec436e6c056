"""Many deadlines, one timer: keys in buckets of 50 ms, so that adding and removing is a dict operation.

Most deadlines are removed long before they pass; a heap of them would keep the dead ones for the whole timeout.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from heapq import heappop, heappush
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)

GRAIN = 0.05
"""Width of a bucket in seconds: how late a deadline may be noticed. Never early."""


class Deadlines(Generic[Key]):
    """A set of (key, time) pairs that gives back what is due."""

    __slots__ = ("_buckets", "_order")

    def __init__(self) -> None:
        self._buckets: dict[int, dict[Key, None]] = {}
        self._order: list[int] = []

    def add(self, key: Key, at: float) -> None:
        """Remember `key` until `at`."""
        slot = int(at / GRAIN) + 1
        bucket = self._buckets.get(slot)
        if bucket is None:
            self._buckets[slot] = {key: None}
            heappush(self._order, slot)
        else:
            bucket[key] = None

    def remove(self, key: Key, at: float) -> None:
        """Forget `key`, which was added with this time; nothing happens if it is due already."""
        bucket = self._buckets.get(int(at / GRAIN) + 1)
        if bucket is not None:
            bucket.pop(key, None)

    def due(self, now: float) -> Iterator[Key]:
        """Take out every key whose time has passed, the earliest first."""
        while self._order and self._order[0] * GRAIN <= now:
            yield from self._buckets.pop(heappop(self._order))

    def wake_at(self) -> float | None:
        """When to ask `due` again; None while nothing is kept."""
        while self._order and not self._buckets[self._order[0]]:
            del self._buckets[heappop(self._order)]
        return self._order[0] * GRAIN if self._order else None
