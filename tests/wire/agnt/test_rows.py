"""Rows: what agents answer as chunks, and chunks as an answer to SendCommand."""

from __future__ import annotations

import json
import math
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from farhand.errors import HandlerFailed, InvalidArguments, OutcomeUnknown, TooLarge
from farhand.model.payload import NOTHING, Media, Payload
from farhand.wire.agnt import rows
from farhand.wire.agnt._pb import agnt_pb2
from farhand.wire.agnt.messages import Answer
from farhand.wire.agnt.rows import Assembly, Chunks, Query

META = '[{"Column Name": "a", "Data Type": "varchar", "Data Type With Size": "varchar(40)"}]'


def chunks(text: str, meta: str = "null", **options: Any) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    made = Chunks(Answer(text, meta, ""), Query(database="d", query="q", **options))
    return list(made), made.result


def test_rows_come_after_their_columns() -> None:
    got, result = chunks('[{"a": 1, "b": null}, {"a": "x"}]', META)
    columns = [{"name": "a", "type": "varchar", "size": 40}, {"name": "b", "type": "", "size": None}]
    assert got == [{"columns": columns}, {"rows": [[1, None], ["x", None]]}]
    assert result == {"rows": 2, "truncated": False}


@pytest.mark.parametrize("text", ["[]", " [ ] ", "null", "", "\n"])
def test_no_rows(text: str) -> None:
    assert chunks(text, META) == (
        [{"columns": [{"name": "a", "type": "varchar", "size": 40}]}],
        {"rows": 0, "truncated": False},
    )


scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20)
values = st.recursive(scalars, lambda one: st.lists(one, max_size=3) | st.dictionaries(st.text(), one, max_size=3))


@given(st.lists(st.tuples(values, values), max_size=30), st.integers(1, 10), st.booleans())
def test_any_rows_come_whole_and_in_order(pairs: list[tuple[Any, Any]], size: int, spaced: bool) -> None:
    given_rows = [{"a": a, "b": b} for a, b in pairs]
    text = json.dumps(given_rows, indent=1) if spaced else json.dumps(given_rows, separators=(",", ":"))
    got, result = chunks(text, chunk_rows=size)
    assert result == {"rows": len(given_rows), "truncated": False}
    assert [row for chunk in got[1:] for row in chunk["rows"]] == [list(pair) for pair in pairs]
    assert all(1 <= len(chunk["rows"]) <= size for chunk in got[1:])


def test_what_python_calls_json_is_read_too() -> None:
    got, _ = chunks('[{"a": NaN, "b": Infinity, "c": 1e400, "d": -1e-400}]')
    (row,) = got[1]["rows"]
    assert math.isnan(row[0])
    assert row[1:] == [math.inf, math.inf, 0.0]


def test_no_more_rows_than_wanted() -> None:
    text = json.dumps([{"a": n} for n in range(10)])
    got, result = chunks(text, max_rows=4, chunk_rows=3)
    assert [len(chunk["rows"]) for chunk in got[1:]] == [3, 1]
    assert result == {"rows": 4, "truncated": True}
    assert chunks(text, max_rows=10)[1] == {"rows": 10, "truncated": False}


def test_large_rows_are_few_in_a_chunk() -> None:
    got, _ = chunks(json.dumps([{"a": "x" * 20_000}] * 10))
    assert [len(chunk["rows"]) for chunk in got[1:]] == [3, 3, 3, 1]


@pytest.mark.parametrize(
    "text",
    [
        *("{}", "1", '"x"', "[1]", "[[]]", '[{"a": 1}', '[{"a": 1},', '[{"a": 1},]', '[{"a": 1}] x', '[{"a": }]'),
        *("[,]", "[null]", '[{"a": 1} {"a": 2}]', "nul", "nullx", "[" * 100_000, '[{"a": ' * 50_000, "\ufeff[]"),
        '[{"a": ' + "9" * 10_000 + "}]",
    ],
)
def test_what_is_no_list_of_rows_fails(text: str) -> None:
    with pytest.raises(HandlerFailed, match="isn't a JSON list of row objects") as caught:
        chunks(text)
    assert caught.value.type == "BadAnswer"


