"""What handlers have said and the link hasn't sent yet. Handlers run in many threads; the link takes from one."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from typing import Protocol

from farhand.model.event import Event, Kind
from farhand.wire.farhand.outgoing import FromWorker
from farhand.worker.unkept import Unkept

ROOM_LIMIT = 2 * 1024 * 1024
"""Bytes that may wait before printing handlers are held up."""


_STARTED, _CHUNK, _SUCCEEDED = int(Kind.STARTED), int(Kind.CHUNK), int(Kind.SUCCEEDED)

CORKED = 0.001
"""Seconds for which the events of one turn of the handlers' loop wait for each other."""


class Speaker(Protocol):
    """A job that says something. `generation` is the connection whose hub knows it, `presented` the one to whose hub it
    was presented; `said_start` and `ended` are what it has said. A leased one has `unkept`: what is to be said again.
    All of it belongs to the outbox's lock."""

    job: str
    generation: int
    presented: int
    unkept: Unkept | None
    began: bool
    said_start: bool
    ended: bool


class Outbox:
    """A locked frame buffer."""

    def __init__(self, wake: Callable[[bool], None]) -> None:
        """`wake(soon)` is called when something waits that didn't: `soon` False means it may wait for company."""
        self._wake = wake
        self._lock = threading.Lock()
        self._buffer = FromWorker()
        self._room = threading.Event()
        self._room.set()
        self._told = False
        self._told_lazily = False
        self._corked_until = 0.0
        self._corker = 0
        self.generation = 0

    def started(self, speaker: Speaker) -> None:
        """Say once that a job has begun, unless it has ended. From any thread."""
        with self._lock:
            if speaker.said_start or speaker.ended or speaker.generation != self.generation:
                return
            speaker.said_start = True
            self._buffer.event(speaker.job, _STARTED)
            due = self._is_due()
        if due:
            self._wake(True)

    def chunk(self, speaker: Speaker, body: bytes, media: int, number: int) -> None:
        """Add a chunk."""
        with self._lock:
            if speaker.ended:
                return
            if speaker.unkept is not None:
                speaker.unkept.chunk(body, media, number)
            if speaker.generation != self.generation:
                return
            self._buffer.event(speaker.job, _CHUNK, body, media, number)
            due = self._is_due()
        if due:
            self._wake(True)

    def end(self, speaker: Speaker, kind: int, body: bytes, media: int, number: int) -> None:
        """Add a job's end; where its start wasn't said, a success says it, and before any other end it goes too."""
        with self._lock:
            if speaker.ended:
                return
            speaker.ended = True
            if speaker.unkept is not None:
                speaker.unkept.end(kind, body, media, number)
            if speaker.generation != self.generation:
                return
            if kind != _SUCCEEDED and speaker.began and not speaker.said_start:
                self._buffer.event(speaker.job, _STARTED)
            self._buffer.event(speaker.job, kind, body, media, number)
            due = self._is_due()
        if due:
            self._wake(True)

    def _is_due(self) -> bool:
        """Whether the link is to be woken for what was just added."""
        if self._corked_until and threading.get_ident() == self._corker and time.monotonic() < self._corked_until:
            return False
        told, self._told = self._told, True
        return not told

    def cork(self) -> None:
        """Let what is said in this turn of this thread's loop go together, until `uncork`; most of the cost of a short
        call is else that the link wakes for each."""
        self._corker = threading.get_ident()
        self._corked_until = time.monotonic() + CORKED

    def uncork(self) -> None:
        """Send them."""
        self._corked_until = 0.0
        with self._lock:
            if self._told or not self._buffer:
                return
            self._told = True
        self._wake(True)

    def chatter(self, speaker: Speaker, event: Event) -> None:
        """Add progress or console text, which may wait a moment and be merged. What comes after the job's end, from a
        task or thread that it left behind, is nobody's."""
        with self._lock:
            if speaker.ended:
                return
            if speaker.generation != self.generation:
                if speaker.unkept is not None:
                    speaker.unkept.chatter(event)
                return
            self._buffer.mergeable(speaker.job, event)
            told = self._told or self._told_lazily
            self._told_lazily = True
            if self._buffer.waiting > ROOM_LIMIT:
                self._room.clear()
        if not told:
            self._wake(False)

    def kept(self, unkept: Unkept, amount: int) -> None:
        """So many bytes of a job's chunks are kept."""
        with self._lock:
            unkept.kept(amount)

    def present(self, speakers: Iterable[Speaker]) -> None:
        """These are in the hello of this generation: they count as begun, and wait for the hub's word."""
        with self._lock:
            for speaker in speakers:
                speaker.presented = self.generation
                speaker.said_start = True

    def unpresent(self, speakers: Iterable[Speaker]) -> None:
        """The hub has no use for leased jobs: say nothing of these."""
        with self._lock:
            for speaker in speakers:
                speaker.presented = -1

    def adopt(self, speaker: Speaker, generation: int, chunks: int) -> int | None:
        """The hub of this generation takes the job on, and has so many chunks of it: say the rest again; how many bytes
        of credit its reader has given back. None: that connection is gone, too."""
        with self._lock:
            unkept = speaker.unkept
            if generation != self.generation or unkept is None:
                return None
            speaker.generation = generation
            freed = unkept.adopted(chunks)
            for row in unkept.again():
                self._buffer.event(speaker.job, *row)
            due = self._is_due()
        if due:
            self._wake(True)
        return freed

    def forfeit(self, speaker: Speaker, body: bytes, number: int) -> None:
        """Say that a leased job was stopped because its lease was over, if the hub knows of it; `body` is the fault,
        `number` how many chunks it said. Nothing of it is said again."""
        with self._lock:
            known = self.generation in (speaker.generation, speaker.presented)
            said = speaker.ended and speaker.generation == self.generation
            speaker.ended = True
            if said or not known:
                return
            self._buffer.event(speaker.job, int(Kind.FAILED), body, 0, number)
            due = self._is_due()
        if due:
            self._wake(True)

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

    def give_back(self, speaker: Speaker) -> None:
        """Give back a job that hasn't begun: it says nothing more."""
        if not speaker.ended:
            speaker.ended = True
            self.reject(speaker.generation, speaker.job)

    @property
    def has_room(self) -> bool:
        """Whether console text may be added without growing the buffer too far."""
        return self._room.is_set()

    def wait_for_room(self, timeout: float) -> bool:
        """Block this thread until there is room, or `timeout` seconds; whether there is."""
        return self._room.wait(timeout)

    def take(self) -> tuple[bytes, int] | None:
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
