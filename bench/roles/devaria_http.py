"""A connection that asks Devaria's door, one request after the other."""

from __future__ import annotations

import asyncio
import json
from typing import Any

SUBMIT, RUNNER = "bench-submit", "bench-runner"
KEYS = {"DEVARIA_SUBMIT_API_KEY": SUBMIT, "DEVARIA_RUNNER_API_KEY": RUNNER}


class Asking:
    """One connection, by one key."""

    def __init__(self, address: str, key: str) -> None:
        self._address = address
        self._head = f"Host: 127.0.0.1\r\nAuthorization: Bearer {key}\r\n"
        self._reader: asyncio.StreamReader
        self._writer: asyncio.StreamWriter

    async def connect(self) -> None:
        """Connect."""
        host, _, port = self._address.rpartition(":")
        self._reader, self._writer = await asyncio.open_connection(host, int(port), limit=1 << 20)

    async def register(self, name: str) -> None:
        """Be a runner."""
        _, told = await self.ask("POST", "/api/runner/register", {"name": name, "capabilities": ["bench"]})
        self._head += f"X-Runner-ID: {told['runner_id']}\r\n"

    async def ask(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """The status and the body of an answer."""
        data = b"" if body is None else json.dumps(body).encode()
        head = f"{method} {path} HTTP/1.1\r\n{self._head}Content-Length: {len(data)}\r\n\r\n"
        self._writer.write(head.encode() + data)
        lines = (await self._reader.readuntil(b"\r\n\r\n")).lower().split(b"\r\n")
        size = next(int(line.partition(b":")[2]) for line in lines if line.startswith(b"content-length:"))
        return int(lines[0].split()[1]), json.loads(await self._reader.readexactly(size))
