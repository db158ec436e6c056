"""The least busy seat, longest untouched: a lazy heap against a plain look at all of them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from farhand.core.queues import NO_LABELS
from farhand.core.seats import Pool, Seat
from farhand.model.worker import WorkerInfo

Step = tuple[str, int]


def seat(pool: Pool, link: int, slots: int, in_turn: bool = True) -> Seat:
    info = WorkerInfo(id=str(link), group="g", slots=slots, labels={}, handlers=(), version="1", host="h", pid=1)
    pool.seats[link] = one = Seat(link, info, pool, in_turn)
    pool.offer(one)
    return one


@given(
    st.lists(st.integers(1, 4), min_size=1, max_size=5),
    st.lists(st.tuples(st.sampled_from(["take", "free", "close", "open", "leave"]), st.integers(0, 4)), max_size=200),
    st.booleans(),
)
def test_the_best_seat_is_the_least_busy_longest_untouched(slots: list[int], steps: list[Step], in_turn: bool) -> None:
    """Or, of those that aren't taken in turn, the one that joined first."""
    pool = Pool(frozenset({"f"}), NO_LABELS)
    seats = [seat(pool, link, count, in_turn) for link, count in enumerate(slots)]
    for clock, (verb, which) in enumerate(steps, 1):
        one = seats[which % len(seats)]
        if verb == "take" and (best := pool.best()) is not None:
            best.used += 1
            best.touched = clock if in_turn else best.used
        elif verb == "free" and one.used:
            one.used -= 1
            one.touched = clock if in_turn else one.used
            pool.offer(one)
        elif verb in ("open", "close"):
            one.open = verb == "open"
            if one.open:
                pool.offer(one)
        elif verb == "leave":
            pool.seats.pop(one.link, None)
        free = [one for one in seats if one.link in pool.seats and one.free > 0]
        assert pool.best() is min(free, key=lambda one: one.rank, default=None)


def test_what_no_longer_counts_is_dropped_before_it_piles_up() -> None:
    pool = Pool(frozenset({"f"}), NO_LABELS)
    one = seat(pool, 1, 1000)
    one.used = 1000
    assert pool.best() is None
    for used in range(999, -1, -1):
        one.used, one.touched = used, 1000 - used
        pool.offer(one)
        assert len(pool) < 70
    assert pool.best() is one
