"""What handlers' hints make of values, and the dialect that a worker answers in."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from farhand import App
from farhand.errors import InvalidArguments
from farhand.model.event import Kind
from farhand.model.job import Input
from farhand.model.payload import NOTHING, Media, Payload
from farhand.wire.codecs.files import File
from farhand.wire.farhand._pb import common_pb2
from farhand.wire.farhand.incoming import Assignment
from farhand.wire.values import from_payload, to_payload
from farhand.worker.call import Call
from farhand.worker.context import Context
from farhand.worker.inputs import filled
from farhand.worker.signature import Signature


def bound(hint: Any, value: Any, media: int = Media.MSGPACK) -> Any:
    """What a handler gets for `value` where its parameter has this hint."""

    def take(x: Any) -> None: ...

    take.__annotations__ = {"x": hint}
    (found,), _ = Signature("take", take, Context).bind(to_payload({"x": value}, media), lambda: None)
    return found


@pytest.mark.parametrize("media", [Media.JSON, Media.MSGPACK])
def test_arrays_by_their_hints(media: int) -> None:
    assert bound(np.ndarray, np.arange(3), media).tolist() == [0, 1, 2]
    assert bound(np.ndarray, [[1, 2], [3, 4]], media).shape == (2, 2)
    assert bound(npt.NDArray[np.float32], [1, 2], media).dtype == np.float32
    assert bound(npt.NDArray[np.float64], np.arange(3, dtype="i4"), media).dtype == np.float64
    assert bound(npt.NDArray[np.integer], np.arange(3), media).dtype.kind == "i"
    assert bound(npt.NDArray[Any], [0.5], media).tolist() == [0.5]
    assert bound(np.ndarray | None, None, media) is None


@pytest.mark.parametrize(
    ("hint", "value", "message"),
    [
        (np.ndarray, "x", "got `str`"),
        (np.ndarray, [[1], [1, 2]], "inhomogeneous"),
        (np.ndarray, [{"a": 1}], "the lists hold no numbers"),
        (npt.NDArray[np.float32], np.zeros(2), "it is of float64, not of float32"),
        (npt.NDArray[np.integer], np.zeros(2), "it is of float64, not of integer"),
        (pd.DataFrame, 5, "got `int`"),
        (pl.DataFrame, [{"a": 1}, 5], "Expected `polars.DataFrame`"),
        (pa.Table, np.zeros(2), "got `numpy.ndarray`"),
        (common_pb2.Fault, {"nothing": 1}, "is no farhand.v1.Fault"),
        (common_pb2.Fault, common_pb2.Progress(), "is no farhand.v1.Fault"),
        (File, {"name": "x", "data": "not base64!"}, "base64 in data"),
    ],
)
def test_what_does_not_fit_a_hint_is_named(hint: Any, value: Any, message: str) -> None:
    with pytest.raises(InvalidArguments, match="the arguments don't fit 'take'") as caught:
        bound(hint, value)
    (problem,) = caught.value.details["problems"]
    assert problem["path"] == "x"
    assert message in problem["message"]


@pytest.mark.parametrize("media", [Media.JSON, Media.MSGPACK])
def test_tables_messages_and_files_by_their_hints(media: int) -> None:
    for hint in (pd.DataFrame, pl.DataFrame, pa.Table, pa.RecordBatch):
        for value in ([{"a": 1}, {"a": 2}], {"a": [1, 2]}, pl.DataFrame({"a": [1, 2]})):
            found = bound(hint, value, media)
            assert isinstance(found, hint)
            assert found.shape == (2, 1)
    for hint in (pd.Series, pl.Series, pa.Array, pa.ChunkedArray):
        assert list(bound(hint, [1, 2], media)) in ([1, 2], [pa.scalar(1), pa.scalar(2)])
    assert bound(common_pb2.Fault, common_pb2.Fault(code="X"), media) == common_pb2.Fault(code="X")
    assert bound(common_pb2.Fault, {"code": "X"}, media) == common_pb2.Fault(code="X")
    assert bound(File, File.of(b"data", "a.csv"), media).read() == b"data"
    assert bound(list[File], [{"name": "b", "data": "eA=="}], media)[0].read() == b"x"
    assert bound(File, {"name": "b", "data": b"x"}, media).read() == b"x"


def test_any_and_further_arguments_get_what_was_sent() -> None:
    def take(x: Any, **more: Any) -> None: ...

    args = to_payload({"x": [np.zeros(1)], "y": pl.Series([1])})
    (found,), more = Signature("take", take, Context).bind(args, lambda: None)
    assert isinstance(found[0], np.ndarray)
    assert isinstance(more["y"], pl.Series)


def test_the_schema_says_what_json_callers_send() -> None:
    def take(a: np.ndarray, t: pd.DataFrame, s: pl.Series, m: common_pb2.Fault, f: File) -> pa.Table: ...

    signature = Signature("take", take, Context)
    schema = msgspec.json.decode(signature.parameters_schema())
    properties = schema["$defs"]["take_arguments"]["properties"]
    assert properties["a"]["type"] == "array"
    assert properties["a"]["description"].startswith("numpy.ndarray: nested lists")
    assert properties["t"]["items"] == {"type": "object"}
    assert properties["s"]["description"].startswith("polars.Series: a list of values")
    assert properties["m"]["description"].endswith("application/x-protobuf;type=farhand.v1.Fault")
    assert properties["f"]["required"] == ["name", "data"]
    assert "pyarrow.Table" in msgspec.json.decode(signature.result_schema())["description"]


class Box:
    """An outbox that keeps."""

    generation = 0

    def __init__(self) -> None:
        self.said: list[tuple[int, Payload]] = []

    def end(self, call: Call, kind: int, data: bytes, media: int, chunks: int) -> None:
        self.said.append((kind, Payload(data, media)))


def answered(value: Any, args: Payload, app: App | None = None) -> Payload:
    """How a worker answers `value` to who sent `args`."""
    app = app or App()
    app.handler(name="give")(lambda: None)
    box: Any = Box()
    call = Call(Assignment("j", "give", args, None, 0), app.handlers["give"], box, SimpleNamespace(), "w", app.codecs)
    made = call.result_payload(value)
    assert isinstance(made, Payload)
    call.succeed(made)
    kind, payload = box.said[0]
    assert kind == Kind.SUCCEEDED
    return Payload(payload.data, payload.media)


def test_a_worker_answers_in_the_dialect_it_was_asked_in() -> None:
    array, frame = np.array([1.5, 2]), pd.DataFrame({"a": [1]})
    as_json, as_msgpack = Payload(b"{}", Media.JSON), Payload(b"\x80", Media.MSGPACK)
    assert answered(array, as_json) == Payload(b"[1.5,2.0]", Media.JSON)
    assert answered({"t": frame}, as_json) == Payload(b'{"t":[{"a":1}]}', Media.JSON)
    for args in (as_msgpack, NOTHING, to_payload({"x": array})):
        assert answered(array, args).media == Media.ARROW
        assert answered({"x": array}, args).media == Media.BUNDLE
        assert answered({"x": 1}, args).media == Media.MSGPACK


def test_to_who_reads_all_a_small_value_is_json_and_no_other() -> None:
    open_json = Payload(b"{}", Media.OPEN_JSON)
    assert answered({"x": 1}, open_json) == Payload(b'{"x":1}', Media.OPEN_JSON)
    assert answered({"x": b"1"}, open_json).media == Media.MSGPACK
    assert answered("x" * 20_000, open_json).media == Media.MSGPACK
    assert answered("x" * 200, open_json, App(json_up_to=100)).media == Media.MSGPACK
    assert answered(np.zeros(2), open_json).media == Media.ARROW


def test_arrays_from_other_jobs_stand_beside_what_was_given() -> None:
    array = Input("x", (to_payload(np.arange(3)),))
    inner = Input("y", (to_payload({"z": np.ones(1)}),))
    chunks = Input("c", (to_payload(np.zeros(1)), to_payload([1])), chunks=True)
    for args in (NOTHING, to_payload({"a": 1}), to_payload({"a": 1}, Media.JSON), to_payload({"a": np.zeros(2)})):
        found = from_payload(filled(args, (array, inner, chunks)))
        assert found["x"].tolist() == [0, 1, 2]
        assert found["y"]["z"].tolist() == [1]
        assert found["c"][0].tolist() == [0]
        assert ("a" in found) == (args != NOTHING)
    with pytest.raises(InvalidArguments, match="given twice"):
        filled(to_payload({"x": np.zeros(1)}), (array,))
    plain = filled(Payload(b'{"a":1}', Media.OPEN_JSON), (Input("x", (to_payload(1, Media.JSON),)),))
    assert plain == Payload(b'{"a":1,"x":1}', Media.OPEN_JSON)


def test_a_session_may_start_from_an_array(tmp_path: Path) -> None:
    from farhand.worker.sessions import Sessions

    one = Assignment("j", "f", NOTHING, None, 0)
    one.session, one.session_data = "s", to_payload({"w": np.arange(2)})
    state, _ = Sessions(None).open(one)
    assert state["w"].tolist() == [0, 1]
