"""Tables and series come back as the type they were; where a library is missing, the error says which."""

from __future__ import annotations

import datetime
import sys
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from farhand.errors import InvalidArguments
from farhand.model.payload import Media
from farhand.wire.values import DEFAULT, from_payload, to_payload

WHEN = datetime.datetime(2024, 2, 29, 12)
TABLES: dict[str, Any] = {
    "pandas": pd.DataFrame({"a": [1, 2], "b": ["x", None], "c": [1.5, np.nan]}, index=["p", "q"]),
    "pandas, empty": pd.DataFrame({"a": pd.Series([], dtype="int64")}),
    "pandas, no columns": pd.DataFrame(index=range(3)),
    "pandas, times": pd.DataFrame({"t": pd.date_range("2020", periods=2, tz="Europe/Berlin")}),
    "pandas, several indexes": pd.DataFrame({"a": [1]}, index=pd.MultiIndex.from_tuples([(1, "x")], names=["i", None])),
    "pandas, categories": pd.DataFrame({"a": pd.Series(["x", "y", "x"], dtype="category")}),
    "pandas, numbers as names": pd.DataFrame({0: [1], 1: [2]}),
    "series": pd.Series([1, 2], name="n", index=["a", "b"]),
    "series without a name": pd.Series(["x", "y"]),
    "series with a number": pd.Series([1.5], name=3),
    "polars": pl.DataFrame({"a": [1, None], "l": [[1], [2, 3]], "t": [WHEN, None], "s": [{"x": 1}, {"x": 2}]}),
    "polars, enum": pl.DataFrame({"e": pl.Series(["a", "b"], dtype=pl.Enum(["a", "b"]))}),
    "polars, empty": pl.DataFrame({"a": []}, schema={"a": pl.Int8}),
    "polars series": pl.Series("n", [1, 2]),
    "polars series without a name": pl.Series([b"x"]),
    "table": pa.table({"a": [1, None]}, metadata={b"mine": b"kept"}),
    "table of batches": pa.Table.from_batches([pa.record_batch({"a": [n]}) for n in range(3)]),
    "batch": pa.record_batch({"a": [1, 2]}),
    "empty batch": pa.record_batch({"a": pa.array([], pa.int8())}),
    "array": pa.array([1, None, 3]),
    "chunks": pa.chunked_array([["a"], ["b", "c"]]),
}


@pytest.mark.parametrize("name", TABLES)
def test_tables_come_back_as_they_were(name: str) -> None:
    table = TABLES[name]
    payload = to_payload(table)
    assert payload.media == Media.ARROW
    for back in (from_payload(payload), from_payload(to_payload([{"t": table}]))[0]["t"]):
        assert isinstance(back, type(table))
        assert back.equals(table)
        if isinstance(table, pd.DataFrame):
            pd.testing.assert_frame_equal(back, table, check_index_type="equiv")
        elif isinstance(table, pd.Series):
            pd.testing.assert_series_equal(back, table)
        elif isinstance(table, pl.Series):
            assert back.name == table.name
        elif isinstance(table, pl.DataFrame | pa.Table):
            assert back.schema == table.schema


def test_what_a_table_says_of_itself_stays() -> None:
    back = from_payload(to_payload(TABLES["table"]))
    assert back.schema.metadata == {b"mine": b"kept"}


def test_numbers_lie_over_the_bytes_that_came_and_are_read_only() -> None:
    frame = pd.DataFrame({"a": np.arange(10_000.0), "b": np.arange(10_000)})
    encoded = DEFAULT.encode(frame)
    assert any(np.shares_memory(np.frombuffer(one, np.uint8), frame["a"].to_numpy()) for one in encoded.buffers)
    data = encoded.payload().data
    back = DEFAULT.decode(encoded.media, (data,))
    column = back["a"].to_numpy()
    assert np.shares_memory(column, np.frombuffer(data, np.uint8))
    with pytest.raises(ValueError, match="read-only"):
        back.iloc[0, 0] = 5.0
    own = back.copy()
    own.iloc[0, 0] = 5.0
    assert own["a"][0] == 5.0
    table = from_payload(to_payload(pl.DataFrame({"a": np.arange(10_000.0)})))
    assert table["a"].sum() == np.arange(10_000.0).sum()


@pytest.mark.parametrize(
    ("library", "value"),
    [("pandas", TABLES["pandas"]), ("polars", TABLES["polars"]), ("numpy", np.zeros(3)), ("pyarrow", np.zeros(3))],
)
def test_a_missing_library_is_named(library: str, value: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    payload = to_payload({"x": value})
    monkeypatch.setitem(sys.modules, library, None)
    package = r"farhand\[arrow\]" if library == "pyarrow" else library
    with pytest.raises(InvalidArguments, match=f"needs {library}, which isn't installed here: pip install '{package}'"):
        from_payload(payload)


def test_without_pyarrow_an_array_is_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(InvalidArguments, match=r"\$.x: a numpy.ndarray needs pyarrow.*farhand\[arrow\]"):
        to_payload({"x": np.zeros(3)})
    assert from_payload(to_payload(np.zeros(3), Media.JSON)) == [0.0, 0.0, 0.0]


@pytest.mark.parametrize(
    ("value", "advice"),
    [
        (pd.DataFrame({"a": [object()]}), r"a pandas.DataFrame doesn't go into Arrow: .*column a"),
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), "Duplicate column names"),
        (pd.Series([1], name=(1, 2)), "name it by a text or a number"),
        (pl.DataFrame({"a": [1]}).lazy(), r"send its .collect\(\)"),
        (pl.DataFrame({"a": [object()]}), "the column 'a' holds Python objects"),
        (pd.Index([1]), "a pandas.*Index can't be sent; send plain data"),
    ],
)
def test_tables_that_have_no_form_say_what_to_do(value: Any, advice: str) -> None:
    with pytest.raises(InvalidArguments, match=advice):
        to_payload(value)


def test_one_that_is_more_than_a_table_is_not_cut_down() -> None:
    Places = type("Places", (pd.DataFrame,), {})
    with pytest.raises(InvalidArguments, match="Places is more than a table"):
        to_payload(Places({"a": [1]}))


@pytest.mark.parametrize(
    ("value", "records"),
    [
        (pd.DataFrame({"a": [1, 2], "b": [0.5, np.nan]}), [{"a": 1, "b": 0.5}, {"a": 2, "b": None}]),
        (pd.DataFrame({"a": [1]}, index=["p"]), [{"index": "p", "a": 1}]),
        (pd.DataFrame({"t": [pd.Timestamp("2020-01-01"), pd.NaT]}), [{"t": "2020-01-01T00:00:00"}, {"t": None}]),
        (pd.Series([1, 2]), [1, 2]),
        (pl.DataFrame({"a": [1, None]}), [{"a": 1}, {"a": None}]),
        (pl.Series([1, 2]), [1, 2]),
        (pa.table({"a": [1]}), [{"a": 1}]),
        (pa.record_batch({"a": [1]}), [{"a": 1}]),
        (pa.array([1, None]), [1, None]),
        ({"t": pl.DataFrame({"a": [1]})}, {"t": [{"a": 1}]}),
    ],
)
def test_who_speaks_json_gets_records(value: Any, records: Any) -> None:
    assert from_payload(to_payload(value, Media.JSON)) == records


def test_times_of_pandas_are_times() -> None:
    moment = pd.Timestamp("2020-01-01", tz="UTC")
    assert from_payload(to_payload([moment, pd.NaT, pd.NA])) == [moment.to_pydatetime(), None, None]
