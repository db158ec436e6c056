"""hub, worker and dev: processes that serve until they are told to stop."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sys
import time
from pathlib import Path
from typing import Any

from farhand.assembly import build_worker, serve_hub
from farhand.cli import output
from farhand.core.retrying import Backoff
from farhand.worker.loading import load_app
from farhand.worker.worker import WorkerOptions

HEALTHY_AFTER = 60.0
WATCH_EVERY = 0.5


def _on_signals(stop: asyncio.Event, hurry: asyncio.Event) -> list[int]:
    """SIGTERM and SIGINT set `stop`, a second one `hurry`; the signals that came."""
    caught: list[int] = []

    def on_signal(number: int) -> None:
        caught.append(number)
        (hurry if stop.is_set() else stop).set()

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, on_signal, number)
    return caught


async def run_hub(address: str, grace: float) -> int:
    """Serve a hub until a signal; its exit status."""
    stop, hurry = asyncio.Event(), asyncio.Event()
    caught = _on_signals(stop, hurry)
    async with await serve_hub(address) as hub:
        output.ready(f"farhand hub ready on {hub.address}")
        await stop.wait()
        drain = asyncio.ensure_future(hub.drain(grace))
        rush = asyncio.ensure_future(hurry.wait())
        await asyncio.wait({drain, rush}, return_when=asyncio.FIRST_COMPLETED)
        for task in (drain, rush):
            task.cancel()
    return 128 + caught[-1] if hurry.is_set() else 0


def run_worker(target: str, options: WorkerOptions, grace: float) -> int:
    """Serve an app until a signal; its exit status."""
    worker = build_worker(load_app(target), options, lambda id: output.ready(f"farhand worker ready: {id}"))
    return worker.run_forever(grace)


def supervise(count: int, arguments: list[str], grace: float) -> int:
    """Keep `count` worker processes running, restarting with backoff those that crash; its exit status.

    Each is this command with ``--processes 1``. They end with this process, however that ends.
    """
    return asyncio.run(_supervise(count, arguments, grace))


async def _supervise(count: int, arguments: list[str], grace: float) -> int:
    stop, hurry = asyncio.Event(), asyncio.Event()
    caught = _on_signals(stop, hurry)
    keepers = [asyncio.ensure_future(_keep(arguments, stop, hurry, grace)) for _ in range(count)]
    await asyncio.gather(*keepers)
    return 128 + caught[-1] if hurry.is_set() else 0


async def _keep(arguments: list[str], stop: asyncio.Event, hurry: asyncio.Event, grace: float) -> None:
    backoff = Backoff()
    stopping = asyncio.ensure_future(stop.wait())
    while not stop.is_set():
        began = time.monotonic()
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "farhand.cli.child",
            str(os.getpid()),
            *arguments,
            "--processes",
            "1",
            start_new_session=True,
        )
        ended = asyncio.ensure_future(process.wait())
        await asyncio.wait({ended, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if stop.is_set():
            await _end(process, ended, hurry, grace)
            return
        if time.monotonic() - began > HEALTHY_AFTER:
            backoff.reset()
        delay = backoff.next(random.random())
        output.stderr.print(
            f"worker process {process.pid} ended with status {process.returncode}; again in {delay:.1f} s"
        )
        await asyncio.wait({stopping}, timeout=delay)


async def _end(
    process: asyncio.subprocess.Process, ended: asyncio.Future[int], hurry: asyncio.Event, grace: float
) -> None:
    if process.returncode is None:
        process.terminate()
    rush = asyncio.ensure_future(hurry.wait())
    either: set[asyncio.Future[Any]] = {ended, rush}
    await asyncio.wait(either, timeout=grace + 5, return_when=asyncio.FIRST_COMPLETED)
    rush.cancel()
    if process.returncode is None:
        process.kill()
    await ended


async def run_dev(file: Path, address: str) -> int:
    """A hub here and a worker as a child, restarted when a file changes; its exit status."""
    stop, hurry = asyncio.Event(), asyncio.Event()
    _on_signals(stop, hurry)
    async with await serve_hub(address) as hub:
        output.ready(f"farhand hub ready on {hub.address}")
        while not stop.is_set():
            command = [sys.executable, "-m", "farhand", "worker", str(file), "--hub", hub.address, "--grace", "2"]
            process = await asyncio.create_subprocess_exec(*command)
            seen = _stamps(file)
            stopping = asyncio.ensure_future(stop.wait())
            while not stop.is_set() and _stamps(file) == seen:
                await asyncio.wait({stopping}, timeout=WATCH_EVERY)
            stopping.cancel()
            if process.returncode is None:
                process.terminate()
            await process.wait()
            if not stop.is_set():
                output.stderr.print(f"[dim]{file} or a file beside it changed: restarting[/]")
        await hub.drain(1)
    return 0


def _stamps(file: Path) -> dict[str, int]:
    return {str(path): path.stat().st_mtime_ns for path in file.resolve().parent.glob("*.py")}
