"""Who is there: how long each worker has been silent, and what follows from it.

A worker whose stream is open but silent may hold the GIL in a long computation, so it isn't given up at once: it is
stalled (no new work) after `silence`, and lost after `stall_timeout`.
"""

from __future__ import annotations

from farhand.model.limits import SILENCE, STALL_TIMEOUT


class Presence:
    """When each link was last heard."""

    __slots__ = ("_heard", "_silence", "_stall_timeout", "_stalled")

    def __init__(self, silence: float = SILENCE, stall_timeout: float = STALL_TIMEOUT) -> None:
        self._silence = silence
        self._stall_timeout = stall_timeout
        self._heard: dict[int, float] = {}
        self._stalled: set[int] = set()

    def join(self, link: int, now: float) -> None:
        """A worker is there."""
        self._heard[link] = now

    def leave(self, link: int) -> None:
        """It is gone."""
        self._heard.pop(link, None)
        self._stalled.discard(link)

    def heard(self, link: int, now: float) -> bool:
        """It said something; whether it was stalled and is back."""
        self._heard[link] = now
        if self._stalled and link in self._stalled:
            self._stalled.discard(link)
            return True
        return False

    def stalled(self, link: int) -> bool:
        """Whether it is connected but silent."""
        return link in self._stalled

    def silent_for(self, link: int, now: float) -> float:
        """Seconds since it was heard."""
        return now - self._heard[link]

    def check(self, now: float) -> tuple[list[int], list[int]]:
        """The links that have become stalled since the last check, and those to give up."""
        stalled, lost = [], []
        for link, heard in self._heard.items():
            silent = now - heard
            if silent <= self._silence:
                continue
            if silent > self._stall_timeout:
                lost.append(link)
            elif link not in self._stalled:
                self._stalled.add(link)
                stalled.append(link)
        return stalled, lost
