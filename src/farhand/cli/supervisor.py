"""A pool of worker processes on this machine: those that crash are started again, with backoff."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sys
import time
from collections.abc import Sequence
from typing import Any

import msgspec
import structlog

from farhand.cli.signals import Signals
from farhand.core.retrying import Backoff

CHILD_MODULE = "farhand.cli.child"
HEALTHY_AFTER = 60.0
"""Seconds after which a process counts as one that works, so that its next restart is quick again."""
KILL_AFTER = 5.0
"""Seconds beyond the grace that a process has to end."""
USAGE = 2
"""Exit status of a process that would be refused again: it isn't started again."""


class Pool(msgspec.Struct, frozen=True, kw_only=True):
    """`commands`: the farhand command's arguments, one process each. `grace`: seconds that a process may drain."""

    commands: Sequence[Sequence[str]]
    grace: float


def supervise(pool: Pool) -> int:
    """Keep one process for each command running until a signal; the exit status.

    SIGTERM and SIGINT drain all of them, a second one kills them. They also end when this process is killed.
    """
    return asyncio.run(_Supervisor(pool).run())


async def start(arguments: Sequence[str], *, tell: int = -1, **how: Any) -> asyncio.subprocess.Process:
    """Start the farhand command as a child that ends when this process is gone, in a session of its own, so that
    Ctrl-C in a terminal reaches only this process. `tell`: see `farhand.cli.child`."""
    command = (sys.executable, "-m", CHILD_MODULE, str(os.getpid()), str(tell), *arguments)
    passed = () if tell < 0 else (tell,)
    return await asyncio.create_subprocess_exec(*command, start_new_session=True, pass_fds=passed, **how)


async def end(process: asyncio.subprocess.Process, hurry: asyncio.Event, patience: float) -> None:
    """Ask a process to end, and kill it after `patience` seconds or when `hurry` is set."""
    ended, rush = asyncio.ensure_future(process.wait()), asyncio.ensure_future(hurry.wait())
    if process.returncode is None:
        process.terminate()
    await asyncio.wait({ended, rush}, timeout=patience, return_when=asyncio.FIRST_COMPLETED)
    rush.cancel()
    if process.returncode is None:
        process.kill()
    await ended


def how_it_ended(status: int) -> str:
    """An exit status in words."""
    if status >= 0:
        return f"ended with status {status}"
    try:
        return f"was ended by {signal.Signals(-status).name}"
    except ValueError:
        return f"was ended by signal {-status}"


class _Supervisor:
    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._refused = False
        self._log = structlog.get_logger("farhand.supervisor")

    async def run(self) -> int:
        self._signals = Signals()
        await asyncio.gather(*(self._keep(command) for command in self._pool.commands))
        return USAGE if self._refused else self._signals.status

    async def _keep(self, command: Sequence[str]) -> None:
        backoff, stop = Backoff(), self._signals.stop
        while not stop.is_set():
            began = time.monotonic()
            process = await start(command)
            await _first(process.wait(), stop.wait())
            if stop.is_set():
                await end(process, self._signals.hurry, self._pool.grace + KILL_AFTER)
                return
            status = await process.wait()
            if status == USAGE:
                self._refused = True
                stop.set()
                return
            if time.monotonic() - began > HEALTHY_AFTER:
                backoff.reset()
            delay = backoff.next(random.random())
            self._log.warning(
                f"a worker process {how_it_ended(status)}; it starts again in {delay:.1f} s", pid=process.pid
            )
            await _first(stop.wait(), asyncio.sleep(delay))


async def _first(*waits: Any) -> None:
    """Until one of these is done; the others are left."""
    tasks = {asyncio.ensure_future(one) for one in waits}
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
