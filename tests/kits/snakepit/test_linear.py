"""Patterns find what Python's own find, and take time in proportion to the text."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from farhand.kits.snakepit.streams.linear import STATES_LIMIT, BadPattern, Pattern, matching

_ATOMS = st.sampled_from(["a", "b", "E", ".", r"\d", r"\w", r"\s", "[ab]", "[^a-c]", r"\.", r"\b", "^", "$", " ", "-"])
_PIECES = st.recursive(
    _ATOMS,
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=3).map("".join),
        st.tuples(inner, st.sampled_from(["*", "+", "?", "{2}", "{1,3}", "+?"])).map(
            lambda pair: f"(?:{pair[0]}){pair[1]}"
        ),
        st.lists(inner, min_size=2, max_size=3).map(lambda found: f"({'|'.join(found)})"),
    ),
    max_leaves=6,
)


@settings(max_examples=600, deadline=None)
@given(_PIECES, st.text("abcE1 .-", max_size=12))
def test_it_finds_what_pythons_own_find(pattern: str, text: str) -> None:
    assert Pattern(pattern).found(text) == bool(re.search(pattern, text))


@pytest.mark.parametrize(
    "pattern", ["(a+)+$", "(a|a)*b", ".*.*.*.*.*x", "(a?){300}b", "([ab]*a[ab]{9}){9}x", "(.*)*(.*)*y"]
)
def test_what_ruins_others_ends_soon(pattern: str) -> None:
    one, line = Pattern(pattern), "a" * 8000 + "!"
    began = time.process_time()
    assert not one.found(line)
    assert time.process_time() - began < 5


@pytest.mark.parametrize(
    ("pattern", "why"),
    [
        ("(", "has no"),
        (")", "too many"),
        ("(?=a)", "look-around"),
        (r"(a)\1", "not known"),
        ("*a", "nothing that"),
        ("[a", "too early"),
        ("a\\", "too early"),
        ("[b-a]", "empty"),
        ("a{3,2}", "3 to 2"),
        ("((a{50}){50}){50}", "states"),
        ("a" * 1001, "over the limit"),
        ("(" * 60 + ")" * 60, "deep"),
    ],
)
def test_what_is_no_pattern_is_refused(pattern: str, why: str) -> None:
    with pytest.raises(BadPattern, match=why):
        Pattern(pattern)
    assert STATES_LIMIT <= 1000


def test_case_may_be_ignored() -> None:
    assert Pattern("(?i)out of [M-N]emory").found("OUT OF MEMORY")
    assert not Pattern("out of memory").found("OUT OF MEMORY")


def test_the_first_of_several_is_named() -> None:
    first = matching(["FATAL", r"\bERR(OR)?\b"])
    assert [first(line) for line in ("an ERR", "ERROR FATAL", "ERRORS")] == [r"\bERR(OR)?\b", "FATAL", None]
