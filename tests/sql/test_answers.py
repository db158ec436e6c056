"""Columns, rows and values as they come from each database, and what errors say."""

from __future__ import annotations

import contextlib
import math
from typing import Any

import msgspec
import pytest

from farhand.errors import InvalidArguments
from farhand.sql import BadParameters, Databases, DatabaseUnknown, QueryFailed, querying
from farhand.wire.values import from_payload, to_json, to_payload
from tests.sql.places import ITEMS, Answer, Place


def test_rows_come_with_columns_and_a_count(databases: Databases) -> None:
    answer = Answer(databases, "select id, name from items order by id")
    assert [one["name"] for one in answer.columns] == ["id", "name"]
    assert answer.rows == [list(row) for row in ITEMS]
    assert answer.result == {"rows": 3, "truncated": False}


def test_an_answer_without_rows_has_columns(databases: Databases) -> None:
    answer = Answer(databases, "select id, name from items where id > 3")
    assert [one["name"] for one in answer.columns] == ["id", "name"]
    assert (answer.rows, answer.result) == ([], {"rows": 0, "truncated": False})


def test_two_columns_of_one_name_are_two(databases: Databases) -> None:
    answer = Answer(databases, "select 1 as a, 2 as a")
    assert (len(answer.columns), answer.rows) == (2, [[1, 2]])


@pytest.mark.parametrize(
    "value",
    ["it's", "\\", '"', "%s %", ":a", "?", "'; drop table items; --", "☃ 🔩 \u202e", "\r\n\t", "x" * 100_000, ""],
    ids=ascii,
)
def test_texts_come_back_as_they_went(databases: Databases, value: str) -> None:
    assert Answer(databases, "select :a as a", {"a": value}).value == value
    assert Answer(databases, "select ? as a", [value]).value == value


def test_parameters_find_what_they_name_and_nothing_else(databases: Databases) -> None:
    found = "select id from items where name = :name"
    assert Answer(databases, found, {"name": "bölt ☃ 🔩"}).value == 2
    assert Answer(databases, found, {"name": "x' or '1'='1"}).rows == []
    assert Answer(databases, "select id from items where id in (?, ?) order by id", [1, 3]).rows == [[1], [3]]


@pytest.mark.parametrize("value", [0, -1, 2**53 + 1, 2**63 - 1, -(2**63)])
def test_integers_are_exact(databases: Databases, value: int) -> None:
    answer = Answer(databases, f"select {value}", [])
    assert int(answer.value) == value


@pytest.mark.parametrize("value", [0.1, -2.5e-300, 1.7976931348623157e308])
def test_floats_are_exact(databases: Databases, place: Place, value: float) -> None:
    kind = {"postgresql": "float8", "mysql": "double", "sqlite": "real"}[place.kind]
    assert Answer(databases, f"select cast(? as {kind})", [value]).value == value


POSTGRES_VALUES = [
    ("123456789012345678901234567890.1234567890::numeric", "123456789012345678901234567890.1234567890", "numeric"),
    ("'NaN'::numeric", "NaN", "numeric"),
    ("'NaN'::float8", "NaN", "float8"),
    ("'-Infinity'::float4", "-Infinity", "float4"),
    ("array['NaN', 1.5]::float8[]", ["NaN", 1.5], "float8[]"),
    ("array[[1, null], [2, 3]]", [[1, None], [2, 3]], "int4[]"),
    ("date '2024-02-29'", "2024-02-29", "date"),
    ("date 'infinity'", "infinity", "date"),
    ("date '0044-03-15 BC'", "0044-03-15 BC", "date"),
    ("timestamp '2024-02-29 23:59:59.123456'", "2024-02-29T23:59:59.123456", "timestamp"),
    ("timestamp '12024-02-29'", "12024-02-29 00:00:00", "timestamp"),
    ("timestamptz '2024-02-29 12:00:00+05:30' at time zone 'UTC'", "2024-02-29T06:30:00", "timestamp"),
    ("timestamptz '-infinity'", "-infinity", "timestamptz"),
    ("time '24:00:00'", "24:00:00", "time"),
    ("interval '1 month 2 days 3 seconds'", "P1M2DT3S", "interval"),
    (r"'\x00ff'::bytea", b"\x00\xff", "bytea"),
    ("true", True, "bool"),
    ("'{\"a\": 1.10}'::jsonb", '{"a": 1.10}', "jsonb"),
    ("'00000000-0000-0000-0000-00000000000a'::uuid", "00000000-0000-0000-0000-00000000000a", "uuid"),
    ("int4range(1, 5)", "[1,5)", "int4range"),
    ("row(1, 'x')", "(1,x)", "record"),
    ("inet '10.0.0.1/8'", "10.0.0.1/8", "inet"),
    ("'big'::size", "big", "size"),
    ("null", None, "text"),
]


