"""Calls in flight: what has come for each, and who waits."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any

from farhand.errors import (
    DataDamaged,
    DeadlineExceeded,
    FarhandError,
    OutcomeUnknown,
    OutOfSpace,
    ProtocolViolation,
    Unavailable,
)
from farhand.model.event import Event, Kind, to_error
from farhand.model.limits import CHUNK_OVERHEAD, CREDIT_WINDOW
from farhand.model.payload import Media, Payload, charged, chunk_cost
from farhand.wire.codecs.base import Broken
from farhand.wire.farhand import bodies
from farhand.wire.fitting import fit
from farhand.wire.values import DEFAULT, Codecs

BROKEN = -1
"""What `event` answers in place of credit when the call's own events don't add up: it is given up."""
ELSEWHERE = -2
"""What it answers when the call has succeeded, and its result is still to be fetched."""

CHATTER_LIMIT = 4 * 1024 * 1024
"""Progress and console events are dropped while this much of them waits for a slow reader, in characters."""

_SUCCEEDED, _CHUNK, _REF = int(Kind.SUCCEEDED), int(Kind.CHUNK), int(Media.REF)


Read = Callable[[Payload], Any]
"""How a call's values are read. It raises a `FarhandError` and nothing else."""


class RunCall:
    """A call whose caller waits for its end only. Chunks, where they come, are its result."""

    __slots__ = ("chunks", "due", "elsewhere", "fetching", "future", "number", "owed", "read")

    def __init__(self, number: int, due: float, future: asyncio.Future[Any], read: Read) -> None:
        self.number = number
        self.due = due
        self.future = future
        self.read = read
        self.chunks: list[Payload] | None = None
        self.elsewhere: list[Payload] | Payload | None = None
        self.fetching: asyncio.Task[None] | None = None
        self.owed = 0

    def event(self, kind: int, body: bytes, media: int, number: int) -> int:
        """Take an event; the credit to grant for it, in bytes, or BROKEN or ELSEWHERE."""
        if kind == _CHUNK:
            chunks = self.chunks = self.chunks or []
            chunks.append(Payload(body, media))
            if number != len(chunks):
                self.fail(_cut_off(number, len(chunks)))
                return BROKEN
            return _owe(self, charged(len(body), media))
        if kind >= _SUCCEEDED and not self.future.done():
            try:
                if kind != _SUCCEEDED:
                    raise _failure(kind, body, media)
                chunks = self.chunks or []
                if number != len(chunks):
                    raise _cut_off(number, len(chunks))
                if chunks or not media:  # a stream, even of no chunks, ends without a result of its own
                    if any(chunk.media == _REF for chunk in chunks):
                        self.elsewhere = chunks
                        return ELSEWHERE
                    self.future.set_result([self.read(chunk) for chunk in chunks])
                elif media == _REF:
                    self.elsewhere = Payload(body, media)
                    return ELSEWHERE
                else:
                    self.future.set_result(self.read(Payload(body, media)))
            except FarhandError as error:
                self.future.set_exception(error)
        return 0

    def complete(self, answer: list[Payload] | Payload) -> None:
        """What was elsewhere is here."""
        if not self.future.done():
            try:
                found = [self.read(one) for one in answer] if isinstance(answer, list) else self.read(answer)
                self.future.set_result(found)
            except FarhandError as error:
                self.future.set_exception(error)

    def miss(self, error: FarhandError) -> None:
        """It succeeded, but what it answered can't be had."""
        if not self.future.done():
            if not isinstance(error, DeadlineExceeded | OutOfSpace | DataDamaged):
                error = OutcomeUnknown(f"the call succeeded, but its result can't be fetched: {error.message}")
            self.future.set_exception(error)

    def fail(self, error: FarhandError) -> None:
        """It ends with this error."""
        if not self.future.done():
            self.future.set_exception(error)

    def leave(self) -> None:
        """Nobody waits for it any more; an error that came in the same moment is nobody's."""
        if self.future.done() and not self.future.cancelled():
            self.future.exception()


class SubmitCall(RunCall):
    """A durable job on its way into the store. Its result is the job's id and how the hub came by it."""

    __slots__ = ()

    def submitted(self, job: str, how: str) -> None:
        """It is kept."""
        if not self.future.done():
            self.future.set_result((job, how))

    def fail(self, error: FarhandError) -> None:
        """The connection has this error."""
        if isinstance(error, OutcomeUnknown | DeadlineExceeded):
            error = OutcomeUnknown(
                f"{error.message}: the job may have been kept. With an idempotency_key the same submit can be repeated"
            )
        RunCall.fail(self, error)


class Interrupted(Unavailable):
    """The connection over which a job was followed has failed; the job hasn't, and can be followed again."""


class FollowCall(RunCall):
    """The end of a durable job, waited for. What befalls the connection is no end of the job: it can be asked again."""

    __slots__ = ()

    def fail(self, error: FarhandError) -> None:
        """The connection has this error."""
        RunCall.fail(self, Interrupted(error.message))

    def miss(self, error: FarhandError) -> None:
        """It succeeded, but what it answered can't be had now; it is kept."""
        RunCall.fail(self, error)


