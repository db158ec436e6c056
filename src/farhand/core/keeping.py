"""How much is kept of what is over: what handlers declare against what the hub says, and where a log is cut.

A bound is 0 where there is none, and None where nothing is said. Of several that hold the one that keeps more counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeVar

from farhand.model.durable import Entry, Keep
from farhand.model.event import Kind

N = TypeVar("N", int, float)


def combined(declared: Iterable[Keep], default: Keep) -> Keep:
    """What is kept of a handler by all that is declared of it, by each group that serves it; `default` where nothing
    is. Every bound of it is said."""
    keeps = [*declared] or [default]
    return Keep(
        jobs=_most([(keep.jobs, default.jobs) for keep in keeps]),
        seconds=_most([(keep.seconds, default.seconds) for keep in keeps]),
        entries=_most([(keep.entries, default.entries) for keep in keeps]),
    )


def chunks_before(entries: Sequence[Entry], cut: int) -> int:
    """How many chunks of the attempt that goes on after these entries of a log there are in it and them; `cut` as in
    `KeptJob`, where they begin."""
    for entry in entries:
        if entry.event.kind is Kind.STARTED:
            cut = 0
        elif entry.event.kind is Kind.CHUNK:
            cut = entry.number
    return cut


def _most(said: Sequence[tuple[N | None, N | None]]) -> N:
    kept = [(default or 0) if one is None else one for one, default in said]
    return min(kept) if 0 in kept else max(kept)
