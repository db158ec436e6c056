"""Daemon threads that are kept for the next piece of work."""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import SimpleQueue


class LocalThreads:
    """`ports.runner.Threads`. Threads are daemons, so one that never ends can't hold up the process's end; the
    standard pool's are joined at exit."""

    def __init__(self, name: str = "farhand-handler") -> None:
        self._name = name
        self._work: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._idle = 0
        self._count = 0

    def run(self, work: Callable[[], None]) -> None:
        """Begin `work` in an idle thread, or in a new one."""
        with self._lock:
            start = self._idle == 0
            if start:
                self._count += 1
            else:
                self._idle -= 1
            number = self._count
        if start:
            threading.Thread(target=self._serve, args=(work,), name=f"{self._name}-{number}", daemon=True).start()
        else:
            self._work.put(work)

    def close(self) -> None:
        """Let idle threads end."""
        with self._lock:
            idle, self._idle = self._idle, 0
            self._count -= idle
        for _ in range(idle):
            self._work.put(None)

    def _serve(self, first: Callable[[], None]) -> None:
        work: Callable[[], None] | None = first
        while work is not None:
            work()
            del work
            with self._lock:
                self._idle += 1
            work = self._work.get()