class StreamCall:
    """A call whose events are read as they come. `end` is its last event, once that is here."""

    __slots__ = ("_chatter", "_waiters", "due", "end", "error", "events", "left", "number", "owed", "seen")

    def __init__(self, number: int, due: float) -> None:
        self.number = number
        self.due = due
        self.events: deque[Event] = deque()
        self.end: Event | None = None
        self.error: FarhandError | None = None
        self.left = False
        self.seen = 0
        self.owed = 0
        self._chatter = 0
        self._waiters: list[asyncio.Future[None]] = []

    @property
    def ended(self) -> bool:
        """Whether nothing more comes."""
        return self.end is not None or self.error is not None

    def event(self, kind: int, body: bytes, media: int, number: int) -> int:
        """Take an event; 0, because credit is granted as the reader takes chunks, or BROKEN."""
        if self.ended:
            return 0
        event = bodies.event_of(kind, body, media)
        if kind == _CHUNK:
            self.seen += 1
        if kind in (_CHUNK, _SUCCEEDED) and number != self.seen:
            self.fail(_cut_off(number, self.seen))
            return BROKEN
        if kind >= _SUCCEEDED:
            self.end = event
        if not self.left and self._bears(event):
            self.events.append(event)
        self._wake()
        return 0

    def pop(self) -> Event:
        """The next event; call only while there is one."""
        event = self.events.popleft()
        self._chatter -= _chatter(event)
        return event

    def fail(self, error: FarhandError) -> None:
        """It ends with this error, after what has come already."""
        if not self.ended:
            self.error = error
            self._wake()

    def leave(self) -> None:
        """Nobody reads it any more; only its end is still kept."""
        self.left = True
        self.events.clear()
        self._wake()

    async def wait(self) -> None:
        """Until there is an event, or nothing more comes."""
        while not self.events and not self.ended and not self.left:
            await self._woken()

    async def wait_end(self) -> None:
        """Until nothing more comes."""
        while not self.ended:
            await self._woken()

    async def _woken(self) -> None:
        waiter = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        await waiter

    def _bears(self, event: Event) -> bool:
        cost = _chatter(event)
        if cost and self._chatter + cost > CHATTER_LIMIT:
            return False
        self._chatter += cost
        return True

    def _wake(self) -> None:
        waiters = self._waiters
        if waiters:
            self._waiters = []
            for waiter in waiters:
                if not waiter.done():
                    waiter.set_result(None)


AnyCall = RunCall | StreamCall


class Reader:
    """How a client reads what handlers answer."""

    def __init__(self, codecs: Codecs) -> None:
        self.codecs = codecs

    def value(self, payload: Payload) -> Any:
        """What a handler answered.

        Raises:
            OutcomeUnknown: the bytes are not what their media type says, so they were altered on the way.
            InvalidArguments: they can't be read here, e.g. because a library isn't installed.
            TooLarge: it was answered, but would take far more memory than its size allows.
        """
        try:
            return self.codecs.read(payload)
        except Broken as error:
            raise OutcomeUnknown(f"the handler answered what can't be read: {error}") from error

    def fitted(self, answer: Any, returns: Any) -> Any:
        """What `kept` has kept, as the type `returns`; of a stream as its list.

        Raises:
            OutcomeUnknown, InvalidArguments, TooLarge: as `value`.
            InvalidArguments: it doesn't fit; the message has the path inside of it.
        """
        try:
            if isinstance(answer, list):
                return fit([self.codecs.read(one) for one in answer], returns)
            return self.codecs.read_as(answer, returns)
        except Broken as error:
            raise OutcomeUnknown(f"the handler answered what can't be read: {error}") from error


value = Reader(DEFAULT).value


def kept(payload: Payload) -> Payload:
    """For who reads it later, with a type in mind."""
    return payload


def taken(call: StreamCall, chunk: Payload) -> int:
    """Its reader has taken a chunk; the credit to grant, 0 for none yet."""
    return _owe(call, chunk_cost(chunk))


def _failure(kind: int, body: bytes, media: int) -> FarhandError:
    try:
        event = bodies.event_of(kind, body, media)
    except ProtocolViolation as error:
        return OutcomeUnknown(f"the call's end can't be read: {error}")
    if event.fault is None:
        return OutcomeUnknown("the call's end says neither success nor why not")
    return to_error(event.fault, event.outcome)


def _owe(call: AnyCall, cost: int) -> int:
    """Count a chunk that was taken; the credit to grant once half the window is used."""
    call.owed += cost
    if call.owed < CREDIT_WINDOW // 2:
        return 0
    amount, call.owed = call.owed, 0
    return amount


def _chatter(event: Event) -> int:
    if event.progress is not None:
        return len(event.progress.message) + CHUNK_OVERHEAD
    return len(event.text) + CHUNK_OVERHEAD if event.kind is Kind.CONSOLE else 0


def _cut_off(number: int, have: int) -> OutcomeUnknown:
    return OutcomeUnknown(f"the stream was cut off: chunk number {number} came where {have} were counted")
