"""Equal work has one key, other work another."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farhand.core.caching import answers, args_digest, cache_key, payload_digest, pieces_digest
from farhand.model.durable import DurableJob
from farhand.model.payload import Payload
from farhand.model.state import ENDS, State

finite = st.floats(allow_nan=False, allow_infinity=False)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text() | finite,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@given(st.dictionaries(st.text(), values, max_size=5))
def test_the_order_of_keys_does_not_count(args: dict[str, object]) -> None:
    assert args_digest(args) == args_digest(dict(reversed(args.items())))


def test_whole_floats_are_integers_wherever_they_are() -> None:
    assert args_digest({"a": [1, {"b": 2.0}]}) == args_digest({"a": (1.0, {"b": 2})})


def test_other_arguments_have_another_digest() -> None:
    digests = {args_digest({"a": one}) for one in (1, True, "1", 1.5, None, [1])}
    digests |= {args_digest({}), args_digest({"b": 1})}
    digests |= {payload_digest(one) for one in (Payload(b"a", 1), Payload(b"a", 2), Payload(b"b", 1), Payload(b"", 0))}
    assert len(digests) == 12
    assert {len(one) for one in digests} == {32}


def test_all_that_is_other_work_has_another_key() -> None:
    digest = args_digest({"a": 1})
    keys = {
        cache_key("f", "g", "", digest),
        cache_key("h", "g", "", digest),
        cache_key("f", "h", "", digest),
        cache_key("f", "g", "2", digest),
        cache_key("f", "g", "", args_digest({"a": 2})),
        cache_key("f", "g", "", digest, {"x": "job"}),
        cache_key("f", "g", "", digest, {"x": "another"}),
        cache_key("f", "g", "", digest, {"y": "job"}),
    }
    assert len(keys) == 8
    assert {len(key) for key in keys} == {64}
    assert cache_key("f", "g", "", digest, {"x": "1", "y": "2"}) == cache_key(
        "f", "g", "", digest, {"y": "2", "x": "1"}
    )


@pytest.mark.parametrize("value", [object(), b"bytes", [bytearray(1)], float("nan"), float("inf")])
def test_what_json_cannot_hold_has_no_digest(value: object) -> None:
    with pytest.raises(TypeError):
        args_digest({"a": value})


def test_who_answers_for_equal_work() -> None:
    plain = DurableJob(id="a", handler="f", created=1.0, run_at=1.0)
    asked = DurableJob(id="a", handler="f", created=1.0, run_at=1.0, cache_failures=True)
    assert {to for to in ENDS if answers(plain, to)} == {State.SUCCEEDED}
    assert {to for to in ENDS if answers(asked, to)} == {State.SUCCEEDED, State.FAILED}


def test_bytes_in_pieces_have_the_digest_of_the_whole() -> None:
    whole = payload_digest(Payload(b"one and two", 2))
    assert pieces_digest(2, [b"one ", memoryview(b"and "), b"two"]) == whole
    assert pieces_digest(3, [b"one and two"]) != whole
