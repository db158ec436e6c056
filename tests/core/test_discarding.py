"""What is deleted: the expired, then what expires next, and never what somebody wants."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as some

from farhand.core.discarding import Candidate, fits, to_delete

NOW = 50.0
TIMES = some.floats(0, 100, allow_nan=False)
BLOBS = some.lists(
    some.builds(Candidate, some.uuids().map(str), some.integers(0, 50), TIMES, TIMES, some.booleans()),
    max_size=20,
    unique_by=lambda one: one.id,
)


def test_the_expired_go_first_and_then_what_expires_next() -> None:
    blobs = [
        Candidate("late", 10, 1.0, 90.0),
        Candidate("next", 10, 1.0, 60.0),
        Candidate("over", 10, 1.0, 50.0),
        Candidate("long over", 10, 1.0, 2.0),
        Candidate("wanted", 10, 1.0, 1.0, True),
    ]
    assert to_delete(blobs, 100, NOW) == ["long over", "over"]
    assert to_delete(blobs, 20, NOW) == ["long over", "over", "next"]
    assert to_delete(blobs, 0, NOW) == ["long over", "over", "next", "late"]


def test_there_is_room_up_to_the_budget() -> None:
    assert fits(5, 5, 10)
    assert not fits(6, 5, 10)
    assert fits(-1, 9, 10)
    assert not fits(-1, 10, 10)
    assert not fits(0, 10, 10)


@given(BLOBS, some.integers(0, 300))
def test_what_is_wanted_stays(blobs: list[Candidate], budget: int) -> None:
    assert not {one.id for one in blobs if one.wanted} & set(to_delete(blobs, budget, NOW))


@given(BLOBS, some.integers(0, 300))
def test_what_is_expired_goes_and_what_is_left_fits_if_it_can(blobs: list[Candidate], budget: int) -> None:
    gone = to_delete(blobs, budget, NOW)
    left = [one for one in blobs if one.id not in gone]
    assert len(set(gone)) == len(gone)
    assert not [one for one in left if one.expires <= NOW and not one.wanted]
    assert sum(one.size for one in left) <= budget or all(one.wanted for one in left)


@given(BLOBS, some.integers(0, 300))
def test_no_more_goes_than_must(blobs: list[Candidate], budget: int) -> None:
    by_id = {one.id: one for one in blobs}
    gone = [by_id[id] for id in to_delete(blobs, budget, NOW)]
    assert gone == sorted(gone, key=lambda one: one.expires)
    if gone and gone[-1].expires > NOW:
        kept = sum(one.size for one in blobs) - sum(one.size for one in gone[:-1])
        assert kept > budget


@given(BLOBS, some.integers(0, 300), some.randoms())
def test_the_order_in_which_they_are_told_of_doesn_t_matter(
    blobs: list[Candidate], budget: int, chance: random.Random
) -> None:
    shuffled = chance.sample(blobs, len(blobs))
    assert to_delete(shuffled, budget, NOW) == to_delete(blobs, budget, NOW)
