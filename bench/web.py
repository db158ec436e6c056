"""A hub's HTTP door: what one who follows a job's events costs, and how soon each event reaches all."""

from __future__ import annotations

import json
import tempfile
import time
import urllib.request
from collections.abc import Callable
from contextlib import ExitStack

from bench import subject, usage
from bench.alone import rows
from bench.idle import SPARE_FILES, allow_files
from bench.processes import Program, role
from bench.results import Options, Row
from bench.scenarios import SSE, SSE_DELAY, SSE_MEMORY

FOLLOWERS, FOLLOWERS_QUICK = 1_000, 50
CHUNKS, PAUSE = 20, 0.5
QUICK_PAUSE = 0.02
BEFORE, BEFORE_QUICK = 12.0, 3.0
"""Seconds until the followed job begins, in which all come."""
PATIENCE = 120.0


def measure(names: list[str], options: Options, say: Callable[[str], None]) -> list[Row]:
    """The rows asked for."""
    count = FOLLOWERS_QUICK if options.quick else FOLLOWERS
    wanted = [figure for figure in SSE if figure.name in names]
    return rows(wanted, options, f"{count:,} followers", lambda: _measure(count, options.quick, say))


def _measure(count: int, quick: bool, say: Callable[[str], None]) -> dict[str, float]:
    allow_files(count + SPARE_FILES)
    with ExitStack() as stack:
        say("starting a hub for those who follow events")
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="farhand-bench"))
        command = subject.hub_command(f"sqlite:///{folder}/farhand.db", http="127.0.0.1:0")
        hub = stack.enter_context(Program("farhand hub", command))
        line = hub.line()
        stack.enter_context(Program("farhand worker", subject.worker_command(subject.hub_address(line)))).line()
        web = subject.http_address(line)
        client = stack.enter_context(role("http_client", web))
        client.answer()
        pause = QUICK_PAUSE if quick else PAUSE
        job = _submit(web, {"count": CHUNKS, "pause": pause}, BEFORE_QUICK if quick else BEFORE)
        time.sleep(1)
        before = usage.memory(hub.pid)
        say(f"sse: {count:,} follow one job")
        client.order(PATIENCE, "follow", job=job, count=count, seconds=0)
        after = usage.memory(hub.pid)
        say(f"sse: {CHUNKS} events reach them all")
        delay = client.order(PATIENCE, "delay", chunks=CHUNKS, seconds=0)
    return {SSE_MEMORY.name: (after - before) / count / 1000, SSE_DELAY.name: delay * 1000}


def _submit(web: str, args: dict[str, float], delay: float) -> str:
    body = json.dumps({"handler": "ticks", "args": args, "delay": delay}).encode()
    asked = urllib.request.Request(f"http://{web}/v1/jobs", body, {"Content-Type": "application/json"})
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(asked, timeout=30) as answer:
        id: str = json.load(answer)["id"]
        return id
