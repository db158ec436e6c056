"""Child processes over a socket pair: frames with a four-byte length, big-endian."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import subprocess
import sys
from collections.abc import Sequence


class LocalChild:
    """`ports.runner.Child`."""

    def __init__(
        self, process: subprocess.Popen[bytes], reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._process = process
        self._reader = reader
        self._writer = writer

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    async def send(self, frame: bytes) -> None:
        """Give it a frame."""
        with contextlib.suppress(ConnectionError):
            self._writer.write(len(frame).to_bytes(4, "big") + frame)
            await self._writer.drain()

    async def receive(self) -> bytes | None:
        """Its next frame; None once it is gone."""
        return await read_frame(self._reader)

    def kill(self) -> None:
        """End it now."""
        if self._process.poll() is None:
            self._process.kill()

    async def wait(self) -> int:
        """Its exit status once it has ended."""
        self._writer.close()
        return await asyncio.to_thread(self._process.wait)


class LocalProcesses:
    """`ports.runner.Processes`."""

    async def spawn(self, module: str, arguments: Sequence[str]) -> LocalChild:
        """Start a child that runs `module`."""
        ours, theirs = socket.socketpair()
        try:
            with theirs:
                command = [sys.executable, "-m", module, str(theirs.fileno()), *arguments]
                process = _start(command, theirs.fileno())
        except BaseException:
            ours.close()
            raise
        try:
            reader, writer = await asyncio.open_connection(sock=ours)
        except BaseException:
            ours.close()
            process.kill()
            process.wait()
            raise
        return LocalChild(process, reader, writer)


def _start(command: Sequence[str], fd: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen(command, pass_fds=[fd], stdin=subprocess.DEVNULL)


async def read_frame(reader: asyncio.StreamReader) -> bytes | None:
    """The next frame of a stream; None at its end."""
    try:
        size = int.from_bytes(await reader.readexactly(4), "big")
        return await reader.readexactly(size)
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
