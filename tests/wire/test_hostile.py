"""What strangers send fails in the reader, by `InvalidArguments`, soon and in little memory."""

from __future__ import annotations

import struct
import subprocess
import sys
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pytest

from farhand.errors import InvalidArguments
from farhand.model.payload import Media, Payload
from farhand.wire.codecs.files import File
from farhand.wire.values import from_payload, to_payload

LONG = 2**40
TEXT = "x" * 500_000


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("corpus", ["plain", "arrays", "tables"])
def test_altered_payloads_are_read_or_refused_in_little_memory_and_time(corpus: str, seed: int) -> None:
    """60,000 in all."""
    command = (sys.executable, "-m", "tests.wire.hostile", corpus, str(seed), "10000")
    done = subprocess.run(command, capture_output=True, text=True, timeout=55)
    assert done.returncode == 0, done.stderr[-2000:]
    cases, read = map(int, done.stdout.split())
    assert cases == 10_000
    assert 0 < read < cases


def stream(table: pa.Table, meta: dict[str, Any], compression: str | None = None) -> Payload:
    """A table that says of itself what `meta` says."""
    sink = pa.BufferOutputStream()
    table = table.replace_schema_metadata({b"farhand": msgspec.json.encode(meta)})
    options = pa.ipc.IpcWriteOptions(compression=compression, allow_64bit=True)
    with pa.ipc.new_stream(sink, table.schema, options=options) as writer:
        writer.write(table)
    return Payload(sink.getvalue().to_pybytes(), Media.ARROW)


def shared_views() -> pa.Array:
    """20,000 rows that all show the same 500,000 characters."""
    views = struct.pack("<i4sii", len(TEXT), b"xxxx", 0, 0) * 20_000
    return pa.Array.from_buffers(pa.string_view(), 20_000, [None, pa.py_buffer(views), pa.py_buffer(TEXT.encode())])


def shared_words() -> pa.Array:
    """A list of a dictionary's one long word, 100,000 times."""
    words = pa.DictionaryArray.from_arrays(pa.array([0] * 100_000, pa.int8()), [TEXT])
    return pa.ListArray.from_arrays(pa.array([0, 100_000], pa.int32()), words)


BOMBS = {
    "nulls": pa.Array.from_buffers(pa.null(), LONG, [None]),
    "runs": pa.RunEndEncodedArray.from_arrays(pa.array([LONG]), pa.array(["x"])),
    "no bytes": pa.Array.from_buffers(pa.binary(0), LONG, [None, pa.py_buffer(b"")]),
    "no fields": pa.Array.from_buffers(pa.struct([]), LONG, [None]),
    "nulls in a list": pa.Array.from_buffers(
        pa.large_list(pa.null()),
        1,
        [None, pa.py_buffer(struct.pack("<qq", 0, LONG))],
        children=[pa.Array.from_buffers(pa.null(), LONG, [None])],
    ),
    "views": shared_views(),
    "dictionary": shared_words(),
}


@pytest.mark.parametrize("kind", ["pandas.DataFrame", "polars.DataFrame"])
@pytest.mark.parametrize("bomb", BOMBS)
def test_columns_that_would_grow_are_not_converted(bomb: str, kind: str) -> None:
    payload = stream(pa.table({"a": BOMBS[bomb]}), {"kind": kind})
    assert len(payload.data) < 1_000_000
    with pytest.raises(InvalidArguments, match="far more memory than its size allows"):
        from_payload(payload)


@pytest.mark.parametrize("bomb", ["views", "nulls in a list"])
def test_nor_is_a_check_left_to_walk_through_them(bomb: str) -> None:
    with pytest.raises(InvalidArguments, match="far more memory than its size allows"):
        from_payload(stream(pa.table({"a": BOMBS[bomb]}), {"kind": "pyarrow.Table"}))


@pytest.mark.parametrize("codec", ["lz4", "zstd"])
def test_compressed_columns_are_read_but_no_bombs(codec: str) -> None:
    small = stream(pa.table({"a": np.zeros(100_000)}), {}, codec)
    assert from_payload(small).num_rows == 100_000
    large = stream(pa.table({"a": np.zeros(30_000_000)}), {}, codec)
    assert len(large.data) < 1_100_000
    with pytest.raises(InvalidArguments, match="far more memory"):
        from_payload(large)


def array_stream(meta: dict[str, Any], values: Any = None) -> Payload:
    return stream(pa.table({"value": np.arange(6.0) if values is None else values}), {"kind": "numpy.ndarray", **meta})


@pytest.mark.parametrize(
    ("meta", "message"),
    [
        ({}, "without its shape"),
        ({"array": {"dtype": "<f8", "shape": [7]}}, "doesn't fit"),
        ({"array": {"dtype": "<f8", "shape": [-2, -3]}}, "doesn't fit"),
        ({"array": {"dtype": "<f8", "shape": [2**62, 2**62]}}, "doesn't fit"),
        ({"array": {"dtype": "<f8", "shape": [1] * 65 + [6]}}, "doesn't fit"),
        ({"array": {"dtype": "<i4", "shape": [6]}}, "is sent as double"),
        ({"array": {"dtype": "O", "shape": [6]}}, "isn't sent"),
        ({"array": {"dtype": "|O8", "shape": [6]}}, "isn't sent"),
        ({"array": {"dtype": [["a", "|O"]], "shape": [6]}}, "isn't sent"),
        ({"array": {"dtype": [["a", "<f8", [2**62]]], "shape": [6]}}, "unknown dtype|isn't sent"),
        ({"array": {"dtype": "nonsense", "shape": [6]}}, "unknown dtype"),
        ({"array": {"dtype": 5, "shape": [6]}}, "can't be read"),
        ({"array": "x"}, "can't be read"),
    ],
)
def test_what_an_array_says_of_itself_is_checked(meta: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidArguments, match=message):
        from_payload(array_stream(meta))


