"""The log file of an AI server: ``YYYY-mm-dd HH:MM:SS - text``, a line each, in local time."""

from __future__ import annotations

import contextlib
import os
import tempfile
import time
from pathlib import Path
from typing import Final

from farhand.errors import Unavailable

FLUSH_AFTER: Final = 0.1
"""Seconds after which a line is in the file at the latest."""
LINE_LIMIT: Final = 1_000
"""Characters of a line's text; senders choose how long their names are."""


def default_path() -> Path:
    """``ai_server.log`` in the temporary folder."""
    return Path(tempfile.gettempdir()) / "ai_server.log"


class LogFile:
    """A file that lines are added to, in blocks. Several servers may share one. Not thread-safe.

    A file that can't be written any more, as on a full disk, costs its lines and nothing else.
    """

    def __init__(self, path: str | os.PathLike[str] | None) -> None:
        """None for the default path, where a link that somebody else may have put there is not followed.

        Raises:
            Unavailable: the file can't be opened.
        """
        self.path = default_path() if path is None else Path(path)
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | (getattr(os, "O_NOFOLLOW", 0) if path is None else 0)
        try:
            self._file = os.open(self.path, flags, 0o644)
        except OSError as error:
            text = f"the log file {self.path} can't be opened: {error.strerror}; log_file= takes another"
            raise Unavailable(text, retryable=False) from error
        self._lines: list[str] = []
        self._second = 0
        self._stamp = ""

    def say(self, text: str) -> bool:
        """Add a line; whether it is the first that waits for a `flush`."""
        second = int(time.time())
        if second != self._second:
            self._second, self._stamp = second, time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(second))
        self._lines.append(f"{self._stamp} - {text if text.isprintable() else _in_a_line(text)}\n")
        return len(self._lines) == 1

    def flush(self) -> None:
        """Write the lines that wait."""
        data = "".join(self._lines).encode(errors="replace")
        self._lines.clear()
        with contextlib.suppress(OSError):
            while data:
                data = data[os.write(self._file, data) :]

    def close(self) -> None:
        """Write what waits, and close."""
        self.flush()
        os.close(self._file)


def _in_a_line(text: str) -> str:
    """What senders put there can neither begin a line of its own nor steer a terminal."""
    return "".join(one if one.isprintable() else repr(one)[1:-1] for one in text)
