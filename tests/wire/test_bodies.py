"""The bodies of events: each arrives as it was, and whatever a handler or a peer puts there, an error still does."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from farhand import errors
from farhand.errors import FarhandError, HandlerFailed, ProtocolViolation
from farhand.model.event import Event, Fault, Kind, Progress, to_error, to_fault
from farhand.model.limits import TEXT_LIMIT
from farhand.model.payload import NOTHING, Media, Payload
from farhand.wire.farhand import bodies
from farhand.wire.farhand._pb import common_pb2

ANY_TEXT = st.text(st.characters(), max_size=40) | st.just("\ud800 a lone surrogate \udfff")
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
FAULTS = st.builds(
    Fault,
    code=st.sampled_from(sorted(errors.BY_CODE)) | st.text(max_size=20),
    message=st.text(max_size=100),
    retryable=st.booleans(),
    details=st.dictionaries(st.text(max_size=8), JSON, max_size=4),
)


def there_and_back(event: Event) -> Event:
    body, media = bodies.body_of(event)
    return bodies.event_of(int(event.kind), body, media)


@settings(max_examples=150, deadline=None)
@given(FAULTS, st.sampled_from(["", "not_started", "stopped", "finished", "killed", "unconfirmed"]))
def test_a_fault_arrives_as_it_was(fault: Fault, outcome: Any) -> None:
    for kind in (Kind.FAILED, Kind.CANCELLED, Kind.EXPIRED):
        event = Event(kind, fault=fault, outcome=outcome)
        assert there_and_back(event) == event


@settings(max_examples=200, deadline=None)
@given(st.floats(allow_nan=False), st.none() | st.floats(allow_nan=False), st.text(max_size=40))
def test_progress_arrives_as_it_was(current: float, total: float | None, message: str) -> None:
    event = Event(Kind.PROGRESS, progress=Progress(current, total, message))
    assert there_and_back(event) == event


def test_progress_may_be_no_number() -> None:
    progress = there_and_back(Event(Kind.PROGRESS, progress=Progress(math.nan, math.inf))).progress
    assert progress is not None
    assert math.isnan(progress.current)
    assert progress.total == math.inf


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=200), st.binary(max_size=200), st.sampled_from(list(Media)))
def test_text_and_values_arrive_as_they_were(text: str, data: bytes, media: Media) -> None:
    for event in (
        Event(Kind.QUEUED, text=text),
        Event(Kind.CONSOLE, text=text),
        Event(Kind.STARTED, worker=text),
        Event(Kind.CHUNK, Payload(data, media)),
        Event(Kind.SUCCEEDED, Payload(data, media)),
    ):
        assert there_and_back(event) == event


@settings(max_examples=200, deadline=None)
@given(ANY_TEXT)
def test_lone_surrogates_are_replaced_and_break_nothing(text: str) -> None:
    clean = text.encode(errors="replace").decode()
    assert there_and_back(Event(Kind.CONSOLE, text=text)).text == clean
    progress = there_and_back(Event(Kind.PROGRESS, progress=Progress(1, 2, text))).progress
    assert progress == Progress(1, 2, clean)
    fault = there_and_back(Event(Kind.FAILED, fault=Fault("HANDLER_FAILED", text, False, {"type": text}))).fault
    assert fault == Fault("HANDLER_FAILED", clean, False, {"type": clean})


@pytest.mark.parametrize("text", ["x" * (TEXT_LIMIT + 5), "é" * (TEXT_LIMIT + 5), "😀" * (TEXT_LIMIT + 5)])
def test_texts_over_64_Ki_are_cut_with_a_mark(text: str) -> None:
    cut = text[:TEXT_LIMIT] + " … [5 more characters]"
    assert there_and_back(Event(Kind.CONSOLE, text=text)).text == cut
    progress = there_and_back(Event(Kind.PROGRESS, progress=Progress(1, None, text))).progress
    assert progress == Progress(1, None, cut)
    fault = there_and_back(Event(Kind.FAILED, fault=Fault("HANDLER_FAILED", text, False, {"traceback": text}))).fault
    assert fault is not None
    assert fault.message == cut
    if len(cut.encode()) <= 4 * TEXT_LIMIT:
        assert fault.details == {"traceback": cut}
    whole = text[:TEXT_LIMIT]
    assert there_and_back(Event(Kind.CONSOLE, text=whole)).text == whole


RECURSIVE: dict[str, Any] = {}
RECURSIVE["again"] = RECURSIVE


class _Broken:
    def __str__(self) -> str:
        raise RuntimeError("no text either")


@pytest.mark.parametrize(
    "details",
    [
        {"path": ["\ud800"]},
        {"\ud800": 1},
        {"n": math.nan},
        {"n": 2**200},
        {"o": object(), "s": {1, 2}, "b": b"\xff"},
        {"o": _Broken()},
        RECURSIVE,
        {"many": ["x" * 1000] * 1000},
        {"deep": [[[[[[[["x" * 300_000]]]]]]]]},
    ],
    ids=["surrogate", "surrogate key", "nan", "big", "objects", "broken", "recursive", "many", "large"],
)
def test_an_error_reaches_its_caller_whatever_its_details_are(details: dict[str, Any]) -> None:
    body = bodies.fault_bytes(Fault("HANDLER_FAILED", "why", True, details))
    assert len(body) < 5 * TEXT_LIMIT
    fault, outcome = bodies.read_fault(body)
    assert (fault.code, fault.message, fault.retryable, outcome) == ("HANDLER_FAILED", "why", True, "")


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (0, b""),
        (6, b""),
        (12, b""),
        (-1, b""),
        (2**31 - 1, b""),
        (Kind.FAILED, b"\xff\xff"),
        (Kind.CANCELLED, b"\x0a\x05x"),
        (Kind.EXPIRED, common_pb2.Fault(code="X", details=b"[1]").SerializeToString()),
        (Kind.FAILED, common_pb2.Fault(code="X", details=b"{").SerializeToString()),
        (Kind.FAILED, common_pb2.Fault(code="X", details=b'{"a":"\xff"}').SerializeToString()),
        (Kind.FAILED, common_pb2.Fault(code="X", details=b'{"a":' + b"[" * 100_000).SerializeToString()),
        (Kind.CANCELLED, common_pb2.Fault(code="X", outcome="perhaps").SerializeToString()),
        (Kind.PROGRESS, b"\xff\xff"),
    ],
)
def test_what_is_no_event_of_its_kind_is_the_peers_violation(kind: int, body: bytes) -> None:
    with pytest.raises(ProtocolViolation, match=r"unknown kind|can't be read"):
        bodies.event_of(kind, body, 0)


def test_text_that_is_not_utf_8_is_shown_and_breaks_nothing() -> None:
    assert bodies.event_of(Kind.CONSOLE, b"a\xffb", 0).text == "a\ufffdb"


@pytest.mark.parametrize("code", sorted(errors.BY_CODE))
def test_every_error_keeps_its_class_over_the_wire(code: str) -> None:
    error = errors.BY_CODE[code]("what happened", retryable=True, fact=[1, "é"])
    fault, outcome = bodies.read_fault(bodies.fault_bytes(to_fault(error), "killed"))
    back = to_error(fault, outcome)
    assert type(back) is type(error)
    assert (back.message, back.retryable, back.details) == (
        "what happened",
        True,
        {"fact": [1, "é"], "receipt": "killed"},
    )


def test_a_code_of_a_newer_peer_is_kept() -> None:
    back = to_error(Fault("FROM_THE_FUTURE", "what happened", False, {"a": 1}))
    assert type(back) is FarhandError
    assert back.details == {"a": 1, "code": "FROM_THE_FUTURE"}
    assert str(back) == "what happened"


def test_a_handlers_error_shows_its_type() -> None:
    back = to_error(Fault("HANDLER_FAILED", "no", False, {"type": "ValueError", "traceback": "Traceback…"}))
    assert isinstance(back, HandlerFailed)
    assert (str(back), back.type, back.traceback) == ("ValueError: no", "ValueError", "Traceback…")


@pytest.mark.parametrize("media", list(Media))
def test_payloads_arrive_as_they_were(media: Media) -> None:
    payload = Payload(b"data", media)
    assert bodies.payload_of(bodies.payload_message(payload)) == (payload if media else NOTHING)
    assert bodies.payload_of(bodies.payload_message(Payload(b"data", 77))) == Payload(b"data", 77)
