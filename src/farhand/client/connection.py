"""One multiplexed channel to a hub, shared by all calls of a client: frames batch whatever waits."""

from __future__ import annotations

import asyncio
import os
import random
import threading
from collections import deque
from collections.abc import Iterable
from typing import Any

import grpc

from farhand.carriage.carriage import Carriage
from farhand.carriage.pool import Pool
from farhand.carriage.rpc import error_of
from farhand.client.calls import BROKEN, ELSEWHERE, AnyCall, FollowCall, Read, RunCall, StreamCall, SubmitCall, kept
from farhand.client.elsewhere import FOREVER, Elsewhere
from farhand.client.rpc import SERVICE
from farhand.core.deadlines import Deadlines
from farhand.core.link import Link, Role, Says, check_protocol
from farhand.core.retrying import Backoff
from farhand.errors import (
    Cancelled,
    DeadlineExceeded,
    FarhandError,
    InvalidArguments,
    OutcomeUnknown,
    ProtocolViolation,
    Unavailable,
)
from farhand.model.limits import CREDIT_WINDOW, HEARTBEAT
from farhand.model.names import check_name
from farhand.model.payload import Payload
from farhand.wire.codecs.base import Encoded
from farhand.wire.farhand import incoming
from farhand.wire.farhand._pb import client_pb2
from farhand.wire.farhand.options import DIAL_OPTIONS
from farhand.wire.farhand.outgoing import Asked, FromClient

SLACK = 0.5
"""Seconds a deadline is given beyond the hub's own, so that the hub's better error arrives first."""
IN_FLIGHT = 8_000
"""Calls sent and unanswered; more wait here, below what a hub accepts of one channel (10,000)."""
BACKLOG = 4 * 1024 * 1024
"""Bytes that may wait for the writer before callers wait."""
GATHER, MANY_FOLLOWS, SMALL_FRAME = 0.001, 8, 24
"""Seconds between frames of fewer entries while more durable jobs are followed: a frame costs much, an entry little."""
KNOWN_NAMES = 1_000
GOODBYE_TIMEOUT = 1.0
CHORE_SLACK = 0.1
CHORE_OPENING = 1.0

_forks = 0


def _forked() -> None:
    global _forks
    _forks += 1


os.register_at_fork(after_in_child=_forked)


