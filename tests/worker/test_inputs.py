"""Arguments from other jobs, put beside the caller's own."""

from __future__ import annotations

import msgspec
import pytest

from farhand.errors import InvalidArguments
from farhand.model.job import Input
from farhand.model.payload import NOTHING, Media, Payload
from farhand.wire.values import from_payload, to_payload
from farhand.worker.inputs import filled

JSON, MSGPACK = Media.JSON, Media.MSGPACK


@pytest.mark.parametrize("own", [JSON, MSGPACK])
@pytest.mark.parametrize("theirs", [JSON, MSGPACK])
def test_each_dialect_joins_each(own: int, theirs: int) -> None:
    one = Input("x", (to_payload({"k": [1, None]}, theirs),))
    many = Input("y", (to_payload(1, theirs), to_payload("a", theirs)), chunks=True)
    found = filled(to_payload({"a": 1}, own), (one, many, Input("z", (NOTHING,))))
    assert found.media == own
    assert from_payload(found) == {"a": 1, "x": {"k": [1, None]}, "y": [1, "a"], "z": None}


def test_without_arguments_the_inputs_own_dialect_is_kept() -> None:
    assert filled(NOTHING, (Input("x", (to_payload(1, JSON),)),)) == Payload(b'{"x":1}', JSON)
    mixed = filled(NOTHING, (Input("x", (to_payload(1, JSON),)), Input("y", (to_payload(b"b"),))))
    assert from_payload(mixed) == {"x": 1, "y": b"b"}


def test_bytes_are_bytes_or_base64() -> None:
    one = Input("x", (to_payload(b"\xff"),))
    assert from_payload(filled(to_payload({"a": 1}), (one,)))["x"] == b"\xff"
    assert from_payload(filled(to_payload({"a": 1}, JSON), (one,)))["x"] == "/w=="


def test_one_argument_has_one_value() -> None:
    with pytest.raises(InvalidArguments, match="'x' is given twice"):
        filled(to_payload({"x": 1}), (Input("x", (to_payload(1),)),))


@pytest.mark.parametrize(
    "args", [Payload(b"{", JSON), Payload(b"\xc1", MSGPACK), Payload(b"x", Media.BYTES), to_payload([1])]
)
def test_what_is_no_object_is_left_to_the_signature(args: Payload) -> None:
    assert filled(args, (Input("x", (to_payload(1),)),)) is args


def test_a_value_that_lies_about_its_dialect_is_refused_when_it_is_read() -> None:
    with pytest.raises(InvalidArguments):
        filled(to_payload({"a": 1}), (Input("x", (Payload(b"{", JSON),)),))
    spoilt = filled(to_payload({"a": 1}), (Input("x", (Payload(b"\xc1", MSGPACK),)),))
    with pytest.raises(msgspec.DecodeError):
        msgspec.msgpack.decode(spoilt.data)
