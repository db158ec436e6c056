"""Patterns of callers find lines, and take time in proportion to the text."""

from __future__ import annotations

import time

import pytest

from farhand.kits.snakepit.streams.matching import PATTERN_LIMIT, BadPattern, matching


@pytest.mark.parametrize(
    "pattern", ["(a+)+$", "(a|a)*b", ".*.*.*.*.*x", "(a?){300}b", "([ab]*a[ab]{9}){9}x", "(.*)*(.*)*y"]
)
def test_what_ruins_others_ends_soon(pattern: str) -> None:
    first, line = matching([pattern]), "a" * 8000 + "!"
    began = time.process_time()
    assert first(line) is None
    assert time.process_time() - began < 5


@pytest.mark.parametrize(
    ("pattern", "why"),
    [
        ("(", "'\\(' can't be used: missing \\)"),
        ("(?=a)", "invalid perl operator"),
        (r"(a)\1", "invalid escape sequence"),
        ("*a", "no argument for repetition"),
        ("[a", "missing ]"),
        ("a\\", "trailing"),
        ("a{3,2}", "repetition"),
        ("((a{100}){100}){100}", "repetition"),
        ("\ud800", "is no text"),
        ("a" * (PATTERN_LIMIT + 1), "over the limit"),
    ],
)
def test_what_is_no_pattern_is_refused(pattern: str, why: str, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(BadPattern, match=why):
        matching([pattern])
    assert capfd.readouterr() == ("", "")


def test_case_may_be_ignored_and_texts_are_unicode() -> None:
    assert matching(["(?i)out of [m-n]emory"])("OUT OF MEMORY")
    assert matching(["out of memory"])("OUT OF MEMORY") is None
    assert matching(["Gr..e$"])("die Größe")
    assert matching(["b"])("a\ud800b") == "b"


def test_the_first_of_several_is_named() -> None:
    first = matching(["FATAL", r"\bERR(OR)?\b"])
    assert [first(line) for line in ("an ERR", "ERROR FATAL", "ERRORS")] == [r"\bERR(OR)?\b", "FATAL", None]
