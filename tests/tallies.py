"""What the reliability tests counted, told at the end of a run: "0 of 1,234 lost", never just "passed"."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Sequence
from typing import Any

PROPERTY = "tally"


class Tally:
    """The counts of one test; `name` is its number, and `keep` takes what is to be told."""

    def __init__(self, name: str, keep: Callable[[str, object], None]) -> None:
        self._name = name
        self._keep = keep

    def count(self, bad: int, of: int, what: str) -> None:
        """How many of how many were as they must not be."""
        self._keep(PROPERTY, [self._name, what, [bad], [of]])

    def times(self, seconds: Sequence[float], limit: float, what: str) -> None:
        """How long each took, beside what is promised."""
        self._keep(PROPERTY, [self._name, f"{what}, within {limit:g} s", list(seconds), []])


def lines(properties: Iterable[tuple[str, Any]]) -> list[str]:
    """A line for each thing counted; the parts of one that was spread over several tests are added up."""
    found: dict[tuple[str, str], tuple[list[Any], list[int]]] = {}
    for name, kept in properties:
        if name == PROPERTY:
            numbers, all = found.setdefault((kept[0], kept[1]), ([], []))
            numbers.extend(kept[2])
            all.extend(kept[3])
    by_number = sorted(found.items(), key=lambda one: (one[0][0][0], int(one[0][0][1:]), one[0][1]))
    return [f"{name:4}{_text(what, *numbers)}" for (name, what), numbers in by_number]


def _text(what: str, numbers: list[Any], all: list[int]) -> str:
    if all:
        return f"{sum(numbers):,} of {sum(all):,} {what}"
    if not numbers:
        return f"nothing {what}"
    return (
        f"{len(numbers):,} times {what}: half in {statistics.median(numbers):.2f} s, "
        f"95 % in {share(numbers, 0.95):.2f} s, the slowest in {max(numbers):.2f} s"
    )


def share(seconds: Sequence[float], part: float) -> float:
    """The time within which this part of them was done."""
    ordered = sorted(seconds)
    return ordered[min(len(ordered) - 1, int(len(ordered) * part))]
