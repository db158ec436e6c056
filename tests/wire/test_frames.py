"""What is said through a frame buffer is what the other end reads: nothing lost, doubled, altered or out of order."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from farhand.core.link import Says
from farhand.errors import InvalidArguments, ProtocolViolation
from farhand.model.event import Event, Kind, Progress
from farhand.model.handler import HandlerSpec
from farhand.model.job import Job
from farhand.model.limits import MESSAGE_LIMIT, PAYLOAD_LIMIT, PROTOCOL, TEXT_LIMIT
from farhand.model.payload import NOTHING, Media, Payload
from farhand.model.worker import Hold, WorkerInfo
from farhand.wire.farhand import bodies, incoming, nouns
from farhand.wire.farhand._pb import client_pb2, worker_pb2
from farhand.wire.farhand.outgoing import FromClient, FromWorker, ToClient, ToWorker, call_extra

TEXT = st.text(max_size=40)
ANY_TEXT = st.text(st.characters(), max_size=40) | st.just("\ud800 a lone surrogate \udfff")
IDS = st.text("0123456789abcdef-", min_size=1, max_size=36)
NAMES = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_.:@-]{0,30}", fullmatch=True)
NUMBERS = st.integers(0, 2**64 - 1) | st.integers(0, 300)
MEDIA = st.sampled_from([int(media) for media in Media])
DATA = st.binary(max_size=200) | st.just(b"x" * 70_000)
PAYLOADS = st.builds(Payload, DATA, MEDIA)
LABELS = st.dictionaries(TEXT, TEXT, max_size=3)
KINDS = st.sampled_from([int(kind) for kind in Kind])
EVENTS = st.tuples(KINDS, DATA, MEDIA, NUMBERS)


def frames(buffer: Any, kind: Any) -> Iterator[tuple[Any, int]]:
    """Every frame of a buffer as the other end reads it, until nothing waits."""
    while buffer:
        data, says = buffer.take()
        assert len(data) <= MESSAGE_LIMIT
        yield incoming.parse(kind, data), says
    assert buffer.waiting == 0


def surrogates_as_question_marks(text: str) -> str:
    return text.encode(errors="replace").decode()


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(IDS, EVENTS) | IDS, max_size=60), st.integers(0, 2**32 - 1), st.booleans(), ANY_TEXT)
def test_what_a_worker_says_arrives(said: list[Any], running: int, draining: bool, text: str) -> None:
    buffer = FromWorker()
    events = [(job, *event) for job, event in (one for one in said if isinstance(one, tuple))]
    rejected = [one for one in said if isinstance(one, str)]
    for job, kind, body, media, number in events:
        buffer.event(job, kind, body, media, number)
    for job in rejected:
        buffer.rejected(job)
    buffer.mergeable("last", Event(Kind.CONSOLE, text=text))
    buffer.heartbeat(running)
    if draining:
        buffer.draining()
    buffer.goodbye("A_CODE", "why")
    got, refused, last, spoken = [], [], None, 0
    for frame, says in frames(buffer, worker_pb2.WorkerFrame):
        assert incoming.worker_says(frame) == says
        got += list(incoming.job_events(frame))
        refused += list(frame.rejected)
        spoken |= says
        last = frame
    assert last is not None
    assert got == [*events, ("last", 4, surrogates_as_question_marks(text).encode(), 0, 0)]
    assert refused == rejected
    assert (last.heartbeat.running, last.draining) == (running, draining)
    assert (last.goodbye.code, last.goodbye.message) == ("A_CODE", "why")
    assert bool(spoken & Says.DRAINING) == draining


@settings(max_examples=100, deadline=None)
@given(
    st.builds(
        WorkerInfo,
        id=NAMES,
        group=NAMES,
        slots=st.integers(1, 1_000_000),
        labels=LABELS,
        handlers=st.lists(
            st.builds(
                HandlerSpec,
                name=NAMES,
                doc=TEXT,
                parameters=DATA,
                result=DATA,
                streams=st.booleans(),
                isolate=st.sampled_from(["thread", "process", "none"]),
                timeout=st.none() | st.floats(0.001, 1e9),
            ),
            max_size=4,
        ).map(tuple),
        version=TEXT,
        host=TEXT,
        pid=st.integers(0, 2**32 - 1),
    ),
    st.lists(
        st.builds(
            Hold,
            job=IDS,
            left=st.none() | st.integers(1, 10**9).map(lambda ms: ms / 1000),
            window=NUMBERS,
            chunks=NUMBERS,
        ),
        max_size=4,
    ),
)
def test_a_hello_arrives_as_it_was(info: WorkerInfo, holds: list[Hold]) -> None:
    buffer = FromWorker()
    buffer.hello(info, holds)
    ((frame, says),) = frames(buffer, worker_pb2.WorkerFrame)
    assert says is Says.HELLO
    assert frame.hello.protocol == PROTOCOL
    assert nouns.worker_info(frame.hello) == info
    assert nouns.holds(frame.hello) == holds


JOBS = st.builds(
    Job,
    id=IDS,
    handler=NAMES,
    args=PAYLOADS,
    session=st.just("") | IDS,
    window=NUMBERS,
    leased=st.booleans(),
)
TO_WORKER = st.one_of(
    st.tuples(st.just("assign"), JOBS, NUMBERS, PAYLOADS, st.booleans()),
    st.tuples(st.just("credit"), IDS, NUMBERS),
    st.tuples(st.just("cancel"), IDS, st.sampled_from(["CANCELLED", "DEADLINE_EXCEEDED", "TAKE_BACK"])),
    st.tuples(st.just("adopt"), IDS, NUMBERS),
    st.tuples(st.just("release"), IDS),
    st.tuples(st.just("close_session"), IDS),
    st.tuples(st.just("heartbeat")),
    st.tuples(st.just("draining")),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(TO_WORKER, max_size=60))
def test_what_a_hub_says_to_a_worker_arrives(said: list[tuple[Any, ...]]) -> None:
    buffer = ToWorker()
    for verb, *arguments in said:
        getattr(buffer, verb)(*arguments)
    heard: list[tuple[Any, ...]] = []
    for frame, says in frames(buffer, worker_pb2.HubFrame):
        assert incoming.hub_says(frame) == says
        for one in incoming.assignments(frame.assign, 0.0):
            heard.append(("assign", one))
        heard += [("credit", *pair) for pair in incoming.credits(frame.credit)]
        heard += [("cancel", *pair) for pair in incoming.cancels(frame.cancel)]
        heard += [("adopt", one.job, one.chunks) for one in frame.adopted]
        heard += [("release", one) for one in frame.released]
        heard += [("close_session", one) for one in frame.close_session]
    for verb in ("credit", "cancel", "adopt", "release", "close_session"):
        assert [one for one in heard if one[0] == verb] == [one for one in said if one[0] == verb]
    asked = [one[1:] for one in said if one[0] == "assign"]
    given_ = [one[1] for one in heard if one[0] == "assign"]
    assert len(given_) == len(asked)
    for (job, timeout_ms, data, moved), got in zip(asked, given_, strict=True):
        assert (got.job, got.handler, got.window, got.session) == (job.id, job.handler, job.window, job.session)
        assert (got.args.data, got.args.media, got.attempt) == (job.args.data, job.args.media, 1)
        assert got.leased is job.leased
        assert got.deadline == (timeout_ms / 1000 if timeout_ms else None)
        if job.session:
            assert got.moved == moved
            assert got.session_data == (data if data.media else NOTHING)


EXTRAS = st.none() | st.tuples(TEXT, st.integers(-(2**31), 2**31 - 1), LABELS, IDS)
FROM_CLIENT = st.one_of(
    st.tuples(st.just("call"), NUMBERS, NAMES, PAYLOADS, NUMBERS, NUMBERS, st.booleans(), EXTRAS),
    st.tuples(st.just("cancel"), NUMBERS),
    st.tuples(st.just("credit"), NUMBERS, NUMBERS),
    st.tuples(st.just("heartbeat")),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(FROM_CLIENT, max_size=60))
def test_what_a_client_says_arrives(said: list[tuple[Any, ...]]) -> None:
    buffer = FromClient()
    buffer.hello()
    for verb, *arguments in said:
        if verb == "call" and arguments[-1] is not None:
            arguments[-1] = call_extra(*arguments[-1])
        getattr(buffer, verb)(*arguments)
    buffer.goodbye()
    calls: list[tuple[Any, ...]] = []
    cancels: list[tuple[Any, ...]] = []
    credits: list[tuple[Any, ...]] = []
    spoken = 0
    for frame, says in frames(buffer, client_pb2.ClientFrame):
        assert incoming.client_says(frame) == says
        if says & Says.HELLO:
            assert not spoken
            assert frame.protocol == PROTOCOL
        spoken |= says
        for number, handler, args, media, timeout, window, events, extra in incoming.calls(frame.calls):
            more = extra and (extra.group, extra.priority, dict(extra.labels), extra.session)
            calls.append(("call", number, handler, Payload(args, media), timeout, window, events, more))
        cancels += [("cancel", number) for number in frame.cancel]
        credits += [("credit", *pair) for pair in zip(frame.credit.call, frame.credit.bytes, strict=True)]
    assert calls == [one for one in said if one[0] == "call"]
    assert cancels == [one for one in said if one[0] == "cancel"]
    assert credits == [one for one in said if one[0] == "credit"]
    assert spoken & (Says.HELLO | Says.GOODBYE) == Says.HELLO | Says.GOODBYE


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(NUMBERS, EVENTS), max_size=60))
def test_what_a_hub_says_to_a_client_arrives(events: list[Any]) -> None:
    buffer = ToClient()
    buffer.welcome("hub-1", "0.1.0", 2.5)
    for call, event in events:
        buffer.event(call, *event)
    buffer.heartbeat()
    buffer.draining()
    buffer.goodbye(message="héllo")
    got: list[Any] = []
    first = last = None
    for frame, says in frames(buffer, client_pb2.ChannelFrame):
        assert incoming.channel_says(frame) == says
        got += list(incoming.call_events(frame))
        first, last = first or frame, frame
    assert first is not None
    assert last is not None
    assert got == [(call, *event) for call, event in events]
    assert (first.welcome.protocol, first.welcome.hub_id, first.welcome.heartbeat) == (PROTOCOL, "hub-1", 2.5)
    assert last.draining
    assert last.goodbye.message == "héllo"


def test_credits_of_unequal_length_are_found() -> None:
    with pytest.raises(ProtocolViolation, match="differ in length"):
        incoming.credits(worker_pb2.Credits(job=["a", "b"], bytes=[1]))
    with pytest.raises(ProtocolViolation, match="differ in length"):
        incoming.cancels(worker_pb2.Cancels(job=["a"], reason=[]))


# -- merging -----------------------------------------------------------------------------------------------------------


def progress(current: float) -> Event:
    return Event(Kind.PROGRESS, progress=Progress(current, 10, "m"))


def console(text: str) -> Event:
    return Event(Kind.CONSOLE, text=text)


def read(buffer: FromWorker) -> list[tuple[str, Event]]:
    return [
        (job, bodies.event_of(kind, body, media))
        for frame, _ in frames(buffer, worker_pb2.WorkerFrame)
        for job, kind, body, media, _ in incoming.job_events(frame)
    ]


def test_progress_that_waits_is_replaced_by_the_latest() -> None:
    buffer = FromWorker()
    for current in range(1000):
        buffer.mergeable("a", progress(current))
        buffer.mergeable("b", progress(-current))
    assert read(buffer) == [("a", progress(999)), ("b", progress(-999))]


def test_console_text_that_waits_is_joined_and_none_is_lost() -> None:
    buffer = FromWorker()
    for number in range(1000):
        buffer.mergeable("a", console(f"{number}\n"))
        buffer.mergeable("b", console("."))
    assert read(buffer) == [("a", console("".join(f"{n}\n" for n in range(1000)))), ("b", console("." * 1000))]


def test_console_text_is_joined_up_to_the_text_limit() -> None:
    buffer = FromWorker()
    for _ in range(10):
        buffer.mergeable("a", console("é" * 10_000))
    got = [event.text for _, event in read(buffer)]
    assert "".join(got) == "é" * 100_000
    assert 1 < len(got) < 10
    assert all(len(text.encode()) <= TEXT_LIMIT for text in got)


MERGEABLE = st.tuples(st.sampled_from("ab"), st.sampled_from(["progress", "console", "chunk"]))


@settings(max_examples=300, deadline=None)
@given(st.lists(MERGEABLE, max_size=40))
def test_merging_keeps_the_order_of_what_one_job_says(said: list[tuple[str, str]]) -> None:
    """Merged entries take nothing past another event of their job, and no text, chunk or latest progress is lost."""
    buffer = FromWorker()
    expected: dict[str, list[Any]] = {"a": [], "b": []}
    for at, (job, what) in enumerate(said):
        entries = expected[job]
        if what == "chunk":
            buffer.event(job, int(Kind.CHUNK), str(at).encode(), Media.BYTES, at)
            entries.append(("chunk", str(at).encode()))
        elif what == "progress":
            buffer.mergeable(job, progress(at))
            if entries and entries[-1][0] == "progress":
                entries.pop()
            entries.append(("progress", float(at)))
        else:
            buffer.mergeable(job, console(f"{at},"))
            before = entries.pop()[1] if entries and entries[-1][0] == "console" else ""
            entries.append(("console", f"{before}{at},"))
    got: dict[str, list[Any]] = {"a": [], "b": []}
    for job, event in read(buffer):
        if event.kind is Kind.CHUNK:
            got[job].append(("chunk", event.payload.data))
        elif event.progress is not None:
            got[job].append(("progress", event.progress.current))
        else:
            got[job].append(("console", event.text))
    assert got == expected


# -- splitting ---------------------------------------------------------------------------------------------------------

BIG = b"x" * PAYLOAD_LIMIT
LONG = "n" * 200
MANY_LABELS = {f"{number:03}" * 60: "v" * 200 for number in range(32)}


def many_events(buffer: Any) -> None:
    for number in range(12):
        buffer.event(1 if isinstance(buffer, ToClient) else "j", int(Kind.CHUNK), BIG, Media.BYTES, number)


def many_assignments(buffer: Any) -> None:
    for number in range(8):
        buffer.assign(Job(str(number), LONG, Payload(BIG), session="s"), 1, Payload(BIG), True)
    for number in range(20_000):
        buffer.assign(Job(f"{number:036}", LONG), 1)
        buffer.cancel(f"{number:036}", "CANCELLED")
        buffer.credit(f"{number:036}", 2**63)
        buffer.close_session(f"{number:036}")


def many_calls(buffer: Any) -> None:
    for number in range(8):
        buffer.call(number, LONG, Payload(BIG), 1, 1, True, call_extra("g", 1, MANY_LABELS, "s"))
    for number in range(8, 20_000):
        buffer.call(number, LONG, NOTHING, 2**63, 2**63, True)


def labelled_calls(buffer: Any) -> None:
    for number in range(400):
        buffer.call(number, "h", NOTHING, 0, 0, False, call_extra("g", 1, {"a": "v" * 65_000}, "s"))


def many_requests(buffer: Any) -> None:
    for number in range(100_000):
        buffer.cancel(2**63 + number)
        buffer.credit(2**63 + number, 2**63)


@pytest.mark.parametrize(
    ("make", "kind", "fill"),
    [
        (FromWorker, worker_pb2.WorkerFrame, many_events),
        (ToClient, client_pb2.ChannelFrame, many_events),
        (ToWorker, worker_pb2.HubFrame, many_assignments),
        (FromClient, client_pb2.ClientFrame, many_calls),
        (FromClient, client_pb2.ClientFrame, labelled_calls),
        (FromClient, client_pb2.ClientFrame, many_requests),
    ],
    ids=["events of a worker", "events to a client", "assignments", "calls", "calls with labels", "credits"],
)
def test_no_frame_reaches_the_message_limit(make: Callable[[], Any], kind: Any, fill: Callable[[Any], None]) -> None:
    buffer = make()
    fill(buffer)
    assert buffer.waiting > 0
    assert len([frame for frame, _ in frames(buffer, kind)]) > 2


def test_a_frame_holds_no_more_calls_than_a_hub_takes() -> None:
    buffer = FromClient()
    for number in range(1, 10_001):
        buffer.call(number, "h", NOTHING, 0, 0, False)
    sizes = [len(list(incoming.calls(frame.calls))) for frame, _ in frames(buffer, client_pb2.ClientFrame)]
    assert sum(sizes) == 10_000
    with pytest.raises(ProtocolViolation, match="at most 4096 calls"):
        incoming.calls(client_pb2.Calls(call=range(incoming.CALLS_PER_FRAME + 1)))


def test_waiting_counts_what_was_not_taken() -> None:
    buffer = ToClient()
    assert not buffer
    for _ in range(4):
        buffer.event(1, int(Kind.CHUNK), BIG, Media.BYTES, 1)
    assert buffer.waiting >= 4 * PAYLOAD_LIMIT
    buffer.take()
    assert 3 * PAYLOAD_LIMIT <= buffer.waiting < 4 * PAYLOAD_LIMIT


@pytest.mark.parametrize(
    ("group", "priority", "labels", "session"),
    [
        ("\ud800", 0, None, ""),
        ("g", 2**31, None, ""),
        ("g", 0, {"\udcff": "a"}, ""),
        ("g", 0, {"a": 1}, ""),
        ("g", 0, {"a": "x" * TEXT_LIMIT}, ""),
        ("g", 0, None, "s" * 5_000_000),
    ],
    ids=["group", "priority", "label name", "label value", "large label", "large session"],
)
def test_what_cannot_ride_with_a_call_is_refused_before_it_harms_the_frame(
    group: str, priority: int, labels: Any, session: str
) -> None:
    with pytest.raises(InvalidArguments, match=r"group, (priority, )?labels"):
        call_extra(group, priority, labels, session)
