"""Many calls of one handler, in order, so many at once."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from farhand.client.calls import RunCall
from farhand.client.connection import Connection
from farhand.errors import FarhandError


class Window:
    """Calls in flight in the order they were begun; results are taken from the head."""

    def __init__(
        self,
        connection: Connection,
        begin: Callable[[Any], RunCall],
        size: int,
        fit: Callable[[Any], Any] | None = None,
    ) -> None:
        """`fit` is what becomes of each result; it raises a `FarhandError` and nothing else."""
        self._fit = fit
        self.size = max(1, size)
        self._connection = connection
        self._begin = begin
        self._waiting: deque[RunCall] = deque()

    @property
    def space(self) -> int:
        """How many more may be begun."""
        return self.size - len(self._waiting)

    def __len__(self) -> int:
        return len(self._waiting)

    async def begin(self, args: Any) -> None:
        """Begin one more call."""
        if self._connection.crowded:
            await self._connection.room()
        self._waiting.append(self._begin(args))

    async def take(self, *, wait: bool = True) -> list[Any]:
        """Results, and errors in their places, of all that are done at the head; at least one if `wait`."""
        waiting = self._waiting
        found: list[Any] = []
        if wait and waiting and not waiting[0].future.done():
            try:
                found.append(self._fitted(await waiting[0].future))
            except FarhandError as error:
                found.append(error)
            waiting.popleft()
        while waiting and waiting[0].future.done():
            future = waiting.popleft().future
            try:
                found.append(future.exception() or self._fitted(future.result()))
            except FarhandError as error:
                found.append(error)
        return found

    def _fitted(self, result: Any) -> Any:
        return result if self._fit is None else self._fit(result)

    def close(self) -> None:
        """Cancel what is in flight."""
        for call in self._waiting:
            self._connection.forget(call)
        self._waiting.clear()
