"""The open conversations of a hub's native door, and the one chore that looks after all of them."""

from __future__ import annotations

import asyncio
import contextlib

from farhand.errors import Unavailable
from farhand.fronts.grpc.conversation import Conversation
from farhand.hub.service import Hub

CHORE_EVERY = 1.0


class Registry:
    """Sends heartbeats where they are due, and cuts off clients that have fallen silent.

    Workers' silence is the machine's to judge (`core.presence`).
    """

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._clients: set[Conversation] = set()
        self._workers: set[Conversation] = set()
        self._last: asyncio.Event | None = None

    def add(self, conversation: Conversation, *, worker: bool) -> None:
        """A conversation began."""
        (self._workers if worker else self._clients).add(conversation)

    def remove(self, conversation: Conversation) -> None:
        """It is over."""
        self._workers.discard(conversation)
        self._clients.discard(conversation)
        if self._last is not None and not self._workers and not self._clients:
            self._last.set()

    async def all_closed(self, timeout: float) -> None:
        """Wait until none is left, for at most `timeout` seconds."""
        if self._workers or self._clients:
            self._last = asyncio.Event()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(timeout):
                    await self._last.wait()

    def tell_draining(self) -> None:
        """Let every peer know that the hub is stopping."""
        for conversation in [*self._workers, *self._clients]:
            if conversation.link.is_open:
                conversation.buffer.draining()
                conversation.wake()

    def close_all(self) -> None:
        """Say goodbye to every peer."""
        for conversation in [*self._workers, *self._clients]:
            conversation.close(message="the hub has stopped")

    async def chore(self) -> None:
        """Run until cancelled."""
        every = min(CHORE_EVERY, self._hub.lease / 6) if self._hub.lease else CHORE_EVERY
        while True:
            before = self._hub.now()
            await asyncio.sleep(every)
            now = self._hub.now()
            for conversation in [*self._workers, *self._clients]:
                link = conversation.link
                if link.is_open and link.heartbeat_due(now) < every / 2:
                    conversation.buffer.heartbeat()
                    conversation.wake()
            if now - before > 2 * CHORE_EVERY:
                continue  # this process stood still, and what the clients said waits unread
            for conversation in list(self._clients):
                if conversation.link.is_silent(now):
                    conversation.cut(Unavailable(f"silent for {conversation.link.silent_for(now):.0f} s"))
