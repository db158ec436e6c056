"""A hub with many workers that have nothing to do: what each costs in memory, and what their heartbeats cost."""

from __future__ import annotations

import resource
import time
from collections.abc import Callable
from contextlib import ExitStack

from bench import subject, usage
from bench.alone import rows
from bench.processes import Program, role
from bench.results import Options, Row
from bench.scenarios import IDLE, IDLE_CPU, IDLE_MEMORY

WORKERS, WORKERS_QUICK = 2000, 200
HOLDERS = 2
"""Processes that hold the idle workers' connections."""
SETTLE, SETTLE_QUICK = 6.0, 1.0
"""Seconds after the last has joined, for the memory of joining to be given back; more than one heartbeat."""
WINDOW, WINDOW_QUICK = 20.0, 2.0
"""Seconds of heartbeats; a multiple of their interval and of HTTP/2's keepalive."""
JOIN_TIMEOUT = 120.0
SPARE_FILES = 500


def measure(names: list[str], options: Options, say: Callable[[str], None]) -> list[Row]:
    """The rows asked for."""
    count = WORKERS_QUICK if options.quick else WORKERS
    wanted = [figure for figure in IDLE if figure.name in names]
    return rows(wanted, options, f"{count:,} idle workers", lambda: _measure(count, options.quick, say))


def _measure(count: int, quick: bool, say: Callable[[str], None]) -> dict[str, float]:
    allow_files(count + SPARE_FILES)
    with ExitStack() as stack:
        say("starting a hub for idle workers")
        hub = stack.enter_context(Program("farhand hub", subject.hub_command()))
        address = subject.hub_address(hub.line())
        time.sleep(1)
        before = usage.memory(hub.pid)
        say(f"idle: {count:,} workers are joining")
        holders = [role("idle_workers", address, str(count // HOLDERS), f"idle-{n}") for n in range(HOLDERS)]
        for holder in holders:
            stack.enter_context(holder)
        for holder in holders:
            holder.answer(JOIN_TIMEOUT)
        time.sleep(SETTLE_QUICK if quick else SETTLE)
        after = usage.memory(hub.pid)
        window = WINDOW_QUICK if quick else WINDOW
        say(f"idle: {window:g} s of heartbeats")
        used, began = usage.cpu(hub.pid), time.perf_counter()
        time.sleep(window)
        share = (usage.cpu(hub.pid) - used) / (time.perf_counter() - began)
        for holder in holders:
            holder.check()
    return {IDLE_MEMORY.name: (after - before) / count / 1000, IDLE_CPU.name: share * 100}


def allow_files(count: int) -> None:
    """Let this process and its children open as many files.

    Raises:
        OSError: the machine doesn't let us.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < count:
        if hard != resource.RLIM_INFINITY and hard < count:
            raise OSError(f"{count:,} open files are needed, {hard:,} are allowed: raise `ulimit -Hn`")
        resource.setrlimit(resource.RLIMIT_NOFILE, (count, hard))
