"""The native link: dial the hub, introduce the worker, keep one stream open, and come back when it breaks.

It runs on an event loop of its own thread, so that heartbeats go out while a handler keeps the worker's loop busy.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import threading
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from typing import Any, Protocol, TypeVar

import grpc
import structlog
from msgspec.structs import replace

from farhand.carriage.carriage import Carriage
from farhand.carriage.serving import DataPort
from farhand.core.link import Link, Role, Says
from farhand.core.retrying import Backoff
from farhand.errors import FarhandError, ProtocolViolation, Replaced, Unavailable
from farhand.model.payload import Payload
from farhand.model.ref import as_payload
from farhand.model.worker import Hold, WorkerInfo
from farhand.wire.codecs.base import Encoded
from farhand.wire.farhand import incoming
from farhand.wire.farhand._pb import worker_pb2
from farhand.wire.farhand.options import DIAL_OPTIONS
from farhand.wire.farhand.outgoing import FromWorker
from farhand.worker.outbox import Outbox

T = TypeVar("T")

CONNECT = "/farhand.v1.WorkerService/Connect"
CHORE_EVERY = 1.0
CHATTER_DELAY = 0.05
"""Seconds that progress and console text wait for company: at most 20 such events a second a job."""
WELCOME_TIMEOUT = 10.0
STOP_AT = 2 / 3
"""The part of a lease after which a worker that doesn't hear its hub stops what it has under one."""
LOOKS = 3


class Serves(Protocol):
    """What the link needs of the worker behind it. Called in the link's thread."""

    @property
    def running(self) -> int: ...
    def on_work(self, frame: worker_pb2.HubFrame) -> None: ...
    def announce(self) -> None: ...
    def on_ready(self) -> None: ...
    @property
    def holding(self) -> bool: ...
    def holds(self) -> list[Hold]: ...
    def on_lost(self, held_until: float | None) -> None: ...
    def on_look(self, now: float, held_until: float) -> None: ...
    def on_refused(self, error: FarhandError) -> None: ...


