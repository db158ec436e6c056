"""How much each reliability test does, in one place: what `make test` takes, and what `make chaos` does.

FARHAND_CHAOS=1 asks for the full sizes, and FARHAND_CHAOS=0.01 for a hundredth of them.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

import pytest

Test = TypeVar("Test", bound=Callable[..., Any])

SHARE = float(os.environ.get("FARHAND_CHAOS") or 0)


class Size(NamedTuple):
    """How many of `what` there are in CI and at full size, and how few make sense at a share of that."""

    ci: int
    full: int
    what: str
    least: int = 1


SIZES = {
    "R1": Size(20, 2_000, "hubs killed under load"),
    "R1_SHARED": Size(2, 200, "of two hubs on one PostgreSQL, the one killed"),
    "R2": Size(20, 5_000, "workers killed in the middle of their jobs"),
    "R2_POISON": Size(1, 20, "jobs that kill their workers"),
    "R4": Size(500, 200_000, "power cuts under the store"),
    "R4_NORMAL": Size(40, 400, "power cuts under a store that doesn't sync each commit", least=40),
    "R6": Size(5, 500, "workers stopped past their lease, and jobs that hold the GIL"),
    "R6_SECONDS": Size(10, 100, "seconds for which a job holds the GIL under a lease of 3 s", least=10),
    "R8": Size(2_000, 200_000, "seeds of the core's simulation"),
    "R9": Size(20_000, 2_000_000, "steps that the stores are asked for"),
    "R9_POSTGRES": Size(30, 1_000, "histories that PostgreSQL is asked for"),
    "R16": Size(1_024, 20_480, "MiB of one result, in three processes of bounded memory"),
    "R16_CUTS": Size(100, 2_000, "transfers cut at a random place"),
    "R19": Size(5, 200, "hubs and workers told to stop"),
    "R20": Size(20_000, 100_000, "observations of one plugin"),
    "S3": Size(150, 50_000, "rounds of altered frames"),
    "S3_NEXTFLOW": Size(5_000, 2_000_000, "altered observations and events"),
    "S3_BITS": Size(400, 200_000, "frames with flipped bits, of each reader"),
    "S3_DEVARIA": Size(5_000, 200_000, "requests of chance to Devaria's door"),
}


def size(name: str) -> int:
    """How many it is to be now."""
    one = SIZES[name]
    return max(one.least, round(one.full * SHARE)) if SHARE else one.ci


def reliability(name: str, seconds: float) -> Callable[[Test], Test]:
    """Mark a test as one of `make chaos`, by the number before the underline.

    Args:
        name: whose size it has.
        seconds: what it may take at CI's size on a busy machine; more in proportion when it does more.
    """

    def mark(test: Test) -> Test:
        allowed = seconds * max(1.0, size(name) / SIZES[name].ci)
        for one in (pytest.mark.chaos, getattr(pytest.mark, number_of(name)), pytest.mark.timeout(allowed)):
            test = one(test)
        return test

    return mark


def number_of(name: str) -> str:
    """The number under which the test is known."""
    return name.partition("_")[0]


def markers() -> list[str]:
    """What pytest is to know."""
    sizes = [(name, one) for name, one in SIZES.items() if name == number_of(name)]
    return [f"{name}: {one.what}; {one.ci:,}, or {one.full:,} by `make chaos`" for name, one in sizes]
