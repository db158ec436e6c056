"""Job and session ids: UUIDv7 (RFC 9562), ordered by the time they were made."""

from __future__ import annotations

import secrets
import time

_RAND_B = 62


class Ids:
    """Makes ids. Within one millisecond the random part counts up (RFC 9562, 6.2, method 2), so order is kept and
    most ids cost no system call."""

    __slots__ = ("_ms", "_prefix", "_tail")

    def __init__(self) -> None:
        self._ms = 0
        self._prefix = ""
        self._tail = 0

    def __call__(self) -> str:
        """A new id, 36 characters."""
        ms = time.time_ns() // 1_000_000
        if ms > self._ms:
            self._ms = ms
            self._prefix = f"{ms >> 16:08x}-{ms & 0xFFFF:04x}-7"
            self._tail = secrets.randbits(73)
        else:
            self._tail += 1
        tail = self._tail
        high, low = tail >> _RAND_B, tail & ((1 << _RAND_B) - 1)
        return f"{self._prefix}{high:03x}-{0x8000 | (low >> 48):04x}-{low & 0xFFFFFFFFFFFF:012x}"