@pytest.mark.parametrize(("sql", "value", "kind"), POSTGRES_VALUES, ids=[sql for sql, _, _ in POSTGRES_VALUES])
def test_values_of_postgresql(postgres: Place, sql: str, value: Any, kind: str) -> None:
    if kind == "size" and not postgres.do("select 1 from pg_type where typname = 'size'"):
        postgres.do("create type size as enum ('big')")
    with contextlib.closing(Databases({"here": postgres.url})) as databases:
        answer = Answer(databases, f"select {sql}")
    assert (answer.value, answer.columns[0]["type"]) == (value, kind)


def test_a_moment_has_its_offset(postgres: Place) -> None:
    with contextlib.closing(Databases({"here": f"{postgres.url}?options=-ctimezone%3DUTC"})) as databases:
        assert Answer(databases, "select timestamptz '2024-02-29 12:00:00+05:30'").value == "2024-02-29T06:30:00+00:00"


MYSQL_VALUES = [
    ("cast('1234567890.12' as decimal(20, 4))", "1234567890.1200", "decimal"),
    ("cast('2024-02-29' as date)", "2024-02-29", "date"),
    ("cast('2024-02-29 23:59:59.123456' as datetime(6))", "2024-02-29T23:59:59.123456", "datetime"),
    ("cast('-838:59:59' as time)", "-838:59:59", "time"),
    ("x'00ff'", b"\x00\xff", "varbinary"),
    ("cast(18446744073709551615 as unsigned)", 2**64 - 1, "bigint unsigned"),
    ("1.5e0", 1.5, "double"),
    ("null", None, "null"),
]


@pytest.mark.parametrize(("sql", "value", "kind"), MYSQL_VALUES, ids=[sql for sql, _, _ in MYSQL_VALUES])
def test_values_of_mysql(mysql: Place, sql: str, value: Any, kind: str) -> None:
    with contextlib.closing(Databases({"here": mysql.url})) as databases:
        answer = Answer(databases, f"select {sql}")
    assert (answer.value, answer.columns[0]["type"]) == (value, kind)


def test_values_of_sqlite(sqlite: Place) -> None:
    with contextlib.closing(Databases({"here": sqlite.url})) as databases:
        answer = Answer(databases, "select 1, 1.5, 9e999, -9e999, 'a', x'00ff', null, cast(x'ff' as text)")
    assert answer.rows == [[1, 1.5, "Infinity", "-Infinity", "a", b"\x00\xff", None, b"\xff"]]
    kinds = ["integer", "real", "real", "real", "text", "blob", "null", "blob"]
    assert [one["type"] for one in answer.columns] == kinds


@pytest.mark.parametrize(
    ("kind", "sql", "sizes"),
    [
        ("postgresql", "select 'a'::varchar(20), 1::numeric(10, 2), 1::int8", [(20, None), (10, 2), (None, None)]),
        ("mysql", "select cast('a' as char(20)), cast(1 as decimal(10, 2)), 1", [(20, None), (10, 2), (None, None)]),
    ],
)
def test_sizes_are_those_of_the_type(places: dict[str, Place], kind: str, sql: str, sizes: list[Any]) -> None:
    with contextlib.closing(Databases({"here": places[kind].url})) as databases:
        columns = Answer(databases, sql).columns
    assert [(one["size"], one["scale"]) for one in columns] == sizes