def test_values_that_do_not_exist_are_refused() -> None:
    flags = {"array": {"dtype": "|b1", "shape": [2]}}
    assert from_payload(array_stream(flags, np.array([0, 1], np.uint8))).tolist() == [False, True]
    with pytest.raises(InvalidArguments, match="neither 0 nor 1"):
        from_payload(array_stream(flags, np.array([0, 2], np.uint8)))
    text = pa.array([b"\xff\xff\xff\xff"], pa.binary(4))
    with pytest.raises(InvalidArguments, match="no character"):
        from_payload(array_stream({"array": {"dtype": "<U1", "shape": [1]}}, text))
    with pytest.raises(InvalidArguments, match="is sent as"):
        from_payload(array_stream({"array": {"dtype": "<f8", "shape": [2]}}, pa.array([1.0, None])))


def test_frames_that_lie_about_sizes_are_refused_before_arrow_sees_them() -> None:
    whole = to_payload(np.arange(100.0)).data
    for end in range(0, len(whole) - 8, 7):
        with pytest.raises(InvalidArguments):
            from_payload(Payload(whole[:end], Media.ARROW))
    huge = b"\xff\xff\xff\xff\xff\xff\xff\x7f" + whole[8:]
    with pytest.raises(InvalidArguments, match="cut off"):
        from_payload(Payload(huge, Media.ARROW))


def bundle(body: bytes, *parts: tuple[int, bytes], version: int = 1, claim: int | None = None) -> Payload:
    """A bundle written by hand."""
    whole = [(int(Media.MSGPACK), body), *parts]
    data = struct.pack("<II", version, len(whole) if claim is None else claim)
    data += b"".join(struct.pack("<QII", len(part), media, 0) for media, part in whole)
    for _, part in whole:
        data += bytes(-len(data) % 64) + part
    return Payload(data, Media.BUNDLE)


def ext(code: int, data: bytes) -> bytes:
    return msgspec.msgpack.encode(msgspec.msgpack.Ext(code, data))


ONE = ext(1, b"\x01\x00\x00\x00")


def test_a_bundle_written_by_hand_is_read() -> None:
    assert from_payload(bundle(b"\x91" + ONE, (int(Media.BYTES), b"abc"))) == [b"abc"]


@pytest.mark.parametrize(
    ("payload", "message"),
    [
        (bundle(ext(2, b"abcd"), (3, b"")), "unknown type 2"),
        (bundle(ext(1, b"ab"), (3, b"")), "unknown type 1"),
        (bundle(ext(1, b"\x02\x00\x00\x00"), (3, b"")), "isn't there"),
        (bundle(b"\x92" + ONE + ONE, (3, b"abc")), "isn't there"),
        (bundle(ONE, (7, b"abc")), "holds another"),
        (bundle(ONE, (99, b"abc")), "unknown media type 99"),
        (bundle(b"\xc1", (3, b"abc")), "not valid application/vnd.farhand.bundle"),
        (bundle(ONE, (3, b"abc"), version=2), "unknown version 2"),
        (bundle(ONE, (3, b"abc"), claim=0), "cut off"),
        (bundle(ONE, (3, b"abc"), claim=2**32 - 1), "cut off"),
        (Payload(bundle(ONE, (3, b"abc")).data[:-1], 7), "cut off"),
        (Payload(bundle(ONE, (3, b"abc")).data + b"x", 7), "doesn't end"),
        (Payload(b"\x01\x00", 7), "cut off"),
        (Payload(ONE, 2), "unknown type 1"),
        (Payload(b"\x91" * 100_000, 2), "not valid application/msgpack"),
        (Payload(b"\x00\x05a.b.", 5), "doesn't begin"),
        (Payload(b"\x00\x02\xff\xff", 5), "isn't UTF-8"),
        (Payload(b"\x00\x13farhand.v1.Progress\xff", 5), "no valid farhand.v1.Progress"),
        (Payload(b"\x00\x06no.one", 5), "no.one isn't known here: import"),
        (Payload(b"", 6), "doesn't begin"),
        (Payload(b"\x00\x03a/b", 6), "'a/b', which no codec here reads"),
        (Payload(b"\x00\x1bapplication/x-python-pickle.", 6), 'pickle is refused unless both ends name it'),
    ],
)  # fmt: skip
def test_payloads_that_are_wrong_say_why(payload: Payload, message: str) -> None:
    with pytest.raises(InvalidArguments, match=message):
        from_payload(payload)


@pytest.mark.parametrize("name", ["..%2Fpasswd", "%2Fetc%2Fpasswd", "a%5Cb", "..", "", "a%00b", "x" * 300])
def test_a_files_name_is_the_name_of_a_file(name: str) -> None:
    text = f"text/plain;name={name}".encode()
    with pytest.raises(InvalidArguments, match="impossible name"):
        from_payload(Payload(len(text).to_bytes(2, "big") + text + b"data", Media.NAMED))


def test_a_file_is_never_more_than_a_file() -> None:
    text = b"application/x-python-pickle;name=a"
    found = from_payload(Payload(len(text).to_bytes(2, "big") + text + b"data", Media.NAMED))
    assert isinstance(found, File)
    assert found.read() == b"data"
