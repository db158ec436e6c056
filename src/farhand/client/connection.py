"""One multiplexed channel to a hub, shared by all calls of a client: frames batch whatever waits."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections import deque
from typing import Any

import grpc

from farhand.client.calls import AnyCall, RunCall, StreamCall
from farhand.client.rpc import SERVICE, error_of
from farhand.core.deadlines import Deadlines
from farhand.core.link import Link, Role, Says
from farhand.core.retrying import Backoff
from farhand.errors import DeadlineExceeded, FarhandError, OutcomeUnknown, ProtocolViolation, Unavailable
from farhand.model.limits import CREDIT_WINDOW
from farhand.model.payload import Payload
from farhand.wire.farhand import incoming
from farhand.wire.farhand._pb import client_pb2
from farhand.wire.farhand.options import DIAL_OPTIONS
from farhand.wire.farhand.outgoing import FromClient

SLACK = 0.5
"""Seconds a deadline is given beyond the hub's own, so that the hub's better error arrives first."""
CHORE_EVERY = 1.0
IN_FLIGHT = 8_000
"""Calls sent and unanswered; more wait here, below what a hub accepts of one channel (10,000)."""
BACKLOG = 4 * 1024 * 1024
FOREVER = 10 * 365 * 86_400.0


class Connection:
    """Bound to the event loop it is first used on. It dials when the first call needs it, and again when it is lost."""

    def __init__(self, address: str, api_key: str | None, connect_timeout: float) -> None:
        self.address = address
        self._connect_timeout = connect_timeout
        self._metadata = (("authorization", f"Bearer {api_key}"),) if api_key else None
        self.loop = self._loop = asyncio.get_running_loop()
        self._channel: grpc.aio.Channel | None = None
        self._buffer = FromClient()
        self._calls: dict[int, AnyCall] = {}
        self._unsent: dict[int, tuple[Any, ...]] = {}
        self._deadlines: Deadlines[int] = Deadlines()
        self._timer: tuple[float, asyncio.TimerHandle] | None = None
        self._last = 0
        self._open = False
        self._why = "no connection was tried yet"
        self._writer: asyncio.Future[None] | None = None
        self._needed = asyncio.Event()
        self._main: asyncio.Task[None] | None = None
        self._crowd: deque[asyncio.Future[None]] = deque()
        self._closed = False

    @property
    def channel(self) -> grpc.aio.Channel:
        """The gRPC channel, made when it is first needed."""
        if self._closed:
            raise Unavailable("this client is closed")
        if self._channel is None:
            self._channel = grpc.aio.insecure_channel(self.address, options=DIAL_OPTIONS)
        return self._channel

    # -- calls -------------------------------------------------------------------------------------------------------

    def run(self, handler: str, args: Payload, timeout: float | None, extra: client_pb2.CallExtra | None) -> RunCall:
        """Begin a call whose end is wanted."""
        self._last = number = self._last + 1
        call = RunCall(
            number, self._loop.time() + (FOREVER if timeout is None else timeout), self._loop.create_future()
        )
        self._begin(call, (handler, args, _ms(timeout), CREDIT_WINDOW, False, extra))
        return call

    def stream(
        self, handler: str, args: Payload, timeout: float | None, extra: client_pb2.CallExtra | None
    ) -> StreamCall:
        """Begin a call whose events are wanted."""
        self._last = number = self._last + 1
        call = StreamCall(number, self._loop.time() + (FOREVER if timeout is None else timeout))
        self._begin(call, (handler, args, _ms(timeout), CREDIT_WINDOW, True, extra))
        return call

    async def room(self) -> None:
        """Wait until another call may be begun without piling up."""
        while len(self._calls) >= IN_FLIGHT or self._buffer.waiting > BACKLOG:
            waiter = self._loop.create_future()
            self._crowd.append(waiter)
            await waiter

    @property
    def crowded(self) -> bool:
        """Whether `room` would wait."""
        return len(self._calls) >= IN_FLIGHT or self._buffer.waiting > BACKLOG

    def cancel(self, call: AnyCall) -> None:
        """Ask for the call's end; it still comes."""
        if call.number in self._unsent:
            del self._unsent[call.number]
            self._drop(call)
            call.fail(FarhandError("cancelled before it was sent"))
        elif call.number in self._calls and self._open:
            self._buffer.cancel(call.number)
            self._wake()

    def forget(self, call: AnyCall) -> None:
        """Its caller has left: cancel it, and drop whatever still comes."""
        if call.number in self._calls:
            self._unsent.pop(call.number, None)
            self._drop(call)
            if self._open and call.sent:
                self._buffer.cancel(call.number)
                self._wake()

    def grant(self, call: AnyCall, amount: int) -> None:
        """Its reader takes this many more bytes of chunks."""
        if self._open and call.number in self._calls:
            self._buffer.credit(call.number, amount)
            self._wake()

    async def close(self) -> None:
        """End everything: calls in flight fail, the hub is told."""
        self._closed = True
        if self._open:
            self._buffer.goodbye()
            self._wake()
        if self._main is not None:
            self._needed.set()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(1):
                    await asyncio.shield(self._main)
            self._main.cancel()
            await asyncio.gather(self._main, return_exceptions=True)
        self._fail_all(Unavailable("the client was closed"), sent_only=False)
        if self._timer is not None:
            self._timer[1].cancel()
        if self._channel is not None:
            await self._channel.close()

    def _begin(self, call: AnyCall, asked: tuple[Any, ...]) -> None:
        if self._closed:
            raise Unavailable("this client is closed")
        self._calls[call.number] = call
        if self._open:
            call.sent = True
            self._buffer.call(call.number, *asked)
            writer = self._writer
            if writer is not None:
                self._writer = None
                writer.set_result(None)
            due = call.due = call.due + SLACK
        else:
            self._unsent[call.number] = asked
            due = min(call.due, self._loop.time() + self._connect_timeout)
            self._need()
        call.due = due
        self._deadlines.add(call.number, due)
        if self._timer is None or due < self._timer[0]:
            self._arm()

    def _drop(self, call: AnyCall) -> None:
        del self._calls[call.number]
        self._deadlines.remove(call.number, call.due)
        if self._crowd and not self.crowded:
            waiter = self._crowd.popleft()
            if not waiter.done():
                waiter.set_result(None)

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
            if self._unsent.pop(number, None) is not None:
                call.fail(
                    Unavailable(f"can't reach a hub at {self.address} ({self._why}): is `farhand hub` running there?")
                )
            else:
                call.fail(DeadlineExceeded("the hub did not answer within the timeout", dispatched=None))
                if self._open:
                    self._buffer.cancel(number)
                    self._wake()
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
                self._fail_all(error, sent_only=False)
            except (FarhandError, grpc.aio.AioRpcError, TimeoutError) as error:
                self._why = _why(error)
            finally:
                self._open = False
                self._buffer = FromClient()
                self._fail_all(OutcomeUnknown(f"the connection to the hub was lost ({self._why}) while the call ran"))
            if self._closed:
                return
            self._needed.clear()
            if not self._unsent:
                await self._needed.wait()
            else:
                await asyncio.sleep(backoff.next(random.random()))

    async def _converse(self, backoff: Backoff) -> None:
        call: Any = self.channel.stream_stream(SERVICE + "Channel")(metadata=self._metadata)
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
                    await task
        except grpc.aio.AioRpcError as error:
            raise error_of(error) from None
        finally:
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
                for number, kind, body, media, place in incoming.call_events(frame):
                    one = calls.get(number)
                    if one is None:
                        continue
                    credit = one.event(kind, body, media, place)
                    if kind >= 8:
                        self._drop(one)
                    elif credit:
                        self.grant(one, credit)
            if says & Says.WELCOME:
                backoff.reset()
                self._on_open()
            if says & Says.GOODBYE:
                if frame.goodbye.code == "PROTOCOL_VIOLATION":
                    raise ProtocolViolation(frame.goodbye.message)
                raise Unavailable(frame.goodbye.message or "the hub said goodbye")

    def _on_open(self) -> None:
        self._open = True
        for number, asked in self._unsent.items():
            call = self._calls[number]
            call.sent = True
            self._deadlines.remove(number, call.due)
            left = asked[2] / 1000 if asked[2] else FOREVER
            call.due = self._loop.time() + left + SLACK
            self._deadlines.add(number, call.due)
            self._buffer.call(number, *asked)
        self._unsent.clear()
        self._wake()

    async def _write(self, call: Any, link: Link) -> None:
        loop = self._loop
        while True:
            while self._buffer:
                data, says = self._buffer.take()
                link.sent(says, loop.time())
                await call.write(data)
                if says & Says.GOODBYE:
                    await call.done_writing()
                    await call.code()
                    return
                if self._crowd and not self.crowded:
                    self._admit()
            self._writer = writer = loop.create_future()
            await writer

    def _admit(self) -> None:
        while self._crowd:
            waiter = self._crowd.popleft()
            if not waiter.done():
                waiter.set_result(None)

    async def _chore(self, link: Link) -> None:
        while True:
            await asyncio.sleep(CHORE_EVERY)
            now = self._loop.time()
            if link.is_open and link.heartbeat_due(now) < CHORE_EVERY:
                self._buffer.heartbeat()
                self._wake()
            if link.is_silent(now):
                raise Unavailable(f"the hub has been silent for {link.silent_for(now):.0f} s")

    def _wake(self) -> None:
        writer = self._writer
        if writer is not None:
            self._writer = None
            if not writer.done():
                writer.set_result(None)

    def _fail_all(self, error: FarhandError, *, sent_only: bool = True) -> None:
        for number, call in list(self._calls.items()):
            if not sent_only or number not in self._unsent:
                self._unsent.pop(number, None)
                self._drop(call)
                call.fail(type(error)(error.message))


def _ms(timeout: float | None) -> int:
    return 0 if timeout is None else max(1, int(timeout * 1000))


def _why(error: Exception) -> str:
    text = str(error)
    if "Connection refused" in text:
        return "connection refused"
    return text[:200] or type(error).__name__