def test_every_value_passes_messagepack_and_json_unchanged(postgres: Place) -> None:
    with contextlib.closing(Databases({"here": postgres.url})) as databases:
        query = "select " + ", ".join(
            f"{sql} as c{at}" for at, (sql, _, kind) in enumerate(POSTGRES_VALUES) if kind != "size"
        )
        rows = Answer(databases, query).rows
    assert from_payload(to_payload(rows)) == rows
    as_json = msgspec.json.decode(to_json(rows))
    assert as_json == [["AP8=" if value == b"\x00\xff" else value for value in row] for row in rows]
    assert all(math.isfinite(value) for row in rows for value in row if isinstance(value, float))


def test_tables_have_their_columns(databases: Databases, place: Place) -> None:
    schema = place.url.rpartition("/")[2] if place.kind == "mysql" else None  # MySQL shows all it has
    found = [one for one in querying.tables(databases, "here", lambda: False) if schema in (None, one["schema"])]
    (items,) = [one for one in found if one["name"] == "items"]
    assert items["kind"] == "table"
    assert [(one["name"], one["size"], one["nullable"]) for one in items["columns"]][1] == ("name", 40, True)
    assert items["columns"][0]["type"].lower() in ("integer", "int")
    assert items["columns"][0]["nullable"] is (place.kind == "sqlite")


def test_what_the_database_says_is_said(databases: Databases) -> None:
    with pytest.raises(QueryFailed, match="nowhere"):
        Answer(databases, "select * from nowhere")
    assert Answer(databases, "select 1").value == 1


def test_an_unknown_database_names_those_that_are(databases: Databases) -> None:
    with pytest.raises(DatabaseUnknown, match="'nope' here; there is: here"):
        Answer(databases, "select 1", database="nope")


def test_several_databases_are_told_apart(places: dict[str, Place]) -> None:
    urls = {kind: places[kind].url for kind in ("postgresql", "mysql", "sqlite")}
    with contextlib.closing(Databases(urls)) as databases:
        for kind in urls:
            own = {"sqlite": "select count(*) from sqlite_master"}.get(kind, "select version()")
            assert Answer(databases, own, database=kind).rows
        with pytest.raises(DatabaseUnknown):
            Answer(databases, "select 1")


def test_numbers_that_make_no_sense_are_refused(databases: Databases) -> None:
    with pytest.raises(InvalidArguments, match="chunk_rows"):
        Answer(databases, "select 1", chunk_rows=0)
    with pytest.raises(InvalidArguments, match="max_rows"):
        Answer(databases, "select 1", max_rows=-1)


def test_lists_are_parameters_where_the_database_has_arrays(places: dict[str, Place]) -> None:
    for kind, place in ((kind, places[kind]) for kind in ("postgresql", "sqlite")):
        with contextlib.closing(Databases({"here": place.url})) as databases:
            query = "select id from items where id = any(:ids) order by id"
            if kind == "postgresql":
                assert Answer(databases, query, {"ids": [1, 3]}).rows == [[1], [3]]
            else:
                with pytest.raises(BadParameters):
                    Answer(databases, query, {"ids": [1, 3]})


@pytest.mark.parametrize(
    "url",
    [
        "",
        "nonsense",
        "oracle://u:secret@h/d",
        "sqlite://",
        "sqlite:///",
        "postgresql+asyncpg://u:secret@h/d",
        "postgresql://u:secret@h:port/d",
        "env:NOT_SET_AT_ALL",
    ],
)
def test_urls_that_are_none_are_refused_without_their_password(url: str) -> None:
    with pytest.raises(InvalidArguments) as refused:
        Databases({"here": url})
    assert "here" in str(refused.value)
    assert "secret" not in str(refused.value)


def test_a_url_may_stand_in_a_variable(sqlite: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HERE_URL", sqlite.url)
    with contextlib.closing(Databases({"here": "env:HERE_URL"})) as databases:
        assert Answer(databases, "select count(*) from items").value == 3
