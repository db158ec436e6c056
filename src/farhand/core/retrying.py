"""Waiting longer after each failure, each time by chance, so that many who failed together don't return together."""

from __future__ import annotations


class Backoff:
    """Full jitter (M. Brooker, "Exponential Backoff And Jitter", 2015): uniform below a bound that doubles.

    `least` and `most` are seconds.
    """

    __slots__ = ("_least", "_most", "_tries")

    def __init__(self, least: float = 0.2, most: float = 30.0) -> None:
        self._least = least
        self._most = most
        self._tries = 0

    def reset(self) -> None:
        """It worked."""
        self._tries = 0

    def next(self, chance: float) -> float:
        """Seconds to wait now; `chance` is uniform in [0, 1)."""
        self._tries = min(self._tries + 1, 32)
        bound = min(self._most, self._least * 2.0**self._tries)
        return self._least + (bound - self._least) * chance
