"""Channels that all senders of a process share: one an address, counted by who uses it, closed when the process
ends."""

from __future__ import annotations

import atexit
import os
import threading
from typing import Final

import grpc

from farhand.wire.farhand.options import DIAL_OPTIONS

IDLE_MOST: Final = 16
"""Channels that are kept open while nobody uses them; those used longest ago are closed first."""


class Channels:
    """From any thread. A process that was forked begins with none: gRPC's channels don't survive a fork."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Begin with none, and leave alone what was open: in a forked child it is the parent's."""
        self._lock = threading.Lock()
        self._open: dict[str, grpc.Channel] = {}
        self._users: dict[str, int] = {}

    def take(self, address: str) -> grpc.Channel:
        """The channel of an address; whoever takes it gives it back."""
        with self._lock:
            channel = self._open.pop(address, None) or grpc.insecure_channel(address, DIAL_OPTIONS)
            self._open[address] = channel  # the last of them is the one used last
            self._users[address] = self._users.get(address, 0) + 1
            spare = self._spare()
        for one in spare:
            one.close()
        return channel

    def give_back(self, address: str) -> None:
        """One who took it doesn't use it any more."""
        with self._lock:
            left = self._users.get(address, 0) - 1
            if left > 0:
                self._users[address] = left
            else:
                self._users.pop(address, None)

    def _spare(self) -> list[grpc.Channel]:
        idle = [address for address in self._open if address not in self._users]
        return [self._open.pop(address) for address in idle[: max(0, len(idle) - IDLE_MOST)]]

    def close(self) -> None:
        """Close them all. Calls under way are cancelled; the next one opens a channel anew."""
        with self._lock:
            channels, self._open = list(self._open.values()), {}
            self._users.clear()
        for channel in channels:
            channel.close()

    def __len__(self) -> int:
        return len(self._open)


SHARED: Final = Channels()
atexit.register(SHARED.close)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=SHARED.forget)
