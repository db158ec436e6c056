"""What this process uses of the machine."""

from __future__ import annotations

import os
import sys
import time


def memory() -> int:
    """Bytes of this process that are in memory now; where the system doesn't say, the most that there were."""
    try:
        with open("/proc/self/statm", "rb") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        import resource

        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024


class Processor:
    """How much of one core this process has used: of all its threads, since it was last asked, or else made."""

    LEAST = 0.05
    """Seconds below which what was last found is told again: the clocks are too coarse for less."""

    def __init__(self) -> None:
        self._wall, self._used = time.monotonic(), time.process_time()
        self._percent = 0.0

    def percent(self) -> float:
        """Percent of one core; over 100 where several are at work."""
        wall, used = time.monotonic(), time.process_time()
        if wall - self._wall >= self.LEAST:
            self._percent = 100 * (used - self._used) / (wall - self._wall)
            self._wall, self._used = wall, used
        return self._percent
