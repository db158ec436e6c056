"""HTTP by hand, over a socket of one's own."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec


class Peer:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def say(self, data: bytes) -> None:
        """Send bytes; one that is cut off meanwhile is not told."""
        with contextlib.suppress(ConnectionError):
            self.writer.write(data)
            await self.writer.drain()

    async def ask(self, method: str, path: str, *headers: str, body: bytes = b"") -> None:
        """Send a whole request."""
        lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", *headers]
        if body:
            lines.append(f"Content-Length: {len(body)}")
        await self.say("\r\n".join([*lines, "", ""]).encode() + body)

    async def head(self) -> tuple[int, dict[str, str]]:
        """The status and headers of an answer."""
        text = (await self.reader.readuntil(b"\r\n\r\n")).decode()
        first, *lines = text.strip().split("\r\n")
        pairs = [line.partition(":") for line in lines]
        return int(first.split()[1]), {name.lower(): value.strip() for name, _, value in pairs}

    async def answer(self) -> tuple[int, dict[str, str], Any]:
        """An answer with its JSON body."""
        status, headers = await self.head()
        body = await self.reader.readexactly(int(headers.get("content-length", "0")))
        return status, headers, msgspec.json.decode(body) if body else None

    async def ended(self) -> bytes:
        """What comes until the other end closes."""
        found = b""
        with contextlib.suppress(ConnectionError):
            while data := await self.reader.read(1 << 16):
                found += data
        return found


@asynccontextmanager
async def connected(address: str, limit: int = 1 << 20) -> AsyncIterator[Peer]:
    """A connection to ``HOST:PORT``, cut at the end."""
    host, _, port = address.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port), limit=limit)
    try:
        async with asyncio.timeout(50):
            yield Peer(reader, writer)
    finally:
        writer.transport.abort()
