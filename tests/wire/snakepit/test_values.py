"""Arguments as they come, values as they go."""

from __future__ import annotations

import pickle
from datetime import UTC, datetime

import numpy as np
import pytest

from farhand.errors import InvalidArguments, TooLarge
from farhand.wire.snakepit import messages
from farhand.wire.snakepit.values import read_args, write_map, write_value


def test_json_then_text_then_bytes() -> None:
    found = read_args({"a": b"[1]", "b": b"[1", "c": b"\xff", "d": b"", "e": b'"x"'}, {})
    assert found == {"a": [1], "b": "[1", "c": b"\xff", "d": "", "e": "x"}


def test_hints_decide() -> None:
    assert read_args({"a": b"12", "b": b'"x"', "c": b"1"}, {"a": str, "b": str, "c": bytes}) == {
        "a": "12",
        "b": "x",
        "c": b"1",
    }


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_pickles_are_refused_by_name(protocol: int) -> None:
    with pytest.raises(InvalidArguments, match="'model' is a pickle"):
        read_args({"model": pickle.dumps({"a": np.float64}, protocol=protocol)}, {"model": bytes})


@pytest.mark.parametrize("data", [b"\x80\x04", b"\x80\x02\xff.", b"\x80\x04" + b"\xfe" * 50 + b"."])
def test_other_bytes_are_not_taken_for_pickles(data: bytes) -> None:
    assert read_args({"a": data}, {}) == {"a": data}


def test_values_go_as_what_they_are() -> None:
    assert write_map({"t": "é", "b": bytearray(b"\xff"), "n": 1, 5: [True, None]}) == {
        "t": "é".encode(),
        "b": b"\xff",
        "n": b"1",
        "5": b"[true,null]",
    }
    assert write_map([1]) == {"result": b"[1]"}
    assert write_value(np.array([[1.0, 2.0]])) == b"[[1.0,2.0]]"
    assert write_value(datetime(2026, 1, 2, tzinfo=UTC)) == b'"2026-01-02T00:00:00Z"'
    assert write_value("\ud800") == b"?"


def test_an_answer_over_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(messages, "MESSAGE_LIMIT", 100)
    assert messages.result("", {"a": b"x" * 40})
    with pytest.raises(TooLarge):
        messages.result("", {"a": b"x" * 101})
