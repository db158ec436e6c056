"""The command as real processes, with their ready lines as the signal that they serve."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
COMMAND = (sys.executable, "-m", "farhand")
TIMEOUT = 30.0


def environment(**more: str) -> dict[str, str]:
    """This process's variables, without settings of farhand but `more`."""
    return {key: value for key, value in os.environ.items() if not key.startswith("FARHAND_")} | more


def farhand(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run the command to its end."""
    return subprocess.run(
        (*COMMAND, *arguments), cwd=ROOT, env=environment(**variables), capture_output=True, text=True, timeout=TIMEOUT
    )


@contextlib.contextmanager
def serving(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A command that serves: its process, and the last word of its ready line. Ended at the end."""
    process = subprocess.Popen(
        (*COMMAND, *arguments),
        cwd=ROOT,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    with process:
        try:
            yield process, ready(process)
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
                try:
                    process.wait(10)
                except subprocess.TimeoutExpired:
                    process.kill()


def ready(process: subprocess.Popen[str], word: str = "ready") -> str:
    """Read up to the ready line that holds `word`; its last word."""
    assert process.stdout is not None
    for line in process.stdout:
        if "farhand" in line and word in line:
            return line.split()[-1]
    raise AssertionError(f"it ended with status {process.wait()} before it was ready")


@contextlib.contextmanager
def served(target: str) -> Iterator[str]:
    """A hub and a worker that serves `target`: the hub's address."""
    with (
        serving("hub", "--grpc", "127.0.0.1:0") as (_, address),
        serving("worker", target, "--hub", address, "--id", "w1", "--grace", "2"),
    ):
        yield address
