"""Where handlers run when not on the event loop: threads, and processes of their own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol


class Threads(Protocol):
    """Runs work in threads, as many at once as are asked for."""

    def run(self, work: Callable[[], None]) -> None:
        """Begin `work` in a thread, at once; it must not raise."""

    def close(self) -> None:
        """Let idle threads end. A busy one ends with its work, or with the process."""


class Child(Protocol):
    """A process that takes and gives frames of bytes."""

    @property
    def pid(self) -> int:
        """Its process id."""

    async def send(self, frame: bytes) -> None:
        """Give it a frame. One that is dead takes none, silently: `receive` tells."""

    async def receive(self) -> bytes | None:
        """Its next frame; None once it is gone."""

    def kill(self) -> None:
        """End it now (SIGKILL). Nothing happens if it has ended."""

    async def wait(self) -> int:
        """Its exit status once it has ended; negative: the signal that ended it."""


class Processes(Protocol):
    """Starts processes, by spawning and never by forking."""

    async def spawn(self, module: str, arguments: Sequence[str]) -> Child:
        """Start ``python -m module FD arguments…``, where FD is its end of the frame stream. It should end at EOF."""
