"""What the routes share: the hub's verbs, and who is being served."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import msgspec

from farhand.hub.durable import Durables, kept_by
from farhand.hub.service import Hub

if TYPE_CHECKING:
    from litestar import Request


class Mount(msgspec.Struct, frozen=True):
    """An application of another front, for all below `path`, which ends with a slash. It asks for keys of its own, so
    pages of any origin may ask it. Its requests' bodies take up to `body` bytes."""

    path: str
    app: Any
    body: int


class Door:
    """One hub's HTTP door. `active` are the requests being answered, beside those that follow a log."""

    def __init__(self, hub: Hub, durables: Durables | None) -> None:
        self.hub = hub
        self.durables = durables
        self.active = 0
        self.followers: set[asyncio.Task[Any]] = set()
        self.ending = False
        self.lag = 0.0
        self._quiet = asyncio.Event()

    @property
    def kept(self) -> Durables:
        """The hub's durable jobs.

        Raises:
            Unavailable: it keeps none.
        """
        return kept_by(self.durables)

    @contextlib.contextmanager
    def serving(self) -> Iterator[None]:
        """While a request is answered."""
        self.active += 1
        try:
            yield
        finally:
            self.active -= 1
            self._quiet.set()

    @contextlib.contextmanager
    def following(self) -> Iterator[None]:
        """While a request follows a log: a drain doesn't wait for it."""
        task = asyncio.current_task()
        assert task is not None
        self.active -= 1
        self._quiet.set()
        self.followers.add(task)
        try:
            yield
        finally:
            self.followers.discard(task)
            self.active += 1

    def end_followers(self) -> None:
        """Let those who follow logs go; they come back to the next hub."""
        self.ending = True
        for task in self.followers:
            task.cancel()

    async def quiet(self) -> None:
        """Wait until no request is being answered."""
        while self.active:
            self._quiet.clear()
            await self._quiet.wait()


def door_of(request: Request[Any, Any, Any]) -> Door:
    """The door that a request came through."""
    door: Door = request.app.state["door"]
    return door
