"""The command as real processes, for tests whose hub or client lives on the test's own loop."""

from __future__ import annotations

import asyncio
import signal
import socket
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from tests.cli.processes import COMMAND, ROOT, environment, ready

APP = str(Path(__file__).with_name("busy.py"))


@asynccontextmanager
async def serving(*arguments: str) -> AsyncIterator[tuple[subprocess.Popen[str], str]]:
    """A command that serves: its process, and the last word of its ready line. Killed at the end."""
    process = start(*arguments)
    try:
        yield process, await asyncio.to_thread(ready, process)
    finally:
        process.kill()
        await asyncio.to_thread(process.communicate)


def start(*arguments: str) -> subprocess.Popen[str]:
    """Start the command."""
    pipe, variables = subprocess.PIPE, environment(*arguments)
    return subprocess.Popen((*COMMAND, *arguments), cwd=ROOT, env=variables, stdout=pipe, stderr=pipe, text=True)


def worker(address: str, id: str, *more: str) -> tuple[str, ...]:
    """The command of a worker that serves the busy app."""
    return ("worker", APP, "--hub", address, "--id", id, *more)


async def exit_status(process: subprocess.Popen[str], within: float) -> int:
    """The process's exit status, which must come within so many seconds."""
    return await asyncio.to_thread(process.wait, within)


async def until(condition: Callable[[], Awaitable[bool]], within: float = 10.0) -> None:
    """Look again and again, at leisure, until it holds."""
    async with asyncio.timeout(within):
        while not await condition():  # noqa: ASYNC110
            await asyncio.sleep(0.02)


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class HubProcess:
    """A hub process on one port and one store, that can be killed and started again."""

    def __init__(self, store: str, lease: float = 5.0) -> None:
        self.address = f"127.0.0.1:{free_port()}"
        self._options = ("--store", store, "--lease", f"{lease:g}")
        self._process: subprocess.Popen[str] | None = None

    async def start(self) -> None:
        """Start it, and wait until it serves."""
        self._process = start("hub", "--grpc", self.address, *self._options)
        await asyncio.to_thread(ready, self._process)

    def waited(self) -> float:
        """Seconds for which its main thread could have run, but others had the processors; 0 where nobody counts."""
        assert self._process is not None
        counts = Path(f"/proc/{self._process.pid}/schedstat")
        return int(counts.read_text().split()[1]) / 1e9 if counts.exists() else 0.0

    async def kill(self) -> None:
        """SIGKILL."""
        assert self._process is not None
        self._process.send_signal(signal.SIGKILL)
        await asyncio.to_thread(self._process.communicate)


@asynccontextmanager
async def a_hub(folder: Path, store: str = "", lease: float = 5.0) -> AsyncIterator[HubProcess]:
    """A hub with a store in this folder, or another."""
    hub = HubProcess(store or f"sqlite:///{folder}/farhand.db", lease)
    await hub.start()
    try:
        yield hub
    finally:
        await hub.kill()
