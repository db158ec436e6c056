"""Python values to payloads and back: what each dialect keeps, and what is refused with a clear error."""

from __future__ import annotations

import contextlib
import datetime
import decimal
import math
import uuid
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from farhand.errors import InvalidArguments, TooLarge
from farhand.model.limits import PAYLOAD_LIMIT
from farhand.model.payload import NOTHING, Media, Payload
from farhand.wire.values import check_size, from_payload, to_payload

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False)
    | st.text(max_size=20)
    | st.binary(max_size=20)
    | st.datetimes(timezones=st.just(datetime.UTC))
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8) | st.integers(), inner, max_size=4),
    max_leaves=8,
)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)


def small_keys(value: Any) -> bool:
    """MessagePack's integers have 64 bits."""
    if isinstance(value, dict):
        return all(not isinstance(key, int) or -(2**63) <= key < 2**64 for key in value) and all(
            small_keys(one) for one in value.values()
        )
    return all(small_keys(one) for one in value) if isinstance(value, list) else True


@settings(max_examples=300, deadline=None)
@given(VALUES.filter(small_keys))
def test_messagepack_keeps_python_values(value: Any) -> None:
    payload = to_payload(value)
    assert payload.media == (Media.BYTES if isinstance(value, bytes) else Media.MSGPACK)
    assert from_payload(payload) == value


@settings(max_examples=150, deadline=None)
@given(JSON)
def test_json_keeps_json_values(value: Any) -> None:
    payload = to_payload(value, Media.JSON)
    assert payload.media == Media.JSON
    assert from_payload(payload) == value


def test_bytes_travel_as_they_are() -> None:
    for value in (b"\x00\xff", bytearray(b"\x00\xff"), memoryview(b"\x00\xff")):
        for media in (Media.JSON, Media.MSGPACK):
            assert to_payload(value, media) == Payload(b"\x00\xff", Media.BYTES)
    assert from_payload(Payload(b"\x00\xff", Media.BYTES)) == b"\x00\xff"
    assert from_payload(to_payload({"a": [b"\xff", memoryview(b"\x00")]})) == {"a": [b"\xff", b"\x00"]}


def test_nan_and_infinity() -> None:
    back = from_payload(to_payload([math.nan, math.inf, -math.inf, -0.0]))
    assert math.isnan(back[0])
    assert back[1:3] == [math.inf, -math.inf]
    assert math.copysign(1, back[3]) == -1
    assert from_payload(to_payload([math.nan, math.inf], Media.JSON)) == [None, None]


def test_integers_up_to_64_bits_and_a_clear_word_beyond() -> None:
    for value in (2**64 - 1, -(2**63), 2**53 + 1):
        assert from_payload(to_payload(value)) == value
        assert from_payload(to_payload(value, Media.JSON)) == value
    for value in (2**64, -(2**63) - 1, 10**100):
        with pytest.raises(InvalidArguments, match=r"the answer can't be sent: .*2\*\*64"):
            to_payload({"n": value}, what="the answer")


def test_times_keep_their_moment() -> None:
    east = datetime.timezone(datetime.timedelta(hours=5, minutes=30))
    moment = datetime.datetime(2024, 2, 29, 12, 30, 15, 123456, tzinfo=east)
    assert from_payload(to_payload(moment)) == moment
    assert from_payload(to_payload(moment, Media.JSON)) == moment.isoformat()
    naive = datetime.datetime(2024, 2, 29, 12, 30, 15)
    assert from_payload(to_payload([naive, naive.date(), naive.time()])) == [
        "2024-02-29T12:30:15",
        "2024-02-29",
        "12:30:15",
    ]


def test_other_values_become_plain_data() -> None:
    one = uuid.UUID(int=7)
    assert from_payload(to_payload([(1, 2), {3}, one, decimal.Decimal("1.50")])) == [[1, 2], [3], str(one), "1.50"]


def nest(depth: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    return value


def recursive() -> list[Any]:
    value: list[Any] = []
    value.append(value)
    return value


@pytest.mark.parametrize("media", [Media.JSON, Media.MSGPACK])
@pytest.mark.parametrize(
    "value",
    [object(), {"a": lambda: None}, recursive(), nest(100_000), "\ud800", {"a": ["\udfff"]}, {object(): 1}, 1j],
    ids=["object", "function", "recursive", "deep", "surrogate", "inner surrogate", "key", "complex"],
)
def test_what_has_no_form_on_the_wire_is_refused_by_name(value: Any, media: Media) -> None:
    with pytest.raises(InvalidArguments, match=r"the result can't be sent: \S"):
        to_payload(value, media)


def test_deep_values_pass_as_far_as_python_goes() -> None:
    assert from_payload(to_payload(nest(200))) == nest(200)


@pytest.mark.parametrize("media", [Media.JSON, Media.MSGPACK])
def test_the_limit_of_1_mib_is_named(media: Media) -> None:
    with pytest.raises(TooLarge, match=r"a chunk takes 1,048,6\d\d bytes; the limit is 1,048,576 \(1 MiB\)") as caught:
        to_payload("x" * (PAYLOAD_LIMIT + 100), media, what="a chunk")
    assert caught.value.details["limit"] == PAYLOAD_LIMIT
    with pytest.raises(TooLarge):
        to_payload(b"x" * (PAYLOAD_LIMIT + 1), media)
    assert len(to_payload(b"x" * PAYLOAD_LIMIT, media).data) == PAYLOAD_LIMIT
    check_size(PAYLOAD_LIMIT, "this")


@settings(max_examples=500, deadline=None)
@given(st.binary(max_size=100), st.integers(-5, 10) | st.integers(-(2**31), 2**31 - 1))
def test_bytes_that_are_no_value_raise_nothing_else(data: bytes, media: int) -> None:
    with contextlib.suppress(InvalidArguments):
        from_payload(Payload(data, media))


def test_bytes_that_are_no_value_say_so() -> None:
    for data, media in ((b"\xc1", Media.MSGPACK), (b"{", Media.JSON), (b"", Media.JSON), (b"\xa1\xff", Media.MSGPACK)):
        with pytest.raises(InvalidArguments, match=f"not valid {media.mime}"):
            from_payload(Payload(data, media))
    for data, media in ((b"[" * 100_000, Media.JSON), (b"\x91" * 100_000, Media.MSGPACK)):
        with pytest.raises(InvalidArguments, match=f"not valid {media.mime}"):
            from_payload(Payload(data, media))
    with pytest.raises(InvalidArguments, match="unknown media type 99"):
        from_payload(Payload(b"", 99))
    assert from_payload(NOTHING) is None
