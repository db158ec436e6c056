"""numpy arrays come back as they were, over the memory that came."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from farhand.errors import InvalidArguments, TooLarge
from farhand.model.payload import Media
from farhand.wire.values import DEFAULT, from_payload, to_payload

GRID = np.arange(24.0).reshape(2, 3, 4)
ARRAYS: dict[str, Any] = {
    "float64": GRID,
    "float32": GRID.astype("f4"),
    "float16": GRID.astype("f2"),
    "int8": np.array([-1, 0, 1], "i1"),
    "uint64": np.array([2**64 - 1], "u8"),
    "bool": np.array([True, False, True]),
    "complex": np.array([1 + 2j, complex(np.nan, -0.0)]),
    "complex64": np.array([1 + 2j], "c8"),
    "datetime64[ns]": np.array(["2020-01-01T00:00:00.123456789", "NaT"], "M8[ns]"),
    "datetime64[D]": np.array(["2020-01-01", "NaT"], "M8[D]"),
    "timedelta64": np.array([1, -5], "m8[us]"),
    "text": np.array(["ab", "täxt", ""]),
    "bytes": np.array([b"ab", b"\x00c"]),
    "records": np.array([(1, 2.5, "x")], [("a", "i4"), ("b", "f8"), ("c", "U3")]),
    "records of arrays": np.zeros(2, [("a", "i2", (2, 3)), ("b", [("c", "u1")])]),
    "0-d": np.array(5.0),
    "empty": np.zeros((0, 3)),
    "Fortran": np.asfortranarray(GRID),
    "transposed": GRID.T,
    "strided": GRID[:, ::2, 1:],
    "reversed": GRID[::-1],
    "read-only": np.broadcast_to(np.float32(3), (2, 2)),
}


@pytest.mark.parametrize("name", ARRAYS)
def test_arrays_come_back_as_they_were(name: str) -> None:
    array = ARRAYS[name]
    payload = to_payload(array)
    assert payload.media == Media.ARROW
    back = from_payload(payload)
    assert type(back) is np.ndarray
    assert back.dtype == array.dtype
    assert back.shape == array.shape
    np.testing.assert_array_equal(back, array)
    assert not back.flags.writeable


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(["f8", "f4", "i8", "u2", "?", "c16"]), st.lists(st.integers(0, 4), max_size=4), st.booleans())
def test_any_shape_and_order(dtype: str, shape: list[int], fortran: bool) -> None:
    array = np.arange(np.prod(shape, dtype=int)).astype(dtype).reshape(shape, order="F" if fortran else "C")
    back = from_payload(to_payload({"x": [array]}))["x"][0]
    assert back.dtype == array.dtype
    np.testing.assert_array_equal(back, array)


def test_nothing_large_is_copied_on_either_side() -> None:
    for array in (np.arange(100_000.0), np.asfortranarray(np.ones((300, 300))), np.zeros(9_000, "U4")):
        for value in (array, {"x": array}):
            encoded = DEFAULT.encode(value)
            assert encoded.size == sum(memoryview(one).nbytes for one in encoded.buffers)
            assert any(np.shares_memory(np.frombuffer(one, np.uint8), array) for one in encoded.buffers)
            data = encoded.payload().data
            back = DEFAULT.decode(encoded.media, (data,))
            back = back if value is array else back["x"]
            assert np.shares_memory(back, np.frombuffer(data, np.uint8))
            assert back.flags.aligned


def test_a_value_is_read_from_one_buffer_or_several() -> None:
    array = np.arange(50_000.0)
    for value in (array, {"x": array, "y": [array[:10]]}, {"plain": 1}, b"bytes"):
        encoded = DEFAULT.encode(value)
        whole = encoded.payload().data
        for pieces in (encoded.buffers, (whole[:7], whole[7:100], whole[100:]), (memoryview(whole), b"")):
            back = DEFAULT.decode(encoded.media, pieces)
            if isinstance(value, dict) and "x" in value:
                np.testing.assert_array_equal(back["x"], array)
                np.testing.assert_array_equal(back["y"][0], array[:10])
            else:
                assert np.array_equal(back, value) if value is array else back == value
    encoded = DEFAULT.encode({"x": array})
    back = DEFAULT.decode(encoded.media, encoded.buffers)
    assert not np.shares_memory(back["x"], array)  # its part came in several buffers: joined, not shared


def test_big_endian_comes_back_in_the_order_of_machines() -> None:
    back = from_payload(to_payload(np.array([1.5, 2], ">f8")))
    assert back.dtype == np.dtype("<f8")
    assert back.tolist() == [1.5, 2]


def test_a_file_mapped_into_memory_is_an_array(tmp_path: Any) -> None:
    mapped = np.memmap(tmp_path / "x", "i4", "w+", shape=(3,))
    mapped[:] = 7
    assert from_payload(to_payload(mapped)).tolist() == [7, 7, 7]


def test_scalars_are_numbers_and_texts() -> None:
    value = [np.float32(1.5), np.int64(-3), np.bool_(True), np.str_("x"), np.bytes_(b"y"), np.datetime64("NaT")]
    assert from_payload(to_payload(value)) == [1.5, -3, True, "x", b"y", None]
    assert from_payload(to_payload(np.float64(2.5))) == 2.5
    assert from_payload(to_payload(np.datetime64("2020-01-02"))) == "2020-01-02"


@pytest.mark.parametrize(
    ("array", "advice"),
    [
        (np.array([object()]), r"an array of object can't be sent: give it a dtype that isn't object"),
        (np.array(["a"], np.dtypes.StringDType()), "give it a dtype that isn't object"),
        (np.array([1], np.longdouble), "its width differs between machines"),
        (np.zeros(3, "V0"), "can't be sent"),
        (np.zeros(3, [("a", "O")]), "can't be sent"),
        (np.ma.masked_array([1, 2], [True, False]), r"more than an array: send its .filled\(\) and its .mask"),
        (np.zeros((1, 1)).view(np.matrix), "numpy.matrix is more than an array: send np.asarray"),
        (np.zeros(2, np.dtype([("a", "i1"), ("b", "f8")], align=True)), "gaps between its fields"),
        ([{"deep": {"x": np.array([object()])}}], r"\$\[0\].deep.x: an array of object"),
        (np.complex128(1j), "a numpy.complex128 can't be sent; in an array it can"),
    ],
)
def test_arrays_that_have_no_form_say_what_to_do(array: Any, advice: str) -> None:
    with pytest.raises(InvalidArguments, match=advice):
        to_payload(array)


def test_an_array_over_the_limit_is_too_large() -> None:
    with pytest.raises(TooLarge, match=r"1,600,\d\d\d bytes"):
        to_payload({"x": np.zeros(200_000)})


@pytest.mark.parametrize(
    ("array", "lists"),
    [
        (np.array([[1.5, np.nan]]), [[1.5, None]]),
        (np.array([[True], [False]]), [[True], [False]]),
        (np.array(5), 5),
        (np.array(["2020-01-01", "NaT"], "M8[D]"), ["2020-01-01", None]),
        (np.array([(1, 2.5)], [("a", "i4"), ("b", "f8")]), [{"a": 1, "b": 2.5}]),
        ({"x": np.arange(3), "y": np.float32(0.5)}, {"x": [0, 1, 2], "y": 0.5}),
    ],
)
def test_who_speaks_json_gets_lists(array: Any, lists: Any) -> None:
    payload = to_payload(array, Media.JSON)
    assert payload.media == Media.JSON
    assert from_payload(payload) == lists


def test_what_json_has_no_form_for_or_no_room() -> None:
    with pytest.raises(InvalidArguments, match=r"\$.x: .*has no form in JSON: answer its .real and .imag"):
        to_payload({"x": np.array([1j])}, Media.JSON)
    with pytest.raises(TooLarge, match="of 1,000,000 values doesn't go into 1 MiB of JSON"):
        to_payload(np.zeros(1_000_000, "i1"), Media.JSON)
    with pytest.raises(TooLarge):
        to_payload(np.full(400_000, 100, "i1"), Media.JSON)
