"""The timer outside of the database: it ends queries that take too long, or that nobody waits for any more.

A limit inside of the database can be lifted by the statement that it is for; this one can't.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator

from farhand.sql.errors import QueryStopped, QueryTimedOut, SqlError

LOOK_EVERY = 0.05
AGAIN_AFTER = 1.0
"""Seconds after which an interrupt is sent again: the first may have come before the statement began."""


class Running:
    """A query that runs. `interrupt` ends at the database what runs for it, and may be called from any thread."""

    def __init__(self, interrupt: Callable[[], None], limit: float, stopped: Callable[[], bool]) -> None:
        self._interrupt = interrupt
        self._limit = limit
        self._stopped = stopped
        self._end = time.monotonic() + limit
        self._over = False
        self._next = 0.0
        self._lock = threading.Lock()
        self.cause: SqlError | None = None

    def check(self) -> None:
        """Raise why it is to end, if it is."""
        self._look(time.monotonic())
        if self.cause is not None:
            raise self.cause

    def finish(self) -> bool:
        """It has ended, and is interrupted no more; whether it ever was."""
        with self._lock:
            self._over = True
            return self._next > 0

    def due(self, now: float) -> bool:
        """Whether an interrupt is to be sent."""
        self._look(now)
        return self.cause is not None and now >= self._next and not self._lock.locked()

    def strike(self) -> None:
        """Interrupt it."""
        with self._lock:
            if self._over or time.monotonic() < self._next:
                return
            self._next = time.monotonic() + AGAIN_AFTER
            with contextlib.suppress(Exception):  # the database is away, or has ended it: nothing is left to be ended
                self._interrupt()

    def _look(self, now: float) -> None:
        if self.cause is None and self._stopped():
            self.cause = QueryStopped("the query was cancelled")
        elif self.cause is None and now >= self._end:
            self.cause = QueryTimedOut(f"the query took longer than {self._limit:g} s, which this worker allows")


class Watch:
    """The thread that looks after all queries of a worker. It sleeps while there are none."""

    def __init__(self) -> None:
        self._running: set[Running] = set()
        self._news = threading.Condition()
        self._thread: threading.Thread | None = None

    @contextlib.contextmanager
    def over(self, running: Running) -> Iterator[Running]:
        """Look after a query as long as the block runs."""
        with self._news:
            self._running.add(running)
            if self._thread is None:
                self._thread = threading.Thread(target=self._look, name="farhand-sql-watch", daemon=True)
                self._thread.start()
            self._news.notify()
        try:
            yield running
        finally:
            with self._news:
                self._running.discard(running)

    def _look(self) -> None:
        while True:
            with self._news:
                while not self._running:
                    self._news.wait()
                found = list(self._running)
            now = time.monotonic()
            for one in found:
                if one.due(now):  # in a thread of its own: a database that hangs is not to hold up the others' timer
                    threading.Thread(target=one.strike, name="farhand-sql-interrupt", daemon=True).start()
            time.sleep(LOOK_EVERY)


__all__ = ["Running", "Watch"]
