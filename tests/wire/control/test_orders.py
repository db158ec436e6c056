"""Orders, their answers, and messages of a user's own proto."""

from __future__ import annotations

import math
from typing import Any

import pytest
from google.protobuf import descriptor_pb2, timestamp_pb2, wrappers_pb2

from farhand.errors import InvalidArguments
from farhand.model.event import Fault, Progress
from farhand.wire.control import messages, orders


@pytest.mark.parametrize(
    ("progress", "percent"),
    [
        (None, 0),
        (Progress(5), 0),
        (Progress(0, 0), 0),
        (Progress(1, 3), 33),
        (Progress(999, 1000), 99),
        (Progress(3, 3), 100),
        (Progress(9, 3), 100),
        (Progress(-1, 3), 0),
        (Progress(1, -3), 0),
        (Progress(math.nan, 3), 0),
        (Progress(1, math.nan), 0),
        (Progress(math.inf, 3), 100),
        (Progress(math.inf, math.inf), 0),
    ],
)
def test_percent(progress: Progress | None, percent: int) -> None:
    assert orders.percent(progress) == percent


@pytest.mark.parametrize(
    ("fault", "why"),
    [
        (None, "the task did not succeed"),
        (Fault("CANCELLED", "it was cancelled"), "it was cancelled"),
        (Fault("HANDLER_FAILED", "no", details={"type": "ValueError"}), "ValueError: no"),
        (Fault("HANDLER_FAILED", "", details={"type": "ValueError"}), "ValueError"),
        (Fault("HANDLER_FAILED", "no", details={"type": "farhand.errors.TaskFailed"}), "no"),
        (Fault("HANDLER_FAILED", "", details={"type": "farhand.errors.TaskFailed"}), "TaskFailed"),
    ],
)
def test_reason(fault: Fault | None, why: str) -> None:
    assert orders.reason(fault) == why


def test_a_stream_of_messages_comes_in_any_pieces() -> None:
    parts = [b"", b"x", b"y" * 127, b"z" * 128, b"w" * 20_000]
    whole = b"".join(messages.delimited(one) for one in parts)
    for step in (1, 2, 3, 1000, len(whole)):
        pieces = [whole[at : at + step] for at in range(0, len(whole), step)]
        assert list(messages.undelimited(pieces)) == parts
    with pytest.raises(InvalidArguments, match="within one"):
        list(messages.undelimited([whole[:-1]]))
    with pytest.raises(InvalidArguments, match="no number"):
        list(messages.undelimited([b"\xff" * 11]))


@pytest.mark.parametrize(
    ("value", "kind", "wanted"),
    [
        ({"name": "n"}, descriptor_pb2.FileDescriptorProto, descriptor_pb2.FileDescriptorProto(name="n")),
        (b"x", wrappers_pb2.BytesValue, wrappers_pb2.BytesValue(value=b"x")),
        (None, wrappers_pb2.BytesValue, wrappers_pb2.BytesValue()),
        (
            {"string_value": "eA=="},
            descriptor_pb2.UninterpretedOption,
            descriptor_pb2.UninterpretedOption(string_value=b"x"),
        ),
        (wrappers_pb2.BytesValue(value=b"x"), wrappers_pb2.BytesValue, wrappers_pb2.BytesValue(value=b"x")),
    ],
)
def test_values_as_messages(value: Any, kind: Any, wanted: Any) -> None:
    assert messages.to_message(value, kind) == wanted


@pytest.mark.parametrize(
    ("value", "kind", "why"),
    [
        ({"nothing": 1}, wrappers_pb2.BytesValue, "no BytesValue"),
        (b"x", wrappers_pb2.Int32Value, "not exactly one field of bytes"),
        (1, wrappers_pb2.Int32Value, "a int is no Int32Value"),
        (wrappers_pb2.BytesValue(), wrappers_pb2.Int32Value, "is no google.protobuf.Int32Value"),
    ],
)
def test_what_is_no_message_says_why(value: Any, kind: Any, why: str) -> None:
    with pytest.raises(InvalidArguments, match=why):
        messages.to_message(value, kind)
    with pytest.raises(InvalidArguments, match="the parameters are no"):
        messages.from_json({"nothing": 1}, wrappers_pb2.BytesValue)
    with pytest.raises(InvalidArguments, match="are no"):
        messages.decode(b"\xff", wrappers_pb2.BytesValue)


def test_fields_as_values() -> None:
    kinds = descriptor_pb2.FieldDescriptorProto
    field = kinds(name="f", number=1, type=kinds.TYPE_BYTES, label=kinds.LABEL_OPTIONAL)
    message = descriptor_pb2.DescriptorProto(name="M", field=[field], reserved_name=["a"])
    found = messages.fields_of(message, set_only=True)
    shown = {"name": "f", "number": 1, "type": "TYPE_BYTES", "label": "LABEL_OPTIONAL"}
    assert found["name"] == "M"
    assert found["reserved_name"] == ["a"]
    assert {key: value for key, value in found["field"][0].items() if value} == shown
    assert messages.fields_of(timestamp_pb2.Timestamp(seconds=1)) == {"seconds": 1, "nanos": 0}
