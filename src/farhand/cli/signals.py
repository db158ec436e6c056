"""SIGTERM and SIGINT as events: the first asks for the end, a second one for its hurry."""

from __future__ import annotations

import asyncio
import signal


class Signals:
    """From now on, a first SIGTERM or SIGINT sets `stop`, a second one `hurry`. To be made on the running loop."""

    def __init__(self) -> None:
        self.stop = asyncio.Event()
        self.hurry = asyncio.Event()
        self._caught: list[int] = []
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, self._on_signal, number)

    @property
    def status(self) -> int:
        """The exit status: 0 for an orderly end, 128 and the signal's number if it had to be hurried."""
        return 128 + self._caught[-1] if self.hurry.is_set() else 0

    def _on_signal(self, number: int) -> None:
        self._caught.append(number)
        (self.hurry if self.stop.is_set() else self.stop).set()
