"""So many times a window, and no more."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from farhand.core.rates import WINDOW, Rates


def test_so_many_are_let_in_and_the_next_is_told_when() -> None:
    rates = Rates()
    assert [rates.take("a", 2, now) for now in (10.0, 11.0)] == [None, None]
    assert rates.take("a", 2, 12.0) == 10.0 + WINDOW
    assert rates.take("b", 2, 12.0) is None, "another has its own"
    assert rates.take("a", 2, 10.0 + WINDOW) is None
    assert rates.take("a", 2, 11.0 + WINDOW) is None
    assert rates.take("a", 2, 12.0 + WINDOW) == 10.0 + 2 * WINDOW


def test_no_limit_is_none() -> None:
    rates = Rates()
    assert {rates.take("a", 0, 0.0) for _ in range(100)} == {None}


def test_a_clock_that_is_set_back_begins_a_window() -> None:
    rates = Rates()
    assert rates.take("a", 1, 1_000.0) is None
    assert rates.take("a", 1, 1_001.0) is not None
    assert rates.take("a", 1, 10.0) is None
    assert rates.take("a", 1, 11.0) == 10.0 + WINDOW


def test_of_too_many_askers_the_oldest_are_forgotten() -> None:
    rates = Rates(keys=2)
    for name in "abc":
        assert rates.take(name, 1, 1.0) is None
    assert rates.take("a", 1, 1.0) is None, "it was forgotten"
    assert rates.take("c", 1, 1.0) is not None


@given(st.lists(st.tuples(st.sampled_from("ab"), st.floats(0, 30)), max_size=60), st.integers(1, 5))
def test_no_window_lets_more_in(asked: list[tuple[str, float]], limit: int) -> None:
    rates, now = Rates(), 0.0
    let_in: dict[str, list[float]] = {}
    for key, wait in asked:
        now += wait
        again = rates.take(key, limit, now)
        if again is None:
            let_in.setdefault(key, []).append(now)
        else:
            assert now < again <= now + WINDOW
    for times in let_in.values():
        for first in times:
            assert sum(first <= one < first + WINDOW for one in times) <= 2 * limit