@pytest.mark.parametrize(
    "meta",
    [
        *("", "null", "{", "[]", "{}", "1", "[1]", '[{"Column Name": 5}]', '[{"Data Type": "x"}]', "[" * 100_000),
        '[{"Column Name": null}]',
    ],
)
def test_columns_that_are_not_told_come_from_the_first_row(meta: str) -> None:
    got, _ = chunks('[{"a": 1}]', meta)
    assert got == [{"columns": [{"name": "a", "type": "", "size": None}]}, {"rows": [[1]]}]


@pytest.mark.parametrize(
    ("sized", "size"),
    [("varchar(40)", 40), ("numeric( 10,2)", 10), ("text", None), (7, None), (None, None), ("x(" + "9" * 50, None)],
)
def test_sizes(sized: Any, size: int | None) -> None:
    meta = json.dumps([{"Column Name": "a", "Data Type": 5, "Data Type With Size": sized}])
    found = chunks("[]", meta)[0][0]["columns"][0]
    assert found == {"name": "a", "type": "", "size": size}


def test_too_many_columns_fail() -> None:
    with pytest.raises(HandlerFailed, match="10,001 columns"):
        chunks(json.dumps([{str(n): n for n in range(10_001)}]))


@pytest.mark.parametrize(
    ("args", "why"),
    [
        ({}, "missing required field `database`"),
        ({"database": None, "query": "q"}, r"Expected `str`, got `null` - at `\$.database`"),
        ({"database": 1, "query": "q"}, "got `int`"),
        ({"database": "d"}, "query: it is empty"),
        ({"database": "d", "query": ["q"]}, "got `array`"),
        ({"database": "d", "query": "q", "params": [1]}, "take no parameters"),
        ({"database": "d", "query": "q", "params": {"a": 1}}, "take no parameters"),
        ({"database": "d", "query": "q", "max_rows": 0}, "max_rows: 1 to 2,147,483,647 are possible, not 0"),
        ({"database": "d", "query": "q", "max_rows": 2**31}, "max_rows: 1 to"),
        ({"database": "d", "query": "q", "max_rows": "5"}, "got `str`"),
        ({"database": "d", "query": "q", "max_rows": True}, "got `bool`"),
        ({"database": "d", "query": "q", "max_rows": math.nan}, "got `float`"),
        ({"database": "d", "query": "q", "chunk_rows": -1}, "chunk_rows: 1 to"),
        ({"database": "d", "query": "q", "chunk_rows": None}, "got `null`"),
        ({"database": "d", "query": "q", "other": 1}, "unknown field `other`"),
    ],
)
def test_arguments_that_make_no_sense(args: dict[str, Any], why: str) -> None:
    with pytest.raises(InvalidArguments, match=why):
        rows.read_query(args)


def test_arguments_that_do() -> None:
    assert rows.read_query({"database": "d", "query": "q"}) == Query(database="d", query="q")
    full = {"database": "", "tbl_name": "t", "params": [], "max_rows": 1, "chunk_rows": 1}
    assert rows.read_query(full) == Query(database="", tbl_name="t", params=[], max_rows=1, chunk_rows=1)


def packed(value: Any, media: Media = Media.JSON) -> Payload:
    encode = msgspec.json.encode if media is Media.JSON else msgspec.msgpack.encode
    return Payload(encode(value), int(media))


def assembled(*said: Payload, result: Payload = NOTHING, most: int = 10**6) -> agnt_pb2.CommandResponse:
    assembly = Assembly(most)
    for payload in said:
        assembly.add(payload)
    return agnt_pb2.CommandResponse.FromString(assembly.answer(result))


COLUMNS = {"columns": [{"name": "a", "type": "varchar", "size": 40}, {"name": "b", "type": "text", "size": None}]}


