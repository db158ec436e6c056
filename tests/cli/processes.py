"""The command as real processes, with their ready lines as the signal that they serve."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

ROOT = Path(__file__).parents[2]
COMMAND = (sys.executable, "-m", "farhand")
TIMEOUT = 30.0


def environment(*arguments: str, **more: str) -> dict[str, str]:
    """This process's variables, without settings of farhand but `more`: with a store that leaves no file, and without
    HTTP, whose port is one for all. Blobs beside a store in PostgreSQL, which the command's `arguments` may name, leave
    no folder."""
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("FARHAND_")}
    if any("postgresql:" in one for one in (*arguments, more.get("FARHAND_STORE", ""))):
        inherited["FARHAND_BLOBS"] = "memory:"
    return {**inherited, "FARHAND_STORE": "memory:", "FARHAND_HTTP": "off", **more}


def farhand(*arguments: str, cwd: Path = ROOT, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run the command to its end, with stdout and stderr as pipes."""
    return subprocess.run(
        (*COMMAND, *arguments),
        cwd=cwd,
        env=environment(*arguments, **variables),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
    )


def at_terminal(columns: int, *arguments: str, **variables: str) -> tuple[int, list[str]]:
    """Run the command with stdout as a terminal of so many columns: its status, and the lines without colour."""
    ours, theirs = os.openpty()
    termios.tcsetwinsize(theirs, (24, columns))
    plain = environment(TERM="xterm", **variables)
    plain.pop("COLUMNS", None)
    with subprocess.Popen((*COMMAND, *arguments), cwd=ROOT, env=plain, stdin=theirs, stdout=theirs) as process:
        os.close(theirs)
        text = b""
        with contextlib.suppress(OSError):  # how Linux says that the other end is closed
            while data := os.read(ours, 65536):
                text += data
        os.close(ours)
        return process.wait(TIMEOUT), re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text.decode()).splitlines()


@contextlib.contextmanager
def serving(
    *arguments: str, cwd: Path = ROOT, stderr: int | IO[str] = subprocess.DEVNULL, **variables: str
) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A command that serves: its process, and the last word of its ready line. Ended at the end."""
    with started(*arguments, cwd=cwd, stderr=stderr, **variables) as process:
        yield process, ready(process)


@contextlib.contextmanager
def started(
    *arguments: str, cwd: Path = ROOT, stderr: int | IO[str] = subprocess.DEVNULL, **variables: str
) -> Iterator[subprocess.Popen[str]]:
    """A command that runs until the block ends."""
    process = subprocess.Popen(
        (*COMMAND, *arguments),
        cwd=cwd,
        env=environment(*arguments, **variables),
        stdout=subprocess.PIPE,
        stderr=stderr,
        text=True,
    )
    with process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
                try:
                    process.wait(10)
                except subprocess.TimeoutExpired:
                    process.kill()


def ready(process: subprocess.Popen[str], word: str = "ready") -> str:
    """Read up to the ready line that holds `word`; its last word."""
    return ready_line(process, word).split()[-1]


def ready_http(process: subprocess.Popen[str]) -> tuple[str, str]:
    """The addresses in the ready line of a hub that serves HTTP: that of the API, with its scheme, and gRPC's."""
    *_, http, _, grpc = ready_line(process).split()
    return http, grpc


def ready_line(process: subprocess.Popen[str], word: str = "ready") -> str:
    """Read up to the ready line that holds `word`."""
    assert process.stdout is not None
    for line in process.stdout:
        if "farhand" in line and word in line:
            return line
    raise AssertionError(f"it ended with status {process.wait()} before it was ready")


def line_with(stream: IO[str] | None, *words: str) -> str:
    """Read up to the line that holds all these words."""
    assert stream is not None
    for line in stream:
        if all(word in line for word in words):
            return line
    raise AssertionError(f"it ended without a line with {words}")


@contextlib.contextmanager
def served(target: str) -> Iterator[str]:
    """A hub and a worker that serves `target`: the hub's address."""
    with (
        serving("hub", "--grpc", "127.0.0.1:0") as (_, address),
        serving("worker", target, "--hub", address, "--id", "w1", "--grace", "2"),
    ):
        yield address


def memory(pid: int, what: str) -> int:
    """KiB of a process's memory: VmRSS now, VmHWM the most there was."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(what))


def until(condition: Callable[[], bool], seconds: float = 15.0) -> None:
    """Wait for what nothing signals."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)


def is_gone(pid: int) -> bool:
    """Whether a process, which need not be a child of this one, has ended."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    with contextlib.suppress(OSError):  # one that nobody has waited for yet has ended too
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    return False
