"""Equal work has one key, other work another."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farhand.core.caching import answers, cache_key
from farhand.model.durable import DurableJob
from farhand.model.state import ENDS, State

values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text() | st.floats(allow_nan=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@given(st.dictionaries(st.text(), values, max_size=5))
def test_the_order_of_keys_does_not_count(args: dict[str, object]) -> None:
    assert cache_key("f", "g", args) == cache_key("f", "g", dict(reversed(args.items())))


def test_whole_floats_are_integers_wherever_they_are() -> None:
    assert cache_key("f", "g", {"a": [1, {"b": 2.0}]}) == cache_key("f", "g", {"a": (1.0, {"b": 2})})
    assert len(cache_key("f", "g", {})) == 64


def test_all_that_is_other_work_has_another_key() -> None:
    args = {"a": 1}
    keys = {
        cache_key("f", "g", args),
        cache_key("h", "g", args),
        cache_key("f", "h", args),
        cache_key("f", "g", args, "2"),
        cache_key("f", "g", {"a": True}),
        cache_key("f", "g", {"a": "1"}),
        cache_key("f", "g", {"a": 1.5}),
    }
    assert len(keys) == 7


def test_what_json_cannot_hold_is_refused() -> None:
    with pytest.raises(TypeError):
        cache_key("f", "g", {"a": object()})


def test_who_answers_for_equal_work() -> None:
    plain = DurableJob(id="a", handler="f", created=1.0, run_at=1.0)
    asked = DurableJob(id="a", handler="f", created=1.0, run_at=1.0, cache_failures=True)
    assert {to for to in ENDS if answers(plain, to)} == {State.SUCCEEDED}
    assert {to for to in ENDS if answers(asked, to)} == {State.SUCCEEDED, State.FAILED}
