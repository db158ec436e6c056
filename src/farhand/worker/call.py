"""One job on this worker: its credit, its cancel, and what it says."""

from __future__ import annotations

import asyncio
import threading
import time
import traceback
from concurrent.futures import CancelledError, Future
from types import SimpleNamespace
from typing import Any, cast

from farhand.errors import FarhandError
from farhand.model.event import Event, Fault, Kind, Outcome, Progress, to_fault
from farhand.model.job import ATTEMPT_MARK
from farhand.model.names import error_name
from farhand.model.payload import NOTHING, Media, Payload, chunk_cost
from farhand.wire.codecs.base import Encoded
from farhand.wire.farhand import bodies
from farhand.wire.farhand.incoming import Assignment
from farhand.wire.values import DEFAULT, Codecs
from farhand.worker.app import Handler
from farhand.worker.carrying import Carrier, taken_over
from farhand.worker.context import Context, Stop
from farhand.worker.inputs import filled
from farhand.worker.outbox import Outbox
from farhand.worker.unkept import Unkept

ROOM_PATIENCE = 1.0
TIMED_OUT = "HANDLER_TIMEOUT"
LEASE_LOST = "LEASE_LOST"

_STARTED, _SUCCEEDED, _CHUNK = int(Kind.STARTED), int(Kind.SUCCEEDED), int(Kind.CHUNK)
_AS_MSGPACK = int(Media.MSGPACK)
_JSON_DIALECTS = (int(Media.JSON), int(Media.OPEN_JSON))


class Refusal(Exception):
    """An error of farhand's own about a call: its arguments, or what it answers. The handler's are told apart."""

    def __init__(self, error: FarhandError) -> None:
        super().__init__(error.message)
        self.error = error


