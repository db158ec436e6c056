"""Nextflow's own events as observations."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from farhand.errors import InvalidArguments
from farhand.model.limits import TEXT_LIMIT
from farhand.wire.nextflow.observations import plain
from farhand.wire.nextflow.weblog import read_weblog

TRACE: dict[str, Any] = {
    "task_id": 2,
    "hash": "a1/0024fd",
    "name": "align (2)",
    "process": "align",
    "status": "COMPLETED",
    "exit": 0,
    "submit": 1583131540001,
    "start": 1583131540002,
    "complete": 1583131549000,
    "duration": 8999,
    "realtime": 8000,
    "%cpu": 143.5,
    "peak_rss": 207818752,
    "peak_vmem": 307818752,
    "rchar": 9,
    "wchar": 8,
    "read_bytes": 7,
    "write_bytes": 6,
    "attempt": 1,
    "native_id": 2013,
    "module": [],
    "container": None,
    "env": None,
}
EVENT: dict[str, Any] = {
    "runName": "mad_joliot",
    "runId": "6f1e4d2a-0000-4000-8000-000000000000",
    "event": "process_completed",
    "utcTime": "2026-03-01T11:00:00Z",
    "trace": TRACE,
}


def read(event: Any) -> dict[str, Any]:
    return plain(read_weblog(msgspec.json.encode(event)))


def test_a_tasks_event_has_all_that_its_trace_has() -> None:
    found = read(EVENT)
    id = found.pop("event_id")
    assert found == {
        "event_type": "task_complete",
        "timestamp_iso": "2026-03-01T11:00:00Z",
        "pipeline_name": "mad_joliot",
        "process_name": "align",
        "task_id_num": 2,
        "task_hash": "a1/0024fd",
        "task_name": "align (2)",
        "native_id": "2013",
        "status": "COMPLETED",
        "exit_code": 0,
        "duration_ms": 8999,
        "realtime_ms": 8000,
        "cpu_percent": "143.5%",
        "peak_rss_bytes": 207818752,
        "peak_vmem_bytes": 307818752,
        "read_bytes": 7,
        "write_bytes": 6,
    }
    assert read(EVENT)["event_id"] == id
    for changed in ({"event": "process_started"}, {"runId": "x"}, {"trace": {**TRACE, "attempt": 2}}):
        assert read({**EVENT, **changed})["event_id"] != id


@pytest.mark.parametrize(
    ("event", "type"),
    [
        ("started", "started"),
        ("process_submitted", "task_start"),
        ("process_started", "task_start"),
        ("process_completed", "task_complete"),
        ("error", "error"),
        ("completed", "completed"),
    ],
)
def test_the_six_events(event: str, type: str) -> None:
    assert read({**EVENT, "event": event})["event_type"] == type
    run = {name: value for name, value in EVENT.items() if name != "trace"}
    others: list[Any] = [None, {"workflow": {"stats": [1] * 100}}, [], "x"]
    for metadata in others:
        found = read({**run, "event": event, "metadata": metadata, "more": 1})
        assert (found["event_type"], found["task_name"], found["process_name"]) == (type, "", "")


@pytest.mark.parametrize("key", TRACE)
def test_a_trace_need_not_have_a_key(key: str) -> None:
    without = {name: value for name, value in TRACE.items() if name != key}
    absent = [read({**EVENT, "trace": trace}) for trace in (without, {**TRACE, key: None}, {**TRACE, key: "-"})]
    assert absent[0]["process_name"] == ("N/A" if key == "process" else "align")
    if key != "attempt":
        assert absent[0] == absent[1]


def test_a_task_that_has_not_ended_has_no_exit_code() -> None:
    assert read({**EVENT, "trace": {**TRACE, "exit": 2**31 - 1}})["exit_code"] == 0
    assert read({**EVENT, "trace": {**TRACE, "exit": 137}})["exit_code"] == 137
    assert read({**EVENT, "runName": ""})["pipeline_name"] == "N/A"


@pytest.mark.parametrize("key", ["runName", "runId", "event", "utcTime"])
def test_what_each_event_must_have(key: str) -> None:
    missing = {name: value for name, value in EVENT.items() if name != key}
    wrong: list[Any] = [None, 1, [], {}, True]
    for event in (missing, *({**EVENT, key: value} for value in wrong)):
        with pytest.raises(InvalidArguments, match=key) as caught:
            read(event)
        assert caught.value.details["problems"]


@pytest.mark.parametrize(
    ("trace", "path"),
    [
        ({"exit": 2**31}, "$.trace.exit"),
        ({"exit": "zero"}, "$.trace.exit"),
        ({"task_id": 1.5}, "$.trace.task_id"),
        ({"duration": True}, "$.trace.duration"),
        ({"%cpu": []}, "$.trace.%cpu"),
        ({"name": 5}, "$.trace.name"),
        ({"name": "x" * (TEXT_LIMIT + 1)}, "$.trace.name"),
        ({"peak_rss": 2**63}, "$.trace.peak_rss"),
    ],
)
def test_what_is_wrong_in_a_trace_is_named_as_nextflow_names_it(trace: dict[str, Any], path: str) -> None:
    with pytest.raises(InvalidArguments) as caught:
        read({**EVENT, "trace": {**TRACE, **trace}})
    assert caught.value.details["problems"][0]["path"] == path
    assert path.rpartition(".")[2] in caught.value.message


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b"\xff\xfe",
        b'{"event": "\xff"}',
        b"[" * 100_000,
        b'{"a":' * 100_000,
        msgspec.json.encode({**EVENT, "event": "unheard_of"}),
        msgspec.json.encode({**EVENT, "trace": []}),
        msgspec.json.encode({**EVENT, "runName": "x" * (TEXT_LIMIT + 1)}),
        msgspec.json.encode(EVENT).replace(b"8999", b"NaN"),
        msgspec.json.encode(EVENT).replace(b"8999", b"1e400"),
        msgspec.json.encode(EVENT).replace(b"8999", b"9" * 10_000),
        msgspec.json.encode(EVENT).replace(b'"a1/0024fd"', b'"\\ud800"'),
        b"\x80\x04\x95\x0a\x00\x00\x00\x00\x00\x00\x00\x8c\x02os\x94.",
    ],
)
def test_what_is_no_event_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidArguments, match="no event of Nextflow's"):
        read_weblog(body)


def test_of_a_key_that_is_there_twice_the_last_counts() -> None:
    body = msgspec.json.encode(EVENT).replace(b'{"runName"', b'{"runName":"first","runName"', 1)
    assert plain(read_weblog(body))["pipeline_name"] == "mad_joliot"
