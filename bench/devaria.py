"""Devaria's door: how soon submitters are answered while runners pull, and whether each work is done once."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from contextlib import ExitStack

from bench import subject
from bench.alone import rows
from bench.processes import Program, role
from bench.results import Options, Row
from bench.roles.devaria_http import KEYS
from bench.scenarios import DEVARIA, DEVARIA_ANSWER, DEVARIA_TWICE

SUBMITS, DISTINCT, RATE = 2_000, 500, 200.0
QUICK_SUBMITS, QUICK_DISTINCT = 100, 25
NO_RATES = {f"FARHAND_DEVARIA_{name}_RATE": "0" for name in ("SUBMIT", "STATUS", "RUNNER")}
PATIENCE = 120.0


def measure(names: list[str], options: Options, say: Callable[[str], None]) -> list[Row]:
    """The rows asked for."""
    submits, distinct = (QUICK_SUBMITS, QUICK_DISTINCT) if options.quick else (SUBMITS, DISTINCT)
    wanted = [figure for figure in DEVARIA if figure.name in names]
    crowd = f"{submits:,} submits of {distinct} jobs"
    return rows(wanted, options, crowd, lambda: _measure(submits, distinct, say))


def _measure(submits: int, distinct: int, say: Callable[[str], None]) -> dict[str, float]:
    with ExitStack() as stack:
        say("starting a hub for pull runners")
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="farhand-bench"))
        command = subject.hub_command(f"sqlite:///{folder}/farhand.db", http="127.0.0.1:0")
        hub = stack.enter_context(Program("farhand hub", command, {**KEYS, **NO_RATES}))
        web = subject.http_address(hub.line())
        runners, client = [stack.enter_context(role(name, web)) for name in ("devaria_runners", "devaria_client")]
        runners.answer()
        client.answer()
        say(f"devaria: {submits:,} submits of {distinct} jobs")
        p99 = client.order(PATIENCE, "load", submits=submits, distinct=distinct, rate=RATE, seconds=0)
        wrong = client.order(PATIENCE, "unanswered", distinct=distinct, seconds=30.0)
        wrong += runners.order(PATIENCE, "twice", distinct=distinct, seconds=0)
    return {DEVARIA_ANSWER.name: p99, DEVARIA_TWICE.name: wrong}
