"""Processes that the benchmark starts, talks to over their pipes, and ends."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from queue import Empty, Queue
from threading import Thread
from types import TracebackType
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
READY_TIMEOUT = 60.0
END_TIMEOUT = 5.0


class RoleFailed(Exception):
    """A process ended, or didn't answer in time; the message has the end of what it wrote on stderr."""


class Process:
    """One process and its children, in a process group of their own; a context manager that ends them."""

    def __init__(self, name: str, command: list[str], environment: dict[str, str] | None = None) -> None:
        self.name = name
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115
        self._lines: Queue[str] = Queue()
        inherited = {key: value for key, value in os.environ.items() if not key.startswith("FARHAND_")}
        self._process = subprocess.Popen(
            command,
            cwd=ROOT,
            env={**inherited, **(environment or {})},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._stderr,
            text=True,
            bufsize=1,
            start_new_session=True,
        )
        Thread(target=self._collect, daemon=True).start()

    @property
    def pid(self) -> int:
        """Its number."""
        return self._process.pid

    def line(self, timeout: float = READY_TIMEOUT) -> str:
        """The next line on its stdout.

        Raises:
            RoleFailed: it ended or kept silent.
        """
        try:
            line = self._lines.get(timeout=timeout)
        except Empty:
            raise RoleFailed(f"{self.name} said nothing for {timeout:g} s{self._tail()}") from None
        if not line:
            raise RoleFailed(f"{self.name} ended with status {self._process.wait()}{self._tail()}")
        return line.rstrip("\n")

    def order(self, timeout: float, do: str, **details: Any) -> float:
        """Have it measure something and wait for the figure.

        Raises:
            RoleFailed: it ended or took too long.
        """
        try:
            assert self._process.stdin is not None
            self._process.stdin.write(json.dumps({"do": do, **details}) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise RoleFailed(f"{self.name} ended with status {self._process.wait()}{self._tail()}") from None
        return float(self.answer(timeout)["value"])

    def answer(self, timeout: float = READY_TIMEOUT) -> dict[str, Any]:
        """The next line of JSON on its stdout; what libraries print there is passed over.

        Raises:
            RoleFailed: it ended or kept silent.
        """
        while True:
            line = self.line(timeout)
            if line.startswith("{"):
                answer: dict[str, Any] = json.loads(line)
                return answer

    def check(self) -> None:
        """See that it is still there.

        Raises:
            RoleFailed: it ended.
        """
        if self._process.poll() is not None:
            raise RoleFailed(f"{self.name} ended with status {self._process.returncode}{self._tail()}")

    def end(self) -> None:
        """Ask it to end, and make it."""
        if self._process.stdin is not None and not self._process.stdin.closed:
            with suppress(BrokenPipeError):
                self._process.stdin.close()
        if not self._ended(END_TIMEOUT if self.polite else 0):
            self._process.terminate()
            if not self._ended(END_TIMEOUT):
                self._process.kill()
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)  # children that it left behind
        self._process.wait()
        self._stderr.close()

    polite = True
    """Whether it ends when its stdin does."""

    def _ended(self, timeout: float) -> bool:
        try:
            self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            return False
        return True

    def _collect(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.put(line)
        self._lines.put("")

    def _tail(self) -> str:
        self._stderr.seek(0)
        lines = self._stderr.read().decode(errors="replace").strip().splitlines()
        return ": " + " | ".join(line.strip() for line in lines[-3:]) if lines else ""

    def __enter__(self) -> Process:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()


class Program(Process):
    """A program that isn't a role: it ends by a signal."""

    polite = False


def role(module: str, *arguments: str, environment: dict[str, str] | None = None) -> Process:
    """Start `bench.roles.MODULE`; its first `answer` says that it can be used."""
    return Process(module, [sys.executable, "-m", f"bench.roles.{module}", *arguments], environment)


def free_port() -> int:
    """A port of the loopback address that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
