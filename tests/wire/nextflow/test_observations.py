"""Observations from a sender's keys: all of them are sent, and what doesn't fit names its key."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

import numpy as np
import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from farhand.model.limits import TEXT_LIMIT
from farhand.wire.nextflow.observations import FIELDS, TaskObservation, observation_of, plain

WHOLE: dict[str, Any] = {
    "event_id": "e-1",
    "event_type": "task_complete",
    "timestamp_iso": "2026-03-01T12:00:00+01:00",
    "pipeline_name": "p",
    "process_name": "align",
    "task_id_num": 123,
    "task_hash": "ab/cdef",
    "task_name": "align (1)",
    "native_id": "slurm_1",
    "status": "COMPLETED",
    "exit_code": -1,
    "duration_ms": 50_000,
    "realtime_ms": 52_000,
    "cpu_percent": "150.0%",
    "peak_rss_bytes": 2**40,
    "peak_vmem_bytes": 2**41,
    "read_bytes": 10,
    "write_bytes": 5,
}
TEXTS = [name for name in FIELDS if isinstance(WHOLE[name], str)]
NUMBERS = [name for name in FIELDS if isinstance(WHOLE[name], int)]
BOUNDS = {name: 2**31 if name == "exit_code" else 2**63 for name in NUMBERS}


def test_every_field_is_sent() -> None:
    assert list(FIELDS) == list(WHOLE)
    assert len(WHOLE) == 18
    sent = TaskObservation.FromString(observation_of(WHOLE).SerializeToString())
    assert plain(sent) == WHOLE
    assert [field.number for field, _ in sent.ListFields()] == list(range(1, 19))


@pytest.mark.parametrize("key", WHOLE)
def test_none_and_missing_are_absent(key: str) -> None:
    without = {name: value for name, value in WHOLE.items() if name != key}
    for given in (without, {**without, key: None}):
        found = observation_of(given)
        if key == "event_id":
            assert uuid.UUID(found.event_id).version == 4
        elif key == "timestamp_iso":
            assert found.timestamp_iso.endswith("Z")
            assert datetime.fromisoformat(found.timestamp_iso).tzinfo is not None
        else:
            assert getattr(found, key) == type(WHOLE[key])()


@pytest.mark.parametrize(
    ("key", "value", "found"),
    [
        ("task_id_num", "123", 123),
        ("exit_code", " -9 ", -9),
        ("duration_ms", 5.0, 5),
        ("duration_ms", "5.0", 5),
        ("read_bytes", np.int64(7), 7),
        ("cpu_percent", 150.0, "150.0%"),
        ("cpu_percent", 75, "75.0%"),
        ("cpu_percent", "150.0%", "150.0%"),
        ("native_id", 4711, "4711"),
        ("task_name", "größe\n\x00", "größe\n\x00"),
    ],
)
def test_what_makes_sense_is_taken(key: str, value: Any, found: Any) -> None:
    assert getattr(observation_of({key: value}), key) == found


@pytest.mark.parametrize("key", NUMBERS)
@pytest.mark.parametrize("sign", [1, -1])
def test_numbers_that_fit_and_those_larger_by_one(key: str, sign: int) -> None:
    most = BOUNDS[key] - 1 if sign > 0 else -BOUNDS[key]
    assert getattr(observation_of({key: most}), key) == most
    for value in (most + sign, str(most + sign), sign * 1e400, "1e400", sign * 10**5000):
        with pytest.raises(ValueError, match=key):
            observation_of({key: value})


@pytest.mark.parametrize("key", NUMBERS)
@pytest.mark.parametrize("value", [True, 1.5, float("nan"), "", "x", "150.0%", "1_0", "٣", b"1", [1], {}, object()])
def test_what_is_no_number_names_its_key(key: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f"^{key} is a whole number"):
        observation_of({**WHOLE, key: value})


@pytest.mark.parametrize("key", TEXTS)
def test_texts_that_fit_and_those_larger_by_one(key: str) -> None:
    assert getattr(observation_of({key: "x" * TEXT_LIMIT}), key) == "x" * TEXT_LIMIT
    for value in ("x" * (TEXT_LIMIT + 1), b"x", "\ud800", True, [1], object(), float("nan")):
        with pytest.raises(ValueError, match=f"^{key} "):
            observation_of({**WHOLE, key: value})


def test_an_unknown_key_is_named_with_what_it_may_have_meant() -> None:
    with pytest.raises(ValueError, match="'cpu_time_seconds'"):
        observation_of({**WHOLE, "cpu_time_seconds": 1})
    with pytest.raises(ValueError, match="'taskname'; did you mean task_name"):
        observation_of({"taskname": "x"})
    for key in (7, None, "", "EVENT_ID", "event_id ", "_fields"):
        with pytest.raises(ValueError, match="an observation has no"):
            observation_of({key: "x"})


def test_a_message_of_the_senders_own_modules() -> None:
    file = descriptor_pb2.FileDescriptorProto()
    TaskObservation.DESCRIPTOR.file.CopyToProto(file)
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(file.SerializeToString())
    theirs: Any = message_factory.GetMessageClass(pool.FindMessageTypeByName("nf_ai_comms.TaskObservation"))
    assert plain(observation_of(theirs(**WHOLE))) == WHOLE
    ours = observation_of(WHOLE)
    assert observation_of(ours) is ours
    for wrong in (7, None, "x", [("event_id", "x")], file):
        with pytest.raises(ValueError, match="an observation is a mapping or a TaskObservation"):
            observation_of(wrong)
