"""Callers that come together travel together: one round trip and one commit for all of them."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from copy import copy
from typing import Generic, TypeVar

from farhand.errors import FarhandError, Unavailable

A = TypeVar("A")
R = TypeVar("R")

MOST = 128
"""Askers of one batch, unless said otherwise."""
FLIGHTS = 2
"""Batches of one kind under way at a time; who comes later goes with the next."""


class Batches(Generic[A, R]):
    """Requests of one kind. `run` does a batch in one transaction and answers in its order, or raises. Where the fault
    is a request's own (all but `Unavailable`), each is run again alone, so that nobody fails for another's."""

    def __init__(self, run: Callable[[Sequence[A]], Awaitable[Sequence[R]]], most: int = MOST) -> None:
        self._run = run
        self._most = most
        self._waiting: deque[tuple[A, asyncio.Future[R]]] = deque()
        self._flights: set[asyncio.Task[None]] = set()
        self._due = False

    async def ask(self, request: A) -> R:
        """Send one request; its answer. It is done even if the caller stops waiting."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[R] = loop.create_future()
        self._waiting.append((request, answer))
        if not self._due:
            self._due = True
            loop.call_soon(self._depart)
        return await answer

    async def drain(self) -> None:
        """Wait until all that was asked is answered."""
        while self._flights or self._waiting:
            self._depart()
            await asyncio.wait(self._flights)

    def _depart(self) -> None:
        self._due = False
        while self._waiting and len(self._flights) < FLIGHTS:
            batch = [self._waiting.popleft() for _ in range(min(self._most, len(self._waiting)))]
            flight = asyncio.create_task(self._fly(batch))
            self._flights.add(flight)
            flight.add_done_callback(self._land)

    def _land(self, flight: asyncio.Task[None]) -> None:
        self._flights.discard(flight)
        self._depart()

    async def _fly(self, batch: list[tuple[A, asyncio.Future[R]]]) -> None:
        try:
            results = await self._run([request for request, _ in batch])
        except Exception as error:
            if len(batch) > 1 and not isinstance(error, Unavailable):
                for one in batch:
                    await self._fly([one])
                return
            for _, answer in batch:
                if not answer.done():
                    answer.set_exception(_own(error))
        except BaseException:
            for _, answer in batch:
                answer.cancel()
            raise
        else:
            for (_, answer), result in zip(batch, results, strict=True):
                if not answer.done():
                    answer.set_result(result)


def _own(error: Exception) -> Exception:
    """An error of one's own: a traceback grows with each raise."""
    if not isinstance(error, FarhandError):
        return error
    own = copy(error)
    own.__cause__ = error.__cause__
    return own
