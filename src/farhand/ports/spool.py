"""Where results lie that are too large for a job's own log: written once, read often, and dropped when there are too
many. All of it may be called from any thread."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from farhand.model.spooled import Content, Spooled


class Writer(Protocol):
    """One thing as it is written. Ended by `finish` or `discard`."""

    @property
    def size(self) -> int:
        """Bytes written."""

    def write(self, data: bytes) -> None:
        """Add to it.

        Raises:
            TooLarge: it takes more than all results may, or the disk is full.
        """

    def finish(self, content: Content, type: str = "") -> Spooled:
        """All is written; it can be read from now on."""

    def discard(self) -> None:
        """It is not wanted. After `finish`, nothing happens."""


class Spool(Protocol):
    """The results of a service. What belongs to a task that is no success is dropped with `release`."""

    def begin(self, owner: str) -> Writer:
        """Write something for the task `owner`."""

    def has(self, spooled: Spooled) -> bool:
        """Whether it can be read."""

    def read(self, spooled: Spooled, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        """Its bytes from `start` up to `stop`, in pieces. What is dropped meanwhile is read to its end.

        Raises:
            ResultGone: it is not kept any more.
        """

    def path(self, spooled: Spooled) -> Path:
        """A file that has it, for as long as its task runs."""

    def release(self, owner: str, keep: Spooled | None = None) -> None:
        """The task `owner` has ended: drop all it wrote but `keep`, which counts as a result from now on."""
