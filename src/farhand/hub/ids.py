"""Job and session ids: UUIDv7 (RFC 9562), ordered by the time they were made."""

from __future__ import annotations

import time
from random import Random, SystemRandom

_TAIL = 48
"""Bits that count up within a millisecond; they start below their half, so they don't run over."""


class Ids:
    """Makes ids. Within one millisecond the random part counts up (RFC 9562, 6.2, method 2), so order is kept and
    most ids cost little formatting. They are unique, not secret."""

    __slots__ = ("_ms", "_prefix", "_random", "_tail")

    def __init__(self) -> None:
        self._random = Random(SystemRandom().getrandbits(256))
        self._ms = 0
        self._prefix = ""
        self._tail = 0

    def __call__(self) -> str:
        """A new id, 36 characters."""
        ms = time.time_ns() // 1_000_000
        if ms > self._ms:
            self._ms = ms
            bits = self._random.getrandbits
            rand_a, variant = bits(12), 0x8000 | bits(14)
            self._prefix = f"{ms >> 16:08x}-{ms & 0xFFFF:04x}-7{rand_a:03x}-{variant:04x}-"
            self._tail = bits(_TAIL - 1)
        else:
            self._tail += 1
        return f"{self._prefix}{self._tail:012x}"