class Connection:
    """Bound to the event loop it is first used on. It dials when the first call needs it, and again when it is lost."""

    def __init__(self, address: str, api_key: str | None, connect_timeout: float) -> None:
        self.address = address
        self.pid = os.getpid()
        self._made_in = (_forks, threading.get_ident())
        self._connect_timeout = connect_timeout
        self.metadata = (("authorization", f"Bearer {api_key}"),) if api_key else None
        self.loop = self._loop = asyncio.get_running_loop()
        self._channel: grpc.aio.Channel | None = None
        self.pool = Pool(address)
        self.carriage = Carriage(address, self.metadata)
        self.elsewhere = Elsewhere(self.carriage, self._loop)
        self._buffer = FromClient()
        self._calls: dict[int, AnyCall] = {}
        self._unsent: dict[int, tuple[float, Asked | tuple[Any, ...]]] = {}
        self._deadlines: Deadlines[int] = Deadlines()
        self._timer: tuple[float, asyncio.TimerHandle] | None = None
        self._last = 0
        self._follows = 0
        self._open = False
        self._taking = False
        self._known: set[str] = set()
        self._why = "no connection was tried yet"
        self._writer: asyncio.Future[None] | None = None
        self._needed = asyncio.Event()
        self._main: asyncio.Task[None] | None = None
        self._crowd: deque[asyncio.Future[None]] = deque()
        self._closed = False

    @property
    def is_here(self) -> bool:
        """Whether its loop is sure to be the one that runs here. To ask asyncio for that takes a system call."""
        return self._made_in == (_forks, threading.get_ident()) and self.loop.is_running()

    @property
    def closed(self) -> bool:
        """Whether its client has closed it."""
        return self._closed

    @property
    def channel(self) -> grpc.aio.Channel:
        """The gRPC channel, made when it is first needed."""
        if self._closed:
            raise Unavailable("this client is closed")
        if self._channel is None:
            self._channel = grpc.aio.insecure_channel(self.address, options=DIAL_OPTIONS)
        return self._channel

    # -- calls -------------------------------------------------------------------------------------------------------

    def run(
        self,
        handler: str,
        args: Payload | Encoded,
        timeout: float | None,
        extra: client_pb2.CallExtra | None,
        read: Read,
    ) -> RunCall:
        """Begin a call whose end is wanted; `read` makes its result of payloads."""
        left = self._check(handler, timeout)
        self._last = number = self._last + 1
        call = RunCall(number, self._loop.time() + left, self._loop.create_future(), read)
        self._begin(call, handler, args, left, False, extra)
        return call

    def stream(
        self, handler: str, args: Payload | Encoded, timeout: float | None, extra: client_pb2.CallExtra | None
    ) -> StreamCall:
        """Begin a call whose events are wanted."""
        left = self._check(handler, timeout)
        self._last = number = self._last + 1
        call = StreamCall(number, self._loop.time() + left)
        self._begin(call, handler, args, left, True, extra)
        return call

    def submit(self, request: client_pb2.SubmitRequest, timeout: float) -> SubmitCall:
        """Begin to submit a durable job; `timeout` in seconds."""
        self._check(request.call.handler, timeout)
        self._last = number = self._last + 1
        call = SubmitCall(number, self._loop.time() + timeout, self._loop.create_future(), kept)
        self._ask(call, client_pb2.ChannelSubmit(call=number, request=request))
        return call

    def follow(self, job: str, read: Read) -> FollowCall:
        """Begin to wait for a durable job's end; `read` makes its result of payloads."""
        self._last = number = self._last + 1
        call = FollowCall(number, self._loop.time() + FOREVER, self._loop.create_future(), read)
        self._ask(call, client_pb2.ChannelFollow(call=number, job_id=job, window=CREDIT_WINDOW))
        self._follows += 1
        return call

    def unreachable(self, why: str) -> Unavailable:
        """What a caller is told when there is no hub."""
        return Unavailable(f"can't reach a hub at {self.address} ({why}): is `farhand hub` running there?")

    async def room(self) -> None:
        """Wait until another call may be begun without piling up."""
        while self.crowded:
            waiter = self._loop.create_future()
            self._crowd.append(waiter)
            try:
                await waiter
            except asyncio.CancelledError:
                self._admit(1)
                raise

    @property
    def crowded(self) -> bool:
        """Whether `room` would wait."""
        return len(self._calls) - self._follows >= IN_FLIGHT or self._buffer.closed_cost > BACKLOG

    def cancel(self, call: AnyCall) -> None:
        """Ask for the call's end; it still comes."""
        if call.number in self._unsent:
            del self._unsent[call.number]
            self._drop(call)
            call.fail(Cancelled("cancelled before it was sent", receipt="not_started"))
        elif call.number in self._calls and self._open:
            self._buffer.cancel(call.number)
            self._wake()

    def forget(self, call: AnyCall) -> None:
        """Its caller has left: cancel it, and drop whatever still comes but a stream's end."""
        if isinstance(call, RunCall) and call.fetching is not None:
            call.fetching.cancel()
        if isinstance(call, RunCall) or call.ended:
            self._give_up(call)
        elif not call.left:
            self.cancel(call)
        call.leave()

    def _give_up(self, call: AnyCall) -> None:
        if call.number in self._calls:
            self.cancel(call)
            if call.number in self._calls:
                self._drop(call)

    def grant(self, call: AnyCall, amount: int) -> None:
        """Its reader takes this many more bytes of chunks."""
        if self._open and call.number in self._calls:
            self._buffer.credit(call.number, amount)
            self._wake()

    async def close(self) -> None:
        """End everything: calls in flight fail, the hub is told."""
        self._closed = True
        if self._main is not None:
            if self._open:
                self._buffer.goodbye()
                self._wake()
                await asyncio.wait([self._main], timeout=GOODBYE_TIMEOUT)
            self._main.cancel()
            await asyncio.gather(self._main, return_exceptions=True)
        self._fail(Unavailable("the client was closed"), tuple(self._calls))
        self._admit(len(self._crowd))
        if self._timer is not None:
            self._timer[1].cancel()
        self.elsewhere.stop()
        await self.carriage.close()
        await self.pool.close()
        if self._channel is not None:
            await self._channel.close()

    def _check(self, handler: str, timeout: float | None) -> float:
        """Seconds the call may take. What can't be sent is refused here, where it harms no other call of the frame."""
        if handler not in self._known:
            if not isinstance(handler, str):
                raise InvalidArguments(f"a handler is called by its name, not by {type(handler).__name__}")
            if len(self._known) >= KNOWN_NAMES:
                self._known.clear()
            self._known.add(check_name("handler", handler))
        if timeout is None:
            return FOREVER
        if not timeout >= 0:
            raise InvalidArguments(f"timeout is seconds, 0 or more, or None for never, not {timeout!r}")
        return min(timeout, FOREVER)

    def _begin(
        self,
        call: AnyCall,
        handler: str,
        args: Payload | Encoded,
        left: float,
        events: bool,
        extra: client_pb2.CallExtra | None,
    ) -> None:
        number = call.number
        if self._taking:
            if not isinstance(args, Payload):
                args = self.elsewhere.hold(number, args)
            self._buffer.call(number, handler, args, _ms(left), CREDIT_WINDOW, events, extra)
            writer = self._writer
            if writer is not None:
                self._writer = None
                writer.set_result(None)
            due = call.due + SLACK
        else:
            due = self._postpone(call, (handler, args, events, extra))
        self._watch(call, due)

    def _ask(self, call: AnyCall, asked: Asked) -> None:
        if self._taking:
            self._buffer.ask(asked)
            self._wake()
            due = call.due + SLACK
        else:
            due = self._postpone(call, asked)
        self._watch(call, due)

    def _postpone(self, call: AnyCall, asked: Asked | tuple[Any, ...]) -> float:
        """Keep a call until there is a connection; until when."""
        if self._closed:
            raise Unavailable("this client is closed")
        self._unsent[call.number] = (call.due, asked)
        self._need()
        return min(call.due, self._loop.time() + self._connect_timeout)

    def _watch(self, call: AnyCall, due: float) -> None:
        number = call.number
        self._calls[number] = call
        call.due = due
        self._deadlines.add(number, due)
        if self._timer is None or due < self._timer[0]:
            self._arm()

    def _drop(self, call: AnyCall) -> None:
        del self._calls[call.number]
        if isinstance(call, FollowCall):
            self._follows -= 1
        self._deadlines.remove(call.number, call.due)
        if self.elsewhere.held:
            self.elsewhere.let_go(call.number)
        if self._crowd:
            self._admit(1)

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer[1].cancel()
            self._timer = None
        at = self._deadlines.wake_at()
        if at is not None:
            self._timer = (at, self._loop.call_at(at, self._tick))

    def _tick(self) -> None:
        self._timer = None
        for number in list(self._deadlines.due(self._loop.time())):
            call = self._calls.pop(number, None)
            if call is None:
                continue
            if isinstance(call, FollowCall):
                self._follows -= 1
            self.elsewhere.let_go(number)
            if self._unsent.pop(number, None) is not None:
                call.fail(self.unreachable(self._why))
            else:
                call.fail(DeadlineExceeded("the hub did not answer within the timeout", dispatched=None))
                if self._open:
                    self._buffer.cancel(number)
                    self._wake()
        self._admit(len(self._crowd))
        self._arm()

    # -- the connection ----------------------------------------------------------------------------------------------

    def _need(self) -> None:
        self._needed.set()
        if self._main is None:
            self._main = self._loop.create_task(self._run())

    async def _run(self) -> None:
        backoff = Backoff()
        while not self._closed:
            try:
                await self._converse(backoff)
                self._why = "the hub closed the connection"
            except ProtocolViolation as error:
                self._why = f"the hub and this client don't understand each other: {error}"
                self._lose()
                self._fail(error, tuple(self._unsent))
            except Exception as error:
                self._why = _why(error)
            finally:
                self._lose()
            if self._closed:
                return
            self._needed.clear()
            if not self._unsent:
                await self._needed.wait()
            else:
                await asyncio.sleep(backoff.next(random.random()))

    def _lose(self) -> None:
        """The connection is gone, and with it what was sent over it."""
        self._open = self._taking = False
        self._writer = None
        self._buffer = FromClient()
        lost = [number for number in self._calls if number not in self._unsent]
        self._fail(OutcomeUnknown(f"the connection to the hub was lost ({self._why}) while the call ran"), lost)

    async def _converse(self, backoff: Backoff) -> None:
        call: Any = self.channel.stream_stream(SERVICE + "Channel")(metadata=self.metadata)
        link = Link(Role.PEER, self._loop.time())
        self._buffer = FromClient()
        self._buffer.hello()
        tasks = [
            asyncio.ensure_future(self._read(call, link, backoff)),
            asyncio.ensure_future(self._chore(link)),
            asyncio.ensure_future(self._write(call, link)),
        ]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in tasks:
                if task in done:
                    # A stream that the other end cancels looks like a cancelled task, and must not end this one.
                    if task.cancelled():
                        raise Unavailable("the stream was cut off")
                    task.result()
        except grpc.aio.AioRpcError as error:
            raise error_of(error) from None
        finally:
            self._open = self._taking = False
            self._writer = None
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            call.cancel()

    async def _read(self, call: Any, link: Link, backoff: Backoff) -> None:
        calls = self._calls
        while True:
            async with asyncio.timeout(None if link.is_open else self._connect_timeout):
                data = await call.read()
            if data is grpc.aio.EOF:
                if await call.code() is not grpc.StatusCode.OK:
                    raise Unavailable(await call.details() or "the stream ended")
                return
            frame = incoming.parse(client_pb2.ChannelFrame, data)
            says = incoming.channel_says(frame)
            link.received(says, self._loop.time())
            if says & Says.WORK:
                for order in frame.push:
                    self.carriage.on_push(order.transfer, order.id, order.offset)
                for number, kind, body, media, place in incoming.call_events(frame):
                    one = calls.get(number)
                    if one is None:
                        continue
                    credit = one.event(kind, body, media, place)
                    if kind >= 8:
                        self._drop(one)
                        if credit == ELSEWHERE and isinstance(one, RunCall):
                            self.elsewhere.fetch_for(one)
                    elif credit > 0:
                        self.grant(one, credit)
                    elif credit == BROKEN:
                        self._give_up(one)
                for answer in frame.submitted:
                    one = calls.get(answer.call)
                    if isinstance(one, SubmitCall):
                        one.submitted(answer.job_id, answer.how)
                        self._drop(one)
                one = None  # or the last call's result would be held until the next frame
            if says & Says.WELCOME:
                check_protocol(frame.welcome.protocol)
                backoff.reset()
                self.carriage.keeper.welcome(frame.welcome.holder, frame.welcome.ref_key)
                self._on_open()
            if says & Says.DRAINING:
                self._taking = False
                self._why = "the hub is stopping"
            if says & Says.GOODBYE:
                if frame.goodbye.code == "PROTOCOL_VIOLATION":
                    raise ProtocolViolation(frame.goodbye.message)
                raise Unavailable(frame.goodbye.message or "the hub said goodbye")

    def _on_open(self) -> None:
        self._open = self._taking = True
        now = self._loop.time()
        refused: list[tuple[AnyCall, FarhandError]] = []
        for number, (due, asked) in self._unsent.items():
            call = self._calls[number]
            self._deadlines.remove(number, call.due)
            call.due = due + SLACK
            self._deadlines.add(number, call.due)
            if isinstance(asked, tuple):
                handler, args, events, extra = asked
                if not isinstance(args, Payload):
                    try:
                        args = self.elsewhere.hold(number, args)
                    except FarhandError as error:
                        refused.append((call, error))
                        continue
                self._buffer.call(number, handler, args, _ms(due - now), CREDIT_WINDOW, events, extra)
            else:
                self._buffer.ask(asked)
        self._unsent.clear()
        for call, why in refused:
            self._drop(call)
            call.fail(why)
        self._arm()
        self._wake()

    async def _write(self, call: Any, link: Link) -> None:
        loop, written = self._loop, 0.0
        while True:
            while self._buffer:
                small = not self._buffer.closed_cost and self._buffer.entries < SMALL_FRAME
                if small and self._follows > MANY_FOLLOWS:
                    pause = written + GATHER - loop.time()
                    if pause > 0:
                        await asyncio.sleep(pause)
                data, says = self._buffer.take()
                written = loop.time()
                link.sent(says, written)
                try:
                    await call.write(data)
                except asyncio.InvalidStateError:
                    raise Unavailable(await call.details() or "the stream ended") from None
                if says & Says.GOODBYE:
                    await call.done_writing()
                    await call.code()
                    return
                if self._crowd:
                    self._admit(IN_FLIGHT - len(self._calls))
            self._writer = writer = loop.create_future()
            await writer

    def _admit(self, count: int) -> None:
        """Let up to `count` of those who wait for room look again."""
        while self._crowd and count > 0:
            waiter = self._crowd.popleft()
            if not waiter.done():
                waiter.set_result(None)
                count -= 1

    async def _chore(self, link: Link) -> None:
        looked = self._loop.time()
        while True:
            now = self._loop.time()
            # After a pause of this process's own (a held GIL, a stopped machine) what the hub said waits unread.
            if link.is_silent(now) and now - looked < link.silence:
                raise Unavailable(f"the hub has been silent for {link.silent_for(now):.0f} s")
            until = link.silence - link.silent_for(now)
            if link.is_open:
                if link.heartbeat_due(now) <= CHORE_SLACK:
                    self._buffer.heartbeat()
                    self._wake()
                    until = min(until, HEARTBEAT)
                else:
                    until = min(until, link.heartbeat_due(now))
            looked = now
            await asyncio.sleep(max(until, CHORE_SLACK) if link.is_open else CHORE_OPENING)

    def _wake(self) -> None:
        writer = self._writer
        if writer is not None:
            self._writer = None
            if not writer.done():
                writer.set_result(None)

    def _fail(self, error: FarhandError, numbers: Iterable[int]) -> None:
        for number in numbers:
            call = self._calls[number]
            self._unsent.pop(number, None)
            self._drop(call)
            call.fail(type(error)(error.message))


def _ms(left: float) -> int:
    return 0 if left >= FOREVER / 2 else max(1, int(left * 1000))


def _why(error: Exception) -> str:
    text = str(error)
    if "Connection refused" in text:
        return "connection refused"
    return text[:200] or type(error).__name__
