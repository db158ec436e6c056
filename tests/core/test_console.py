"""Text that is told anew each time goes into a log once, and comes back as it was told last."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from farhand.core.console import NOTHING, heard, last_text, news, pieces


def test_what_goes_on_is_new_by_its_end_only() -> None:
    new, told = news(NOTHING, "one\n")
    assert new == "one\n"
    new, told = news(told, "one\ntwo\n")
    assert new == "two\n"
    assert news(told, "one\ntwo\n") == ("", told)


def test_what_does_not_go_on_is_new_whole_on_a_new_page() -> None:
    _, told = news(NOTHING, "one\ntwo\n")
    assert news(told, "one\ntoo\n")[0] == "\fone\ntoo\n"
    assert news(told, "one\n")[0] == "\fone\n"
    assert news(told, "")[0] == "\f"


def test_a_form_feed_of_its_own_is_a_lines_end() -> None:
    new, told = news(NOTHING, "a\fb")
    assert new == "a\nb"
    assert news(told, "a\fbc")[0] == "c"
    assert told == heard("a\nb")


@given(st.lists(st.one_of(st.text(), st.sampled_from(["a", "ab", "abc", "b", "\ud800"])), max_size=8))
def test_the_last_text_comes_back(texts: list[str]) -> None:
    told, log = NOTHING, list[str]()
    for text in texts:
        new, told = news(told, text)
        log.append(new)
        assert last_text(log) == text.replace("\f", "\n")


@given(st.text(), st.integers(1, 10))
def test_pieces_are_the_text(text: str, size: int) -> None:
    found = pieces(text, size)
    assert "".join(found) == text
    assert all(0 < len(one) <= size for one in found)