class HubLink:
    """The worker's end of the conversation."""

    def __init__(
        self,
        info: WorkerInfo,
        address: str,
        worker: Serves,
        new_loop: Callable[[], asyncio.AbstractEventLoop],
        data: str = "",
    ) -> None:
        """`address` is the hub's. `data` is where this worker serves what it holds itself; empty: nowhere."""
        self.outbox = Outbox(self._wake)
        self.carriage = Carriage(address)
        self._data = data
        self._info = info
        self._address = address
        self._worker = worker
        self._new_loop = new_loop
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = threading.Thread(target=self._serve, name="farhand-link", daemon=True)
        self._waiter: asyncio.Future[None] | None = None
        self._lazy: asyncio.TimerHandle | None = None
        self._link: Link | None = None
        self._main: asyncio.Task[None] | None = None
        self._stopping = False
        self._welcomed = False
        self._lease = 0.0
        self._heard = 0.0
        self._log = structlog.get_logger("farhand.worker")

    def start(self) -> None:
        """Begin dialling, in a thread of its own."""
        self._loop = self._new_loop()
        self._thread.start()

    def say_draining(self) -> None:
        """Tell the hub that no new work is wanted; one that hasn't welcomed this worker yet is told when it has. From
        any thread."""
        self._stopping = True
        self.outbox.say(self._drain)

    def _drain(self, buffer: FromWorker) -> None:
        if self._welcomed:
            buffer.draining()

    def stop(self, timeout: float = 2.0) -> None:
        """Say goodbye and end the thread; waits up to `timeout` seconds. From another thread."""
        self._stopping = True
        if self._thread.is_alive():
            self._call_soon(self._leave)
            self._thread.join(timeout)
            if self._thread.is_alive():
                self._call_soon(self._cancel)
                self._thread.join(timeout)

    # -- large payloads (worker.carrying.Carrier) --------------------------------------------------------------------

    def carry(self, found: Encoded, job: str) -> Payload | Future[Payload]:
        """As `Carrier`."""
        if not job and self.carriage.keeper.room() is None:
            ref = self.carriage.keeper.keep(found)
            self._call_soon(self.carriage.watch)
            return as_payload(ref)
        return self._run_there(self.carriage.put(found, job) if job else self.carriage.hold(found))

    def give_up(self) -> Future[None]:
        """Let the hub keep what is held here and still wanted, as `Carriage.give_up`."""
        return self._run_there(self.carriage.give_up())

    def resolve(self, payload: Payload) -> Future[Payload]:
        """As `Carrier`."""
        return self._run_there(self.carriage.resolve(payload))

    def _run_there(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        assert self._loop is not None, "there are no calls before the link has started"
        try:
            return asyncio.run_coroutine_threadsafe(work, self._loop)
        except RuntimeError:
            work.close()
            raise Unavailable("this worker has stopped") from None

    # -- the thread --------------------------------------------------------------------------------------------------

    def _serve(self) -> None:
        loop = self._loop
        assert loop is not None
        runner = asyncio.Runner(loop_factory=lambda: loop)
        with runner, contextlib.suppress(asyncio.CancelledError):
            runner.run(self._run())

    def _leave(self) -> None:
        if self._link is not None and self._link.is_open:
            self.outbox.say(FromWorker.goodbye)
        else:
            self._cancel()

    def _cancel(self) -> None:
        if self._main is not None:
            self._main.cancel()

    async def _run(self) -> None:
        self._main = asyncio.current_task()
        looking = asyncio.ensure_future(self._look())
        port = DataPort(self.carriage.keeper)
        try:
            if self._data:
                self._info = replace(self._info, data=await port.start(self._data))
            await self._keep_connected()
        except Unavailable as error:
            self._worker.on_refused(error)
        finally:
            looking.cancel()
            await port.stop()
            await self.carriage.close()

    async def _keep_connected(self) -> None:
        backoff = Backoff()
        said = False
        while not self._stopping:
            try:
                await self._converse(backoff)
                said = False
            except (ProtocolViolation, Replaced) as error:
                self._worker.on_refused(error)
                return
            except (Unavailable, grpc.aio.AioRpcError, TimeoutError) as error:
                if not (said or self._stopping):
                    self._log.warning("the hub is not there; trying again", hub=self._address, why=_why(error))
                    said = True
            except Exception:
                self._log.exception("the link failed; trying again", hub=self._address)
            finally:
                self._link = None
                self.outbox.renew()
                self._worker.on_lost(None if self._stopping or not self._lease else self._held_until)
            if not self._stopping:
                pause = backoff.next(random.random())
                await asyncio.sleep(min(pause, self._lease / 6) if self._worker.holding else pause)

    @property
    def _held_until(self) -> float:
        """When leased jobs have to be stopped: their hub may know a third of a lease less of this worker than it of its
        hub, and clocks differ."""
        return self._heard + self._lease * STOP_AT

    async def _look(self) -> None:
        """Have leased jobs stopped in time. Where this process stood still, what the hub said may wait unread: it is
        looked again before that counts."""
        late = 0
        while True:
            before = time.monotonic()
            pause = min(CHORE_EVERY, self._lease / 12) if self._lease else CHORE_EVERY
            await asyncio.sleep(pause)
            now = time.monotonic()
            if not self._lease or not self._worker.holding:
                continue
            late = late + 1 if now > self._held_until and now - before > 2 * pause else 0
            if not 0 < late < LOOKS:
                self._worker.on_look(now, self._held_until)

    async def _converse(self, backoff: Backoff) -> None:
        """One connection, from hello to its end."""
        async with grpc.aio.insecure_channel(self._address, options=DIAL_OPTIONS) as channel:
            call: Any = channel.stream_stream(CONNECT)()
            self._link = link = Link(Role.PEER, time.monotonic())
            self._welcomed = False
            self.outbox.renew()
            holds = self._worker.holds()
            self.outbox.say(lambda buffer: buffer.hello(self._info, holds))
            writer = asyncio.ensure_future(self._write(call, link))
            reader = asyncio.ensure_future(self._read(call, link, backoff))
            chore = asyncio.ensure_future(self._chore(link))
            tasks = {writer, reader, chore}
            try:
                done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                for task in (reader, chore, writer):
                    if task in done:
                        await task
            except grpc.aio.AioRpcError as error:
                raise _refusal(error) from error
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
                call.cancel()

    async def _read(self, call: Any, link: Link, backoff: Backoff) -> None:
        while True:
            async with asyncio.timeout(None if link.is_open else WELCOME_TIMEOUT):
                data = await call.read()
            if data is grpc.aio.EOF:
                if await call.code() is not grpc.StatusCode.OK:
                    raise _refusal_of(await call.code(), await call.details())
                raise Unavailable("the hub closed the connection")
            frame = incoming.parse(worker_pb2.HubFrame, data)
            says = incoming.hub_says(frame)
            self._heard = time.monotonic()
            link.received(says, self._heard)
            if says & Says.WELCOME:
                backoff.reset()
                self._welcomed = True
                if self._stopping:
                    self.outbox.say(self._drain)
                self._lease = frame.welcome.lease
                self.carriage.keeper.welcome(frame.welcome.holder, frame.welcome.ref_key, self._info.data)
                if not self._lease:
                    self._worker.on_lost(None)
                self._log.info("connected", hub=self._address, worker=self._info.id, group=self._info.group)
                self._worker.on_ready()
            if says & Says.WORK:
                for order in frame.push:
                    self.carriage.on_push(order.transfer, order.id, order.offset)
                self._worker.on_work(frame)
            if says & Says.GOODBYE:
                raise _farewell(frame.goodbye.code, frame.goodbye.message)

    async def _write(self, call: Any, link: Link) -> None:
        while True:
            while (taken := self.outbox.take()) is not None:
                data, says = taken
                link.sent(says, time.monotonic())
                await call.write(data)
                if says & Says.GOODBYE:
                    await call.done_writing()
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(1):
                            await call.code()
                    return
            self._waiter = waiter = asyncio.get_running_loop().create_future()
            await waiter

    async def _chore(self, link: Link) -> None:
        while True:
            before = time.monotonic()
            await asyncio.sleep(CHORE_EVERY)
            now = time.monotonic()
            self._worker.announce()
            if link.is_open and link.heartbeat_due(now) < CHORE_EVERY:
                self.outbox.say(lambda buffer: buffer.heartbeat(self._worker.running))
            awake = now - before < 2 * CHORE_EVERY  # else this process stood still, and what the hub said waits unread
            if awake and link.is_silent(now):
                raise Unavailable(f"the hub has been silent for {link.silent_for(now):.0f} s")

    # -- waking the writer -------------------------------------------------------------------------------------------

    def _wake(self, soon: bool) -> None:
        self._call_soon(self._write_now if soon else self._write_later)

    def _call_soon(self, function: Callable[[], None]) -> None:
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop has closed: the worker has stopped
                self._loop.call_soon_threadsafe(function)

    def _write_now(self) -> None:
        if self._lazy is not None:
            self._lazy.cancel()
            self._lazy = None
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    def _write_later(self) -> None:
        if self._lazy is None:
            self._lazy = asyncio.get_running_loop().call_later(CHATTER_DELAY, self._write_now)


def _farewell(code: str, message: str) -> FarhandError:
    if code == "REPLACED":
        return Replaced(f"{message}: give each worker an id of its own")
    if code == "PROTOCOL_VIOLATION":
        return ProtocolViolation(f"the hub refused this worker: {message}")
    return Unavailable(message or "the hub said goodbye")


def _refusal(error: grpc.aio.AioRpcError) -> FarhandError:
    return _refusal_of(error.code(), error.details())


def _refusal_of(code: grpc.StatusCode, details: str | None) -> FarhandError:
    if code in (grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.UNIMPLEMENTED):
        return ProtocolViolation(f"the hub refused this worker: {details}")
    return Unavailable(details or code.name)


def _why(error: Exception) -> str:
    return str(error) or type(error).__name__
