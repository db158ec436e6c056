"""What is kept by several declarations, and what a cut log still says of its chunks."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farhand.core.keeping import chunks_before, combined
from farhand.model.durable import Entry, Keep
from farhand.model.event import Event, Kind

HUB = Keep(jobs=100, seconds=60.0, entries=0)


@pytest.mark.parametrize(
    ("declared", "kept"),
    [
        ([], HUB),
        ([Keep()], HUB),
        ([Keep(jobs=5)], Keep(jobs=5, seconds=60.0, entries=0)),
        ([Keep(jobs=5), Keep(jobs=7)], Keep(jobs=7, seconds=60.0, entries=0)),
        ([Keep(jobs=5), Keep()], Keep(jobs=100, seconds=60.0, entries=0)),
        ([Keep(jobs=5), Keep(jobs=0)], Keep(jobs=0, seconds=60.0, entries=0)),
        ([Keep(seconds=0.0, entries=9)], Keep(jobs=100, seconds=0.0, entries=9)),
        ([Keep(seconds=99.0, entries=9), Keep(seconds=1.0, entries=3)], Keep(jobs=100, seconds=99.0, entries=9)),
    ],
)
def test_of_several_the_one_that_keeps_more_counts(declared: list[Keep], kept: Keep) -> None:
    assert combined(declared, HUB) == kept


def test_where_nothing_is_said_there_is_no_bound() -> None:
    assert combined([], Keep()) == Keep(jobs=0, seconds=0, entries=0)


KINDS = st.sampled_from([Kind.STARTED, Kind.CHUNK, Kind.CONSOLE, Kind.PROGRESS])


@given(st.lists(KINDS, max_size=30), st.data())
def test_a_log_that_is_cut_anywhere_still_says_how_many_chunks_there_were(
    kinds: list[Kind], data: st.DataObject
) -> None:
    log: list[Entry] = []
    number = 0
    for place, kind in enumerate(kinds):
        number = 0 if kind is Kind.STARTED else number + (kind is Kind.CHUNK)
        log.append(Entry(place, 0.0, Event(kind), number if kind is Kind.CHUNK else 0))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(log)), max_size=4)))
    cut = first = 0
    for upto in cuts:
        cut, first = chunks_before(log[first:upto], cut), upto
    assert chunks_before(log[first:], cut) == number
