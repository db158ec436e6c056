"""The command as real processes, for tests whose hub or client lives on the test's own loop."""

from __future__ import annotations

import asyncio
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
    pipe = subprocess.PIPE
    return subprocess.Popen((*COMMAND, *arguments), cwd=ROOT, env=environment(), stdout=pipe, stderr=pipe, text=True)


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
