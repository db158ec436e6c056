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


class Shared:
    """A channel, and how many use it."""

    __slots__ = ("address", "channel", "users")

    def __init__(self, address: str) -> None:
        self.address = address
        self.channel = grpc.insecure_channel(address, DIAL_OPTIONS)
        self.users = 0


class Channels:
    """From any thread. A process that was forked begins with none: gRPC's channels don't survive a fork."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Begin with none, and leave alone what was open: in a forked child it is the parent's."""
        self._lock = threading.Lock()
        self._open: dict[str, Shared] = {}
        self._retired: list[Shared] = []

    def take(self, address: str) -> Shared:
        """The channel of an address; whoever takes it gives it back."""
        with self._lock:
            shared = self._open.pop(address, None) or Shared(address)
            self._open[address] = shared  # the last of them is the one used last
            shared.users += 1
            spare = self._spare()
        for one in spare:
            one.channel.close()
        return shared

    def give_back(self, shared: Shared, *, broken: bool) -> None:
        """One who took it doesn't use it any more. One that found nobody there is `broken`: it would wait before it
        dials again, and whoever comes next dials at once."""
        with self._lock:
            shared.users -= 1
            if broken and self._open.get(shared.address) is shared:
                self._retired.append(self._open.pop(shared.address))

    def _spare(self) -> list[Shared]:
        """Those that are to be closed, which nobody uses."""
        idle = [one for one in self._open.values() if not one.users]
        spare = [self._open.pop(one.address) for one in idle[: max(0, len(idle) - IDLE_MOST)]]
        spare += [one for one in self._retired if not one.users]
        self._retired = [one for one in self._retired if one.users]
        return spare

    def close(self) -> None:
        """Close them all. Calls under way are cancelled; the next one opens a channel anew."""
        with self._lock:
            every = [*self._open.values(), *self._retired]
            self._open, self._retired = {}, []
        for one in every:
            one.channel.close()

    def __len__(self) -> int:
        return len(self._open) + len(self._retired)


SHARED: Final = Channels()
atexit.register(SHARED.close)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=SHARED.forget)