class Call:
    """A job from its assignment to its end. Its verbs may be called in the handler's thread, whichever that is."""

    __slots__ = (
        "_carried",
        "_carrier",
        "_dropped",
        "_outbox",
        "_waiter",
        "app_state",
        "args",
        "attempt",
        "began",
        "chunks",
        "codecs",
        "credit",
        "deadline",
        "ended",
        "generation",
        "handler",
        "held_until",
        "inputs",
        "job",
        "media",
        "presented",
        "reason",
        "released",
        "said_start",
        "session",
        "session_state",
        "stop",
        "timer",
        "unkept",
        "window",
        "worker_id",
    )

    def __init__(
        self,
        assignment: Assignment,
        handler: Handler,
        outbox: Outbox,
        app_state: SimpleNamespace,
        worker_id: str,
        codecs: Codecs = DEFAULT,
        carrier: Carrier | None = None,
    ) -> None:
        self.job = assignment.job
        self._carrier = carrier
        self.handler = handler
        self.args = assignment.args
        self.inputs = assignment.inputs
        self.attempt = assignment.attempt
        self.session = assignment.session
        self.window = assignment.window
        self.credit = assignment.window
        self.deadline = assignment.deadline
        self.media = assignment.args.media if assignment.args.media in _JSON_DIALECTS else _AS_MSGPACK
        self.codecs = codecs
        self.app_state = app_state
        self.worker_id = worker_id
        self.session_state: dict[str, Any] | None = None
        self.generation = outbox.generation
        self.presented = -1
        self.unkept = Unkept() if assignment.leased else None
        self.held_until: float | None = None
        self.released = False
        self.chunks = 0
        self.began = False
        self.said_start = False
        self.ended = False
        self.reason = ""
        self.stop: Any = None
        self.timer: asyncio.TimerHandle | None = None
        self._outbox = outbox
        self._waiter: threading.Event | asyncio.Future[None] | None = None
        self._carried: Future[Payload] | None = None
        self._dropped = 0

    # -- what its context needs (worker.context.Port) ----------------------------------------------------------------

    def report(self, progress: Progress) -> None:
        """Say progress."""
        self.check_stop()
        self.say_taken()
        self._outbox.chatter(self, Event(Kind.PROGRESS, progress=progress))

    def console(self, text: str) -> None:
        """Say printed text. A thread that prints faster than the link sends is held up; a coroutine, which can't be,
        loses text and a mark says how much."""
        self.check_stop()
        outbox = self._outbox
        if not outbox.has_room:
            in_thread = self.handler.isolate == "thread"
            while in_thread and not outbox.wait_for_room(ROOM_PATIENCE):
                self.check_stop()
            if not outbox.has_room:
                self._dropped += len(text)
                return
        if self._dropped:
            text = f"… [{self._dropped:,} characters not shown]\n{text}"
            self._dropped = 0
        self.say_taken()
        outbox.chatter(self, Event(Kind.CONSOLE, text=text))

    def is_cancelled(self) -> bool:
        """Whether its end was asked for."""
        return bool(self.reason)

    def seconds_left(self) -> float | None:
        """Until its caller gives up."""
        return None if self.deadline is None else self.deadline - time.monotonic()

    def context(self) -> Context:
        """The handler's view of it."""
        return Context(self)

    # -- its steps ---------------------------------------------------------------------------------------------------

    def bind(self) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The handler's positional and keyword arguments.

        Raises:
            Refusal: they don't fit.
        """
        try:
            args = filled(self.args, self.inputs, self.codecs) if self.inputs else self.args
            return self.handler.signature.bind(args, self.context, self.codecs)
        except FarhandError as error:
            raise Refusal(error) from None

    def check_stop(self) -> None:
        """In a thread, where nothing else can interrupt a handler, raise `Stop` once it is cancelled."""
        if self.reason and self.handler.isolate == "thread":
            raise Stop

    def start(self) -> None:
        """It begins. A stream or a long call says so at once; the others with their end, if that follows at once."""
        self.began = True
        if self.handler.streams or self.handler.isolate != "none":
            self.say_taken()

    def say_start(self) -> None:
        """Say that it has begun, if it has, and that is still to be said. From any thread."""
        if self.began and not self.said_start:
            self._outbox.started(self)

    def say_taken(self) -> None:
        """Say that it has begun even if its handler hasn't yet: the hub is not to take it back."""
        if not self.said_start:
            self._outbox.started(self)

    def chunk_payload(self, value: Any) -> Payload | Future[Payload]:
        """What goes into a frame for a chunk; where that takes time, to be waited for by `carried`.

        Raises:
            Refusal: the value can't be sent.
        """
        if not self.window:
            return NOTHING
        try:
            found = self.codecs.sendable(value, self.media, what=self.handler.chunk_name)
            return found if found.__class__ is Payload else self._carry(cast("Encoded", found))
        except FarhandError as error:
            raise Refusal(error) from None

    def result_payload(self, value: Any) -> Payload | Future[Payload]:
        """As `chunk_payload`, of what the handler returned.

        Raises:
            Refusal: the value can't be sent.
        """
        if value is None and self.handler.streams:
            return NOTHING
        try:
            found = self.codecs.sendable(value, self.media, what=self.handler.result_name)
            return found if found.__class__ is Payload else self._carry(cast("Encoded", found))
        except FarhandError as error:
            raise Refusal(error) from None

    def _carry(self, found: Encoded) -> Payload | Future[Payload]:
        if self._carrier is None:
            return found.payload()
        return self._carrier.carry(found, "" if self.unkept is None else self.job.partition(ATTEMPT_MARK)[0])

    async def taken_over(self, body: bytes) -> Payload:
        """What its process has put into a file, carried on.

        Raises:
            Refusal: it can't be sent.
        """
        try:
            made = self._carry(taken_over(body))
        except FarhandError as error:
            raise Refusal(error) from None
        return made if isinstance(made, Payload) else await self.carried(made)

    async def carried(self, payload: Future[Payload]) -> Payload:
        """Wait for it.

        Raises:
            Refusal: it can't be sent.
        """
        try:
            return await asyncio.wrap_future(payload)
        except FarhandError as error:
            raise Refusal(error) from None

    def carried_in_thread(self, payload: Future[Payload]) -> Payload:
        """Wait for it in this thread.

        Raises:
            Refusal: it can't be sent.
            Stop: the job was cancelled.
        """
        self._carried = payload
        try:
            self.check_stop()
            return payload.result()
        except CancelledError:
            raise Stop from None
        except FarhandError as error:
            raise Refusal(error) from None
        finally:
            self._carried = None

    def chunk(self, payload: Payload) -> bool:
        """Say a chunk; whether there is credit for another."""
        if not self.window:
            return True
        self.chunks += 1
        self.credit -= chunk_cost(payload)
        self._outbox.chunk(self, payload.data, payload.media, self.chunks)
        return self.credit > 0

    def wait_for_credit_in_thread(self) -> None:
        """Block this thread until the reader takes more.

        Raises:
            Stop: the job was cancelled.
        """
        while self.credit <= 0:
            self._waiter = waiter = threading.Event()
            if self.credit <= 0 and not self.reason:
                waiter.wait()
            self._waiter = None
            self.check_stop()

    async def wait_for_credit(self) -> None:
        """Wait until the reader takes more."""
        while self.credit <= 0:
            self._waiter = waiter = asyncio.get_running_loop().create_future()
            await waiter
            self._waiter = None

    def grant(self, amount: int) -> None:
        """The reader takes more."""
        if self.unkept is not None:
            self._outbox.kept(self.unkept, amount)
        self.give(amount)

    def give(self, amount: int) -> None:
        """There is room for so many more bytes of chunks."""
        self.credit += amount
        self.nudge()

    def nudge(self) -> None:
        """Let whoever waits for credit look again, and a thread whose job is cancelled not wait for its payload."""
        if self.reason and self._carried is not None:
            self._carried.cancel()
        waiter = self._waiter
        if isinstance(waiter, threading.Event):
            waiter.set()
        elif waiter is not None and not waiter.done():
            waiter.set_result(None)

    # -- its ends ----------------------------------------------------------------------------------------------------

    def succeed(self, payload: Payload) -> None:
        """It returned what this stands for."""
        self._end(_SUCCEEDED, payload)

    def fail(self, error: BaseException) -> None:
        """It raised `error`."""
        fault = to_fault(error.error) if isinstance(error, Refusal) else _fault_of(error)
        self._end(Kind.FAILED, Payload(bodies.fault_bytes(fault), 0))

    def refuse(self, error: FarhandError) -> None:
        """farhand itself can't run it, or can't send what it answers."""
        self.fail(Refusal(error))

    def lose(self, text: str) -> None:
        """The process it ran in is gone."""
        self._end(Kind.FAILED, Payload(bodies.fault_bytes(Fault("OUTCOME_UNKNOWN", text)), 0))

    def stopped(self, outcome: Outcome) -> None:
        """It ended because its end was asked for."""
        name = self.handler.name
        if self.reason == TIMED_OUT:
            text = f"{name!r} ran for longer than its own timeout of {self.handler.timeout:g} s"
            fault, kind = Fault("DEADLINE_EXCEEDED", text, False, {"dispatched": True}), Kind.EXPIRED
        elif self.reason == "DEADLINE_EXCEEDED":
            fault, kind = Fault("DEADLINE_EXCEEDED", f"{name!r} was stopped at its deadline"), Kind.EXPIRED
        else:
            fault, kind = Fault("CANCELLED", f"{name!r} was cancelled: {_OUTCOMES[outcome]}"), Kind.CANCELLED
        self._end(kind, Payload(bodies.fault_bytes(fault, outcome), 0))

    async def room(self) -> None:
        """Until the link has sent most of what waits."""
        while not (self._outbox.has_room or self.reason):
            await asyncio.to_thread(self._outbox.wait_for_room, ROOM_PATIENCE)

    def relay(self, kind: int, body: bytes, media: int, number: int) -> None:
        """Pass on an event from the process it runs in."""
        if kind == _STARTED:
            self.began = True
            self.say_taken()
        elif kind >= _SUCCEEDED:
            self.chunks = number
            self._end(kind, Payload(body, media))
        elif kind == Kind.PROGRESS or kind == Kind.CONSOLE:
            self._outbox.chatter(self, bodies.event_of(kind, body, media))
        else:
            self.chunks = number
            self._outbox.chunk(self, body, media, number)

    def forfeit(self) -> None:
        """Its lease is over: whatever it said that isn't kept is nobody's."""
        fault = Fault("OUTCOME_UNKNOWN", f"the worker stopped {self.handler.name!r}: its lease was over")
        self._outbox.forfeit(self, bodies.fault_bytes(fault), self.chunks)

    def _end(self, kind: int, payload: Payload) -> None:
        if self.reason == LEASE_LOST:
            self.forfeit()
        else:
            self._outbox.end(self, kind, payload.data, payload.media, self.chunks)


_OUTCOMES = {
    "not_started": "it had not begun",
    "stopped": "the handler stopped",
    "killed": "its process was killed",
}


def _fault_of(error: BaseException) -> Fault:
    """A handler's exception as data: its type, its message, and its traceback without farhand's own frames."""
    kind = type(error)
    frames = error.__traceback__
    while frames is not None and frames.tb_frame.f_globals.get("__name__", "").startswith("farhand.worker"):
        frames = frames.tb_next
    lines = traceback.format_exception(kind, error, frames)
    return Fault("HANDLER_FAILED", str(error), False, {"type": error_name(kind), "traceback": "".join(lines)})
