"""What a durable job prints and reports comes into its log at a pace; everything else at once."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise
from math import inf

from hypothesis import given
from hypothesis import strategies as st

from farhand.core.pacing import WAITING_LIMIT, Pacing
from farhand.model.durable import Said
from farhand.model.event import Event, Kind, Progress
from farhand.model.limits import PACE, TEXT_LIMIT
from farhand.model.payload import Payload

STARTED = Said(Event(Kind.STARTED, worker="w"))
END = Said(Event(Kind.SUCCEEDED, Payload(b"1")))


def text(what: str) -> Said:
    return Said(Event(Kind.CONSOLE, text=what))


def at(current: float) -> Said:
    return Said(Event(Kind.PROGRESS, progress=Progress(current)))


def chunk(number: int) -> Said:
    return Said(Event(Kind.CHUNK, Payload(b"c")), number)


def printed(said: Sequence[Said]) -> str:
    return "".join(one.event.text for one in said)


def test_nothing_said_is_never_due() -> None:
    pacing = Pacing()
    assert pacing.wake_at() is None
    assert pacing.take(5.0) == ()


def test_the_first_line_comes_at_once_and_what_follows_within_a_pace_together() -> None:
    pacing = Pacing()
    pacing.say(text("a\n"))
    assert pacing.wake_at() == -inf
    assert pacing.take(100.0) == (text("a\n"),)
    pacing.say(text("b\n"))
    pacing.say(text("c\n"))
    assert pacing.wake_at() == 100.0 + PACE
    assert pacing.take(100.0 + PACE / 2) == ()
    assert pacing.take(100.0 + PACE) == (text("b\nc\n"),)
    assert pacing.wake_at() is None


def test_of_progress_the_newest_comes_and_the_last_before_the_end() -> None:
    pacing = Pacing()
    pacing.say(at(1))
    assert pacing.take(0.0) == (at(1),)
    for current in (2, 3, 4):
        pacing.say(at(current))
    assert pacing.wake_at() == PACE
    assert pacing.take(PACE / 2) == ()
    assert pacing.take(PACE) == (at(4),)
    pacing.say(at(5))
    pacing.say(END)
    assert pacing.take(PACE) == (at(5), END)


def test_text_and_progress_have_a_pace_each() -> None:
    pacing = Pacing()
    pacing.say(text("a"))
    pacing.take(0.0)
    pacing.say(at(1))
    pacing.say(text("b"))
    assert pacing.take(0.01) == (at(1),)
    pacing.say(at(2))
    assert pacing.wake_at() == PACE
    assert pacing.take(PACE) == (text("b"),)
    assert pacing.wake_at() == 0.01 + PACE


def test_chunks_wait_for_no_text_and_text_that_is_due_stays_before_them() -> None:
    pacing = Pacing()
    pacing.say(STARTED)
    pacing.say(text("a"))
    pacing.say(chunk(1))
    pacing.say(text("b"))
    pacing.say(at(1))
    pacing.say(chunk(2))
    pacing.say(at(2))
    assert pacing.take(0.0) == (STARTED, text("ab"), chunk(1), chunk(2), at(2))
    pacing.say(text("c"))
    pacing.say(chunk(3))
    pacing.say(text("d"))
    assert pacing.wake_at() == -inf
    assert pacing.take(PACE / 2) == (chunk(3),)
    pacing.say(chunk(4))
    assert pacing.take(PACE) == (text("cd"), chunk(4))


def test_progress_said_before_text_stays_before_it() -> None:
    pacing = Pacing()
    pacing.say(at(1))
    pacing.say(chunk(1))
    pacing.say(text("a"))
    assert pacing.take(0.0) == (at(1), chunk(1), text("a"))


def test_the_end_comes_after_all_that_waits() -> None:
    pacing = Pacing()
    pacing.say(text("a"))
    pacing.take(0.0)
    pacing.say(text("b" * TEXT_LIMIT))
    pacing.say(text("c"))
    pacing.say(END)
    assert pacing.take(0.0) == (text("b" * TEXT_LIMIT), text("c"), END)
    assert pacing.wake_at() is None


def test_one_event_takes_whole_lines_where_it_can() -> None:
    pacing = Pacing()
    line = "x" * (TEXT_LIMIT // 2) + "\n"
    for _ in range(2):
        pacing.say(text(line))
    assert pacing.take(0.0) == (text(line),)
    assert pacing.take(PACE) == (text(line),)


def test_a_clock_that_is_set_back_holds_nothing_up() -> None:
    pacing = Pacing()
    pacing.say(text("a"))
    pacing.take(1000.0)
    pacing.say(text("b"))
    assert pacing.take(10.0) == (text("b"),)


def test_what_exceeds_the_bound_is_left_out_and_the_log_says_how_much() -> None:
    pacing = Pacing()
    for _ in range(WAITING_LIMIT // TEXT_LIMIT):
        pacing.say(text("a" * TEXT_LIMIT))
    pacing.say(text("lost"))
    pacing.say(text("b" * 1_000))
    assert pacing.take(0.0) == (text("a" * TEXT_LIMIT),)
    pacing.say(text("after\n"))
    pacing.say(END)
    *whole, rest, end = pacing.take(0.0)
    assert whole == [text("a" * TEXT_LIMIT)] * 15
    assert rest == text("… [1,004 characters not shown]\nafter\n")
    assert end == END


def test_a_text_beyond_the_bound_is_left_out_alone() -> None:
    pacing = Pacing()
    pacing.say(chunk(1))
    pacing.say(text("a" * (WAITING_LIMIT + 1)))
    pacing.say(chunk(2))
    assert pacing.take(0.0) == (chunk(1), text("… [1,048,577 characters not shown]\n"), chunk(2))


MARK = re.compile(r"… \[([\d,]+) characters not shown\]\n")
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["text", "progress", "chunk", "take"]),
        st.floats(0.0, 0.2),
        st.integers(1, TEXT_LIMIT),
    ),
    max_size=80,
)


@given(STEPS)
def test_nothing_is_lost_doubled_or_out_of_order_and_the_pace_holds(steps: list[tuple[str, float, int]]) -> None:
    pacing, now = Pacing(), 1.7e9
    said: list[Said] = []
    log: list[tuple[float, Said]] = []
    lines = 0

    def take() -> None:
        due = pacing.wake_at()
        taken = pacing.take(now)
        assert bool(taken) == (due is not None and due <= now)
        log.extend((now, one) for one in taken)
        assert [one for one in said if one.event.kind is Kind.CHUNK] == of(Kind.CHUNK), "chunks wait for nothing"

    def of(kind: Kind) -> list[Said]:
        return [one for _, one in log if one.event.kind is kind]

    for what, later, size in steps:
        if what == "take":
            now += later
            take()
        elif what == "text":
            lines += 1
            said.append(text(f"{lines}{'.' * size}\n"))
            pacing.say(said[-1])
        else:
            said.append(at(len(said)) if what == "progress" else chunk(len(said)))
            pacing.say(said[-1])
    ended = len(log)
    said.append(END)
    pacing.say(END)
    take()
    assert log[-1][1] == END
    assert pacing.wake_at() is None
    for kind in (Kind.CONSOLE, Kind.PROGRESS):
        times = [when for when, one in log[:ended] if one.event.kind is kind]
        assert all(second >= first + PACE for first, second in pairwise(times))
    assert all(len(one.event.text) <= TEXT_LIMIT for one in of(Kind.CONSOLE))
    whole, kept = printed(said), printed(of(Kind.CONSOLE))
    left_out = sum(int(mark.replace(",", "")) for mark in MARK.findall(kept))
    assert kept == whole if not left_out else len(MARK.sub("", kept)) + left_out == len(whole)
    reported = [one for one in said if one.event.kind is Kind.PROGRESS]
    assert of(Kind.PROGRESS)[-1:] == reported[-1:]
    assert [one for one in reported if one in of(Kind.PROGRESS)] == of(Kind.PROGRESS)
