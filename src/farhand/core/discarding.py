"""Which blobs are deleted, and whether there is room for another."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec


class Candidate(msgspec.Struct, frozen=True):
    """A blob and why it is kept. `size` is in bytes; `time`, when it was kept, and `expires` are seconds since 1970.
    `wanted`: somebody still needs it, as a job that has not ended or a transfer under way; such a one is never
    deleted."""

    id: str
    size: int
    time: float
    expires: float
    wanted: bool = False


def to_delete(blobs: Iterable[Candidate], budget: int, now: float) -> list[str]:
    """The ids to delete, first those to delete first.

    Of those that nobody wants, all that are expired go, those that expired first ahead; then, while what is left takes
    more than `budget` bytes, those that would expire next. The order is total, so that hubs that share a store decide
    alike.
    """
    found = list(blobs)
    left = sum(one.size for one in found)
    ids = []
    for one in sorted((one for one in found if not one.wanted), key=lambda one: (one.expires, one.time, one.id)):
        if one.expires > now and left <= budget:
            break
        ids.append(one.id)
        left -= one.size
    return ids


def fits(size: int, used: int, budget: int) -> bool:
    """Whether `size` more bytes may be kept beside the `used` ones; -1 for a size that isn't known: any at all."""
    return used + max(size, 1) <= budget
