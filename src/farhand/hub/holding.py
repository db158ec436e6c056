"""What an attempt says while the store is away: held, and written once when the store is back.

An error of the store can come after its commit, when only the answer was lost. The attempt is the only one that writes
into its job's log, so the length of the log says whether what it wrote is there.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar

import structlog

from farhand.core.retrying import Backoff
from farhand.errors import FarhandError

ENDED_HELD = 300.0
"""Seconds that an attempt's end is held, even past its lease: nothing runs any more, and its epoch fences it."""

T = TypeVar("T")


class Held(Protocol):
    """An attempt whose words are held: until when its lease may hold, by the store's clock, and whether it is over."""

    held_until: float
    over: bool


class Holding:
    """Writes again while the store is away. `now` is the store's clock; `shared`: its leases can go to another hub."""

    def __init__(self, now: Callable[[], float], shared: bool) -> None:
        self._now = now
        self._shared = shared
        self._stopping = asyncio.Event()
        self._away = 0
        self._log = structlog.get_logger("farhand.durable")

    def stop(self) -> None:
        """Wait for the store no more."""
        self._stopping.set()

    async def write(
        self, attempt: Held, ended: bool, write: Callable[[], Awaitable[T]], again: Callable[[], Awaitable[T]]
    ) -> T:
        """The answer of `write`, or, where the store was away, of `again`, until one has come. `ended`: it is the
        attempt's end that is written.

        Raises:
            FarhandError: the store refuses; or its lease is over, or the hub stops, before the store is back.
        """
        backoff, began, do, away = Backoff(0.05, 1.0), self._now(), write, False
        try:
            while True:
                try:
                    return await do()
                except FarhandError as error:
                    if not error.retryable or not self._may_wait(attempt, ended, began):
                        raise
                    if not away:
                        away = True
                        self._gone(error)
                do = again
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(backoff.next(random.random())):
                        await self._stopping.wait()
        finally:
            if away:
                self._back()

    def _may_wait(self, attempt: Held, ended: bool, began: float) -> bool:
        if self._stopping.is_set() or attempt.over:
            return False
        if not self._shared:
            return True  # nobody else can take it
        until = max(attempt.held_until, began + ENDED_HELD) if ended else attempt.held_until
        return self._now() < until

    def _gone(self, error: FarhandError) -> None:
        self._away += 1
        if self._away == 1:
            self._log.warning("the store is away; what runs goes on, what it says is held", why=error.message)

    def _back(self) -> None:
        self._away -= 1
        if not self._away:
            self._log.info("nothing waits for the store any more")
