"""A long-lived stream with a peer: one reader, one writer that batches, and an end that both agree on."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any, Protocol

import grpc

from farhand.core.link import Link, Role, Says
from farhand.errors import FarhandError, Overloaded, ProtocolViolation, Unavailable
from farhand.fronts.grpc.guard import Context, check_message
from farhand.model.limits import HUB_HEARTBEAT

BACKLOG_LIMIT = 64 * 1024 * 1024
"""Bytes that may wait for a peer that doesn't read, before it is cut off."""

GATHER = 0.001
"""Seconds between small frames on a stream with many calls under way. A frame costs each process on its way about
0.1 ms, a call in it 0.01 ms."""
MANY_CALLS = 8
SMALL_FRAME = 24

HANDSHAKE_TIMEOUT = 10.0
FAREWELL_TIMEOUT = 2.0


class Outgoing(Protocol):
    """What the writer needs of a frame buffer (`wire.farhand.outgoing`)."""

    closed_cost: int
    entries: int

    def __bool__(self) -> bool: ...
    def take(self) -> tuple[bytes, int]: ...
    def heartbeat(self) -> None: ...
    def draining(self) -> None: ...
    def goodbye(self, code: str = "", message: str = "") -> None: ...


class Conversation:
    """One peer's stream. A subclass-free helper: its owner passes `on_frame`, called with each frame's bytes."""

    def __init__(
        self, context: Context, buffer: Outgoing, now: Callable[[], float], heartbeat: float = HUB_HEARTBEAT
    ) -> None:
        self.link = Link(Role.HUB, now(), heartbeat=heartbeat)
        self.buffer = buffer
        self._context = context
        self._now = now
        self._waiter: asyncio.Future[None] | None = None
        self._ended: asyncio.Future[FarhandError | None] = asyncio.get_running_loop().create_future()
        self._closing = False
        self.load = 0
        """Calls under way on this stream; kept by its owner."""

    def wake(self) -> None:
        """Something waits in the buffer."""
        waiter = self._waiter
        if waiter is not None:
            self._waiter = None
            if not waiter.done():
                waiter.set_result(None)
        elif self.buffer.closed_cost > BACKLOG_LIMIT:
            self.cut(Overloaded(f"the peer left {BACKLOG_LIMIT >> 20} MiB unread and was cut off", retry_after=5))

    def cut(self, error: FarhandError) -> None:
        """End the stream now, with this error."""
        if not self._ended.done():
            self._ended.set_result(error)

    def close(self, code: str = "", message: str = "") -> None:
        """Say goodbye, then end the stream."""
        if not self._closing and not self._ended.done():
            self._closing = True
            self.buffer.goodbye(code, message)
            self.wake()
            loop = asyncio.get_running_loop()
            loop.call_later(FAREWELL_TIMEOUT, self.cut, Unavailable(message or "the hub closed the stream"))

    async def run(self, on_frame: Callable[[bytes], int]) -> bool:
        """Read and write until either end is done; whether the peer said goodbye.

        Raises:
            FarhandError: why the peer was cut off.
        """
        reader = asyncio.ensure_future(self._read(on_frame))
        writer = asyncio.ensure_future(self._write())
        tasks: set[asyncio.Future[Any]] = {reader, writer, self._ended}
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            if writer in done and writer.exception() is None:
                return True
            if reader in done:
                failure = reader.exception()
                if isinstance(failure, ProtocolViolation):
                    await self._say_farewell(failure, writer)
                if failure is not None:
                    raise failure
                return reader.result()
            if self._ended in done:
                error = self._ended.result()
                if error is not None:
                    raise error
            return False
        finally:
            for task in (reader, writer):
                task.cancel()
            await asyncio.gather(reader, writer, return_exceptions=True)

    async def _say_farewell(self, why: FarhandError, writer: asyncio.Future[None]) -> None:
        if self.link.is_open:
            self.close(why.code, why.message)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(asyncio.shield(writer), FAREWELL_TIMEOUT)

    async def _read(self, on_frame: Callable[[bytes], int]) -> bool:
        read = self._context.read
        try:
            async with asyncio.timeout(HANDSHAKE_TIMEOUT) as patience:
                while True:
                    data = await read()
                    if data is grpc.aio.EOF:
                        return False
                    says = on_frame(check_message(data))
                    if says & Says.HELLO:
                        patience.reschedule(None)
                    if says & Says.GOODBYE:
                        return True
        except TimeoutError:
            raise ProtocolViolation(f"no hello within {HANDSHAKE_TIMEOUT:g} s") from None

    async def _write(self) -> None:
        write, buffer, link, now = self._context.write, self.buffer, self.link, self._now
        written = 0.0
        while True:
            while buffer:
                if self.load > MANY_CALLS and not buffer.closed_cost and buffer.entries < SMALL_FRAME:
                    pause = written + GATHER - now()
                    if pause > 0:
                        await asyncio.sleep(pause)
                data, says = buffer.take()
                written = now()
                link.sent(says, written)
                await write(data)
                if says & Says.GOODBYE:
                    return
            self._waiter = waiter = asyncio.get_running_loop().create_future()
            await waiter
