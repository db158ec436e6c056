"""How often somebody may ask: so many times in each window, which begins with the first of them."""

from __future__ import annotations

WINDOW = 60.0
"""Seconds."""
KEYS = 10_000
"""Askers that are remembered; of more, those whose windows began first are forgotten."""


class Rates:
    """Who has asked how often. Times are in seconds, by a clock of the caller's."""

    __slots__ = ("_keys", "_windows")

    def __init__(self, keys: int = KEYS) -> None:
        self._keys = keys
        self._windows: dict[str, tuple[float, int]] = {}

    def take(self, key: str, limit: int, now: float) -> float | None:
        """One more time; None where that is allowed, else when it is again. A limit of 0 is none."""
        if not limit:
            return None
        began, count = self._windows.get(key, (now, 0))
        if not began <= now < began + WINDOW:  # also where the clock was set back
            began, count = now, 0
        if count >= limit:
            return began + WINDOW
        if not count:
            self._windows.pop(key, None)  # a window that begins now stands behind all others
            while len(self._windows) >= self._keys:
                del self._windows[next(iter(self._windows))]
        self._windows[key] = (began, count + 1)
        return None
