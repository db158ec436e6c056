"""gRPC connections for what does not share the one stream of a peer: unary methods, logs that are followed, large
payloads."""

from __future__ import annotations

import asyncio

import grpc

from farhand.errors import Unavailable
from farhand.wire.farhand.options import DIAL_OPTIONS

UNARY = 64
"""Unary calls at once; more wait here. A hub refuses more than 250 streams of one connection."""
STREAMS = 100
"""Logs followed over one connection; another is dialled for more."""


class _Line:
    __slots__ = ("channel", "used")

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self.channel = channel
        self.used = 0


class Pool:
    """The connections of one client, on one event loop."""

    def __init__(self, address: str) -> None:
        self.unary = asyncio.Semaphore(UNARY)
        self._address = address
        self._lines: list[_Line] = []
        self._closed = False

    def stream(self) -> _Use:
        """A channel with room for one more stream, for as long as an ``async with``.

        Raises:
            Unavailable: the client is closed.
        """
        return _Use(self)

    def take(self) -> _Line:
        """A connection with room for one more stream, which is counted from now on.

        Raises:
            Unavailable: the client is closed.
        """
        if self._closed:
            raise Unavailable("this client is closed", retryable=False)
        line = next((one for one in self._lines if one.used < STREAMS), None)
        if line is None:
            options = [*DIAL_OPTIONS, ("grpc.use_local_subchannel_pool", 1)]  # or all would share one connection
            line = _Line(grpc.aio.insecure_channel(self._address, options=options))
            self._lines.append(line)
        line.used += 1
        return line

    async def close(self) -> None:
        """Close them all; streams that are open end."""
        self._closed = True
        for line in self._lines:
            await line.channel.close()


class _Use:
    """One stream's time on a connection. No generator: a loop that ends closes those all at once, inner ones too."""

    __slots__ = ("_line", "_pool")

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def __aenter__(self) -> grpc.aio.Channel:
        self._line = self._pool.take()
        return self._line.channel

    async def __aexit__(self, *error: object) -> None:
        self._line.used -= 1
