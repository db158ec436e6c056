"""What a leased call says again to the next hub: what isn't kept, in order, and no more than may be."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from farhand.model.event import Event, Kind, Progress
from farhand.model.limits import CHUNK_OVERHEAD
from farhand.wire.farhand import bodies
from farhand.worker.outbox import Outbox
from farhand.worker.unkept import CHATTER_ROWS, CHATTER_SIZE, Unkept

CHUNK, CONSOLE, PROGRESS, DONE = (int(kind) for kind in (Kind.CHUNK, Kind.CONSOLE, Kind.PROGRESS, Kind.SUCCEEDED))


def text(words: str) -> Event:
    return Event(Kind.CONSOLE, text=words)


def progress(current: float) -> Event:
    return Event(Kind.PROGRESS, progress=Progress(current))


def said(unkept: Unkept) -> list[tuple[int, bytes, int]]:
    return [(kind, body, number) for kind, body, _, number in unkept.again()]


def chunked(count: int) -> Unkept:
    unkept = Unkept()
    for number in range(1, count + 1):
        unkept.chunk(b"x" * number, 1, number)
    return unkept


@given(st.integers(0, 20), st.data())
def test_credit_says_which_chunks_are_kept(count: int, data: st.DataObject) -> None:
    unkept, kept = chunked(count), 0
    costs = [number + CHUNK_OVERHEAD for number in range(1, count + 1)]
    while kept < count and data.draw(st.booleans()):
        more = data.draw(st.integers(1, count - kept))
        unkept.kept(sum(costs[kept : kept + more]))
        kept += more
    assert [number for _, _, number in said(unkept)] == list(range(kept + 1, count + 1))


@given(st.integers(0, 20), st.integers(0, 20))
def test_a_hub_that_has_so_many_chunks_is_told_the_rest_and_their_credit_is_back(count: int, has: int) -> None:
    unkept = chunked(count)
    unkept.end(DONE, b"1", 1, count)
    kept = min(count, has)
    assert unkept.adopted(has) == sum(number + CHUNK_OVERHEAD for number in range(1, kept + 1))
    rest = [(CHUNK, b"x" * number, number) for number in range(kept + 1, count + 1)]
    assert said(unkept) == said(unkept) == [*rest, (DONE, b"1", count)]


def test_a_chunk_kept_in_part_is_not_kept() -> None:
    unkept = chunked(2)
    unkept.kept(1 + CHUNK_OVERHEAD + 1)
    assert [number for _, _, number in said(unkept)] == [2]
    unkept.kept(1 + CHUNK_OVERHEAD)
    assert said(unkept) == []


def test_text_and_progress_keep_their_place_are_merged_and_said_once() -> None:
    unkept = Unkept()
    for event in (text("a"), text("b"), progress(1), progress(2)):
        unkept.chatter(event)
    unkept.chunk(b"x", 1, 1)
    unkept.chatter(text("c"))
    last, _ = bodies.body_of(progress(2))
    assert said(unkept) == [(CONSOLE, b"ab", 0), (PROGRESS, last, 0), (CHUNK, b"x", 1), (CONSOLE, b"c", 0)]
    assert said(unkept) == [(CHUNK, b"x", 1)]


def test_text_without_a_hub_is_bounded_and_a_mark_says_how_much_is_missing() -> None:
    unkept = Unkept()
    for n in range(2 * CHATTER_ROWS):
        unkept.chatter(text("x") if n % 2 else progress(n))
    unkept.end(DONE, b"1", 1, 0)
    *rest, mark, last = said(unkept)
    assert last[0] == DONE
    assert mark[1].decode() == f"… [{CHATTER_ROWS // 2:,} events not shown: there was no hub for them]\n"
    assert len(rest) == CHATTER_ROWS
    unkept = Unkept()
    for _ in range(10):
        unkept.chatter(text("x" * (CHATTER_SIZE // 4)))
    assert sum(len(body) for _, body, _ in said(unkept)[:-1]) <= CHATTER_SIZE
    assert said(unkept) == []


class Speaker:
    """A call, as the outbox sees it."""

    def __init__(self, job: str, outbox: Outbox, *, leased: bool) -> None:
        self.job = job
        self.generation = outbox.generation
        self.presented = -1
        self.unkept = Unkept() if leased else None
        self.began, self.said_start, self.ended = True, False, False


def waiting(outbox: Outbox) -> bool:
    return outbox.take() is not None


def test_a_leased_call_goes_on_without_a_connection_and_another_says_nothing() -> None:
    outbox = Outbox(lambda soon: None)
    held, other = Speaker("a#1", outbox, leased=True), Speaker("b", outbox, leased=False)
    outbox.renew()
    for speaker in (held, other):
        outbox.started(speaker)
        outbox.chunk(speaker, b"x", 1, 1)
        outbox.chatter(speaker, text("hello"))
        outbox.end(speaker, DONE, b"1", 1, 1)
    assert not waiting(outbox)
    outbox.present([held])
    assert outbox.adopt(held, outbox.generation - 1, 0) is None
    assert outbox.adopt(held, outbox.generation, 0) == 0
    assert waiting(outbox)


def test_a_job_given_up_is_told_only_to_a_hub_that_knows_of_it() -> None:
    outbox = Outbox(lambda soon: None)
    connected, presented, unknown = (Speaker(job, outbox, leased=True) for job in "abc")
    outbox.forfeit(connected, b"", 0)
    assert waiting(outbox)
    outbox.forfeit(connected, b"", 0)
    assert not waiting(outbox)
    outbox.renew()
    outbox.present([presented])
    outbox.forfeit(unknown, b"", 0)
    assert not waiting(outbox)
    outbox.forfeit(presented, b"", 0)
    assert waiting(outbox)
    outbox.renew()
    late = Speaker("d", outbox, leased=True)
    outbox.renew()
    outbox.present([late])
    outbox.unpresent([late])
    outbox.forfeit(late, b"", 0)
    assert not waiting(outbox)


def test_a_job_given_back_says_nothing_more() -> None:
    outbox = Outbox(lambda soon: None)
    speaker = Speaker("a", outbox, leased=True)
    outbox.give_back(speaker)
    assert waiting(outbox)
    outbox.end(speaker, DONE, b"1", 1, 0)
    outbox.give_back(speaker)
    assert not waiting(outbox)
