"""The lines of a file that may grow, be cut short, or be moved away for a new one of its name, as log rotation does."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import BinaryIO

BLOCK = 256 * 1024
LINE_LIMIT = 8192
"""Bytes kept of a line; what is longer is cut."""


class Follower:
    """`lines` gives what is there and hasn't been given. In memory it holds one block and one unfinished line."""

    def __init__(self, path: str, from_start: bool = True) -> None:
        """
        Raises:
            OSError: it can't be opened, or is a folder.
        """
        self.path = path
        self.rotations = 0
        self._file: BinaryIO = open(path, "rb")  # noqa: SIM115
        self._rest = b""
        if not from_start:
            self._file.seek(0, os.SEEK_END)

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()

    def lines(self) -> Iterator[str]:
        """The whole lines that have come since; the first of them may have begun before."""
        while True:
            yield from self._read()
            following = self._successor()
            if following is None:
                return
            yield from self._read()  # what came between the last look at the old file and its end
            yield from self.rest()
            self._file.close()
            self._file = following
            self.rotations += 1

    def rest(self) -> Iterator[str]:
        """The last line, where it has no end."""
        rest, self._rest = self._rest, b""
        if rest:
            yield _text(rest)

    def _read(self) -> Iterator[str]:
        while block := self._file.read(BLOCK):
            first, *others = block.split(b"\n")
            self._rest += first[: max(0, LINE_LIMIT + 1 - len(self._rest))]
            for other in others:
                yield _text(self._rest)
                self._rest = other[: LINE_LIMIT + 1]

    def _successor(self) -> BinaryIO | None:
        """The file to go on with, where that is another than the open one; its start, where it was cut short."""
        try:
            there = os.stat(self.path)
        except OSError:
            return None  # it was moved away, and the new one isn't there yet
        here = os.fstat(self._file.fileno())
        if os.path.samestat(here, there):
            if here.st_size < self._file.tell():
                self._file.seek(0)
                self._rest = b""
                self.rotations += 1
            return None
        try:
            return open(self.path, "rb")
        except OSError:
            return None


def _text(line: bytes) -> str:
    text = line[:LINE_LIMIT].decode(errors="replace").rstrip("\r")
    return f"{text} …" if len(line) > LINE_LIMIT else text
