"""What pulled jobs say is gathered, within bounds."""

from __future__ import annotations

from farhand.model.event import Event, Kind, Progress
from farhand.model.payload import Payload
from farhand.worker.pulled import CUT, Inline, Pulled, PulledOutbox, cut
from farhand.worker.unkept import Unkept


def test_a_job_has_the_last_of_what_it_said() -> None:
    woken: list[int] = []
    job = Pulled("id", "type", 1_000, lambda: woken.append(1))
    job.say(Event(Kind.CONSOLE, text="one\n"))
    job.say(Event(Kind.CONSOLE, text="two\n"))
    job.say(Event(Kind.PROGRESS, progress=Progress(1, 2)))
    job.say(Event(Kind.CHUNK, Payload(b"1")))
    assert (job.console, job.progress, len(job.chunks), job.end) == ("one\ntwo\n", Progress(1, 2), 1, None)
    job.say(Event(Kind.CONSOLE, text="\fanew"))
    assert job.console == "anew"
    job.say(Event(Kind.SUCCEEDED, Payload(b"2")))
    assert job.end is not None
    assert (len(woken), job.said) == (6, 6)


def test_texts_are_cut_to_their_end() -> None:
    assert cut("ä" * 10, 20) == "ä" * 10
    text = cut("a" * 5_000 + "ä" * 5_000, 10_000)
    assert text.startswith(CUT)
    assert text.endswith("ä")
    assert len(text.encode()) <= 10_000
    job = Pulled("id", "type", 1_000, lambda: None)
    for number in range(1_000):
        job.say(Event(Kind.CONSOLE, text=f"{number}\n"))
        assert len(job.console.encode()) <= 1_000
    assert job.console.endswith("998\n999\n")


class Talker:
    job = "id"
    generation = 0
    presented = -1
    unkept: Unkept | None = None
    began = True
    said_start = False
    ended = False


def test_an_outbox_says_nothing_after_the_end() -> None:
    outbox = PulledOutbox(lambda job, amount: None)
    job = outbox.jobs["id"] = Pulled("id", "type", 1_000, lambda: None)
    speaker = Talker()
    outbox.chatter(speaker, Event(Kind.CONSOLE, text="a"))
    outbox.end(speaker, Kind.SUCCEEDED, b"1", 1, 0)
    outbox.end(speaker, Kind.FAILED, b"", 0, 0)
    outbox.chatter(speaker, Event(Kind.CONSOLE, text="b"))
    assert (job.console, job.end) == ("a", Event(Kind.SUCCEEDED, Payload(b"1", 1)))
    outbox.reject(0, "id")
    assert outbox.jobs == {}


def test_what_is_large_stays_where_it_is() -> None:
    assert Inline().resolve(Payload(b"x")).result() == Payload(b"x")
