"""Calls in flight: what has come for each, and who waits."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any

from farhand.errors import FarhandError, OutcomeUnknown
from farhand.model.event import Event, Kind
from farhand.model.limits import CHUNK_OVERHEAD, CREDIT_WINDOW
from farhand.model.payload import Payload
from farhand.wire.farhand import bodies
from farhand.wire.values import from_payload

_SUCCEEDED, _CHUNK = int(Kind.SUCCEEDED), int(Kind.CHUNK)


class RunCall:
    """A call whose caller waits for its end only. Chunks, where they come, are its result."""

    __slots__ = ("chunks", "due", "future", "number", "owed", "sent")

    def __init__(self, number: int, due: float, future: asyncio.Future[Any]) -> None:
        self.number = number
        self.due = due
        self.future = future
        self.sent = False
        self.chunks: list[Payload] | None = None
        self.owed = 0

    def event(self, kind: int, body: bytes, media: int, number: int) -> int:
        """Take an event; the credit to grant for it, in bytes."""
        if kind == _CHUNK:
            self.chunks = chunks = self.chunks or []
            chunks.append(Payload(body, media))
            if number != len(chunks):
                self.fail(_cut_off(number, len(chunks)))
            return _owe(self, len(body))
        if kind >= _SUCCEEDED and not self.future.done():
            try:
                self.future.set_result(self._result(kind, body, media, number))
            except FarhandError as error:
                self.future.set_exception(error)
        return 0

    def _result(self, kind: int, body: bytes, media: int, number: int) -> Any:
        event = bodies.event_of(kind, body, media)
        if event.fault is not None:
            raise bodies.to_error(event.fault, event.outcome)
        have = len(self.chunks or ())
        if number != have:
            raise _cut_off(number, have)
        if self.chunks is not None:
            return [from_payload(chunk) for chunk in self.chunks]
        return from_payload(event.payload)

    def fail(self, error: FarhandError) -> None:
        """It ends with this error."""
        if not self.future.done():
            self.future.set_exception(error)


class StreamCall:
    """A call whose events are read as they come."""

    __slots__ = ("_waiter", "due", "ended", "error", "events", "number", "owed", "seen", "sent")

    def __init__(self, number: int, due: float) -> None:
        self.number = number
        self.due = due
        self.sent = False
        self.events: deque[tuple[Event, int]] = deque()
        self.error: FarhandError | None = None
        self.ended = False
        self.seen = 0
        self.owed = 0
        self._waiter: asyncio.Future[None] | None = None

    def event(self, kind: int, body: bytes, media: int, number: int) -> int:
        """Take an event. Credit is granted by its reader."""
        event = bodies.event_of(kind, body, media)
        if kind == _CHUNK:
            self.seen += 1
            if number != self.seen:
                self.fail(_cut_off(number, self.seen))
                return 0
        elif kind == _SUCCEEDED and number != self.seen:
            self.fail(_cut_off(number, self.seen))
            return 0
        self.events.append((event, number))
        self.ended = self.ended or kind >= _SUCCEEDED
        self._wake()
        return 0

    def fail(self, error: FarhandError) -> None:
        """It ends with this error, after what has come already."""
        if not self.ended:
            self.ended = True
            self.error = error
            self._wake()

    async def wait(self) -> None:
        """Until there is an event or the end."""
        while not self.events and not self.ended:
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


AnyCall = RunCall | StreamCall


def _owe(call: AnyCall, size: int) -> int:
    """Count a chunk that was taken; the credit to grant once half the window is used."""
    call.owed += size + CHUNK_OVERHEAD
    if call.owed < CREDIT_WINDOW // 2:
        return 0
    amount, call.owed = call.owed, 0
    return amount


def taken(call: StreamCall, size: int) -> int:
    """Its reader has taken a chunk of `size` bytes; the credit to grant, 0 for none yet."""
    return _owe(call, size)


def _cut_off(number: int, have: int) -> OutcomeUnknown:
    return OutcomeUnknown(f"the stream was cut off: chunk number {number} came where {have} were counted")
