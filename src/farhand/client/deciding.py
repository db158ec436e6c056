"""Decisions: a call whose caller gets an answer by the deadline, whatever becomes of the call."""

from __future__ import annotations

import asyncio
import math
import sys
import threading
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final

from farhand.errors import DeadlineExceeded, FarhandError, InvalidArguments

DEADLINE: Final = 0.2
"""Seconds within which there is an answer, where the caller doesn't say."""


class Decision:
    """One decision on its way: when it is due, and the line of the log that keeps it."""

    def __init__(self, handler: str, event: Any, deadline: float, default: Any) -> None:
        """Raises:
        InvalidArguments: the deadline is no time.
        """
        if not isinstance(deadline, int | float) or not (math.isfinite(deadline) and deadline > 0):
            raise InvalidArguments(f"deadline is more than 0 seconds, not {deadline!r}", option="deadline")
        self.deadline = deadline
        self.default = default
        self._handler = handler
        self._event = event
        self._began = time.perf_counter()

    async def of(self, ask: Callable[[], Awaitable[Any]]) -> Any:
        """What is asked, if it comes in time and is a success, else the default."""
        try:
            async with asyncio.timeout(self.deadline):
                answer = await ask()
        except (TimeoutError, DeadlineExceeded):
            return self.late()
        except FarhandError as error:
            return self._kept(self.default, error.code, error.message)
        except Exception as error:  # an event that can't be sent has an answer too
            return self._kept(self.default, type(error).__name__, str(error))
        return self._kept(answer, "", "")

    def late(self) -> Any:
        """Nothing came in time: the default."""
        return self._kept(self.default, DeadlineExceeded.code, f"nothing came within {self.deadline:g} s")

    def _kept(self, decision: Any, code: str, why: str) -> Any:
        """The decision; it is put into the log."""
        latency = round(time.perf_counter() - self._began, 6)
        line = {"handler": self._handler, "asked": self._event, "decision": decision, "latency": latency}
        if code:
            line |= {"error": code, "why": why}
        if "structlog" in sys.modules:
            _write(line)
        else:  # loading it takes longer than many a deadline
            threading.Thread(target=_write, args=(line,), name="farhand-decisions", daemon=False).start()
        return decision


def _write(line: dict[str, Any]) -> None:
    """Into the program's own log, where it has set structlog up; else to stderr, as stdout is for its results."""
    import structlog

    log: Any = structlog.get_logger("farhand.decisions")
    if not structlog.is_configured():
        log = structlog.wrap_logger(structlog.PrintLogger(sys.stderr))
    if "error" in line:
        log.warning("decided by default", **line)
    else:
        log.info("decided", **line)
