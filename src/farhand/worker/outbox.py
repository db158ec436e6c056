"""What handlers have said and the link hasn't sent yet. Handlers run in many threads; the link takes from one."""

from __future__ import annotations

import threading
from collections.abc import Callable

from farhand.core.link import Says
from farhand.model.event import Event
from farhand.wire.farhand.outgoing import FromWorker

ROOM_LIMIT = 2 * 1024 * 1024
"""Bytes that may wait before printing handlers are held up."""


class Outbox:
    """A locked frame buffer. Each event names the generation, i.e. the connection, whose hub knows its job."""

    def __init__(self, wake: Callable[[bool], None]) -> None:
        """`wake(soon)` is called when something waits that didn't: `soon` False means it may wait for company."""
        self._wake = wake
        self._lock = threading.Lock()
        self._buffer = FromWorker()
        self._room = threading.Event()
        self._room.set()
        self._told = False
        self._told_lazily = False
        self.generation = 0

    def event(self, generation: int, job: str, kind: int, body: bytes = b"", media: int = 0, number: int = 0) -> None:
        """Add an event that is to go at once."""
        with self._lock:
            if generation != self.generation:
                return
            self._buffer.event(job, kind, body, media, number)
            told, self._told = self._told, True
        if not told:
            self._wake(True)

    def ended(self, generation: int, job: str, started: bool, kind: int, body: bytes, media: int, number: int) -> None:
        """Add a job's end and, where it wasn't said before, its start: one lock and one wake-up for a short call."""
        with self._lock:
            if generation != self.generation:
                return
            if started:
                self._buffer.event(job, 2)
            self._buffer.event(job, kind, body, media, number)
            told, self._told = self._told, True
        if not told:
            self._wake(True)

    def chatter(self, generation: int, job: str, event: Event) -> None:
        """Add progress or console text, which may wait a moment and be merged."""
        with self._lock:
            if generation != self.generation:
                return
            self._buffer.mergeable(job, event)
            told = self._told or self._told_lazily
            self._told_lazily = True
            if self._buffer.waiting > ROOM_LIMIT:
                self._room.clear()
        if not told:
            self._wake(False)

    def say(self, verb: Callable[[FromWorker], None]) -> None:
        """Add something that isn't a job's event."""
        with self._lock:
            verb(self._buffer)
            told, self._told = self._told, True
        if not told:
            self._wake(True)

    def reject(self, generation: int, job: str) -> None:
        """Give an assignment back."""
        if generation == self.generation:
            self.say(lambda buffer: buffer.rejected(job))

    @property
    def has_room(self) -> bool:
        """Whether console text may be added without growing the buffer too far."""
        return self._room.is_set()

    def wait_for_room(self, timeout: float) -> bool:
        """Block this thread until there is room, or `timeout` seconds; whether there is."""
        return self._room.wait(timeout)

    def take(self) -> tuple[bytes, Says] | None:
        """The next frame, None when nothing waits. Called by the link."""
        with self._lock:
            if not self._buffer:
                self._told = self._told_lazily = False
                self._room.set()
                return None
            frame = self._buffer.take()
            if self._buffer.waiting < ROOM_LIMIT // 2:
                self._room.set()
            return frame

    def renew(self) -> int:
        """Drop everything and begin a new generation: the connection is a new one."""
        with self._lock:
            self._buffer = FromWorker()
            self.generation += 1
            self._told = self._told_lazily = False
            self._room.set()
            return self.generation