@pytest.mark.parametrize("media", [Media.JSON, Media.MSGPACK])
def test_chunks_become_row_objects(media: Media) -> None:
    got = assembled(
        packed(COLUMNS, media),
        packed({"rows": [[1, "é"], [None, 2.5]]}, media),
        packed({"rows": []}, media),
        packed({"rows": [[[1], {"x": 1}]]}, media),
        result=packed({"rows": 3, "truncated": False}, media),
    )
    assert json.loads(got.json) == [{"a": 1, "b": "é"}, {"a": None, "b": 2.5}, {"a": [1], "b": {"x": 1}}]
    assert got.message == ""
    assert json.loads(got.meta_data) == [
        {"Column Name": "a", "Data Type": "varchar", "Data Type With Size": "varchar(40)"},
        {"Column Name": "b", "Data Type": "text", "Data Type With Size": "text"},
    ]


def test_no_chunks_are_no_rows() -> None:
    got = assembled()
    assert (got.json, got.message, got.meta_data) == ("[]", "", "null")
    assert assembled(packed(COLUMNS)).json == "[]"


def test_columns_of_one_name_are_numbered() -> None:
    columns = {"columns": [{"name": name} for name in ("a", "a", "a_2", "a")]}
    assert json.loads(assembled(packed(columns), packed({"rows": [[1, 2, 3, 4]]})).json) == [
        {"a": 1, "a_2": 2, "a_2_2": 3, "a_3": 4}
    ]


def test_a_cut_off_answer_says_so() -> None:
    got = assembled(packed(COLUMNS), result=packed({"rows": 1000, "truncated": True}))
    assert got.message == "these are the first 1,000 rows: there are more"


@pytest.mark.parametrize(
    "said",
    [
        [packed(5)],
        [packed([])],
        [packed({"columns": 5})],
        [packed({"columns": [{}]})],
        [packed({"rows": [[1]]})],
        [packed(COLUMNS), packed({"rows": [[1]]})],
        [packed(COLUMNS), packed({"rows": [[1, 2, 3]]})],
        [packed(COLUMNS), packed({"rows": 5})],
        [packed(COLUMNS), packed({"rows": [5]})],
        [packed(COLUMNS), Payload(b'{"rows":[[1,', int(Media.JSON))],
        [packed(COLUMNS), Payload(b'{"rows":[["\xff","x"]]}', int(Media.JSON))],
        [packed(COLUMNS), Payload(b'{"rows":[' + b"[" * 100_000, int(Media.JSON))],
        [Payload(b"\xc1", int(Media.MSGPACK))],
    ],
)
def test_what_is_no_chunk_of_rows(said: list[Payload]) -> None:
    with pytest.raises(OutcomeUnknown):
        assembled(*said)


def test_answers_up_to_the_limit_and_no_further() -> None:
    chunk = packed({"rows": [["x" * 100, "y" * 100]]})
    size = len(json.dumps([{"a": "x" * 100, "b": "y" * 100}], separators=(",", ":")))
    taken = 0
    for most in range(100, 5 * size):
        assembly = Assembly(most)
        try:
            assembly.add(packed(COLUMNS))
            for _ in range(3):
                assembly.add(chunk)
            assert len(assembly.answer(NOTHING)) <= most
            taken += 1
        except TooLarge:
            assert not taken
    assert taken > size
    with pytest.raises(TooLarge, match="stream sql") as caught:
        assembled(packed(COLUMNS), chunk, most=size)
    assert caught.value.details["limit"] == size


def test_a_chunk_that_could_not_be_fetched_whole_is_too_large() -> None:
    with pytest.raises(TooLarge):
        Assembly().add(Payload(b"", int(Media.REF)))


@pytest.mark.parametrize("size", [0, 1, 127, 128, 16_383, 16_384, 2_000_000])
def test_sizes_of_any_number_of_bytes_are_written_as_protobuf_does(size: int) -> None:
    assembly = Assembly(10**7)
    assembly.add(packed({"columns": [{"name": "a"}]}))
    assembly.add(packed({"rows": [["x" * size]]}))
    assert agnt_pb2.CommandResponse.FromString(assembly.answer(NOTHING)).json == f'[{{"a":"{"x" * size}"}}]'
