"""Messages, files, plugins, pickles and JSON where it keeps a value: how each travels, and what is said otherwise."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pydantic
import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from hypothesis import given, settings

from farhand.client import File
from farhand.errors import InvalidArguments, TooLarge
from farhand.model.limits import PAYLOAD_LIMIT
from farhand.model.payload import Media, Payload
from farhand.wire.codecs import plugins
from farhand.wire.codecs.base import Limits
from farhand.wire.farhand._pb import common_pb2
from farhand.wire.values import DEFAULT, Codecs, from_payload, to_json, to_payload
from tests.wire.test_values import VALUES, small_keys

# -- messages ----------------------------------------------------------------------------------------------------------


def test_messages_come_back_as_their_type() -> None:
    fault = common_pb2.Fault(code="X", message="täxt", retryable=True)
    payload = to_payload(fault)
    assert payload.media == Media.PROTOBUF
    assert from_payload(payload) == fault
    back = from_payload(to_payload({"m": [fault], "n": 1}))
    assert back == {"m": [fault], "n": 1}
    assert type(back["m"][0]) is common_pb2.Fault
    assert from_payload(to_payload(fault, Media.JSON)) == {"code": "X", "message": "täxt", "retryable": True}


def test_a_type_that_is_in_no_pool_is_asked_for() -> None:
    file = descriptor_pb2.FileDescriptorProto(name="own.proto", package="own", syntax="proto3")
    file.message_type.add(name="Thing").field.add(name="n", number=1, type=5, label=1)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    thing = message_factory.GetMessageClass(pool.FindMessageTypeByName("own.Thing"))
    payload = to_payload(thing(n=7))
    with pytest.raises(InvalidArguments, match=r"own.Thing isn't known here: import the module .*, or ask .* returns="):
        from_payload(payload)
    assert DEFAULT.read_as(payload, thing).n == 7
    with pytest.raises(InvalidArguments, match=r"doesn't fit|isn't known"):
        DEFAULT.read_as(payload, common_pb2.Fault)


# -- files -------------------------------------------------------------------------------------------------------------


def test_a_file_travels_with_its_name_and_media_type(tmp_path: Path) -> None:
    path = tmp_path / "a b;ü.csv"
    path.write_bytes(b"a,b\n1,2\n")
    file = File(path)
    assert (file.name, file.media, file.size) == ("a b;ü.csv", "text/csv", 8)
    for back in (from_payload(to_payload(file)), from_payload(to_payload({"f": [file]}))["f"][0]):
        assert (back.name, back.media, back.size, back.path) == ("a b;ü.csv", "text/csv", 8, None)
        assert back.read() == b"a,b\n1,2\n"
        assert back.save(tmp_path / "copy.csv").read_bytes() == b"a,b\n1,2\n"
    folder = tmp_path / "folder"
    folder.mkdir()
    assert from_payload(to_payload(file)).save(folder) == folder / path.name
    as_json = from_payload(to_payload(file, Media.JSON))
    assert as_json == {"name": path.name, "media": "text/csv", "data": "YSxiCjEsMgo="}


def test_a_file_is_opened_late_and_read_in_pieces(tmp_path: Path) -> None:
    file = File(tmp_path / "later.bin", media="image/png")
    assert repr(file).endswith("later.bin', media='image/png')")
    with pytest.raises(InvalidArguments, match=r"\$.f: the file .*later.bin can't be read: No such file"):
        to_payload({"f": file})
    (tmp_path / "later.bin").write_bytes(bytes(range(250)) * 4)
    assert [len(one) for one in file.buffers(300)] == [300, 300, 300, 100]
    assert [len(one) for one in File.of(b"x" * 700, "x").buffers(300)] == [300, 300, 100]
    assert b"".join(file.buffers(7)) == file.read()


def test_a_file_over_the_limit_is_not_even_read(tmp_path: Path) -> None:
    path = tmp_path / "large"
    with open(path, "wb") as file:
        file.truncate(10 * 2**30)
    with pytest.raises(TooLarge, match=r"10,737,418,2\d\d bytes"):
        to_payload(File(path))
    with pytest.raises(TooLarge):
        to_payload({"f": File(path)})
    with pytest.raises(InvalidArguments, match="no media type"):
        File(path, media="text/plain;name=x")


# -- plugins -----------------------------------------------------------------------------------------------------------


class Point:
    """A type that farhand knows nothing of."""

    def __init__(self, x: int) -> None:
        self.x = x


class PointCodec:
    name = "points"
    media = "application/vnd.example.point"

    def encode(self, value: Any) -> Sequence[Any] | None:
        return [b"x=", str(value.x).encode()] if isinstance(value, Point) else None

    def decode(self, buffers: Sequence[Any], media: str, limits: Limits) -> Any:
        limits.spend(8)
        return Point(int(b"".join(buffers).removeprefix(b"x=")))


class EntryPoint:
    """As `importlib.metadata` has it."""

    dist = None

    def __init__(self, name: str, made: Any) -> None:
        self.name, self.value, self._made = name, f"module:{name}", made

    def load(self) -> Any:
        if isinstance(self._made, Exception):
            raise self._made
        return self._made


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Let codecs be installed, and count how often they are looked for."""
    found: list[EntryPoint] = []
    looked: list[int] = []

    def points() -> list[EntryPoint]:
        looked.append(1)
        return found

    monkeypatch.setattr(plugins, "_points", points)
    plugins.installed.cache_clear()

    def add(name: str, made: Any) -> list[int]:
        found.append(EntryPoint(name, made))
        return looked

    yield add
    monkeypatch.undo()
    plugins.installed.cache_clear()


def test_an_installed_codec_is_loaded_when_it_is_needed(install: Any) -> None:
    looked = install("points", PointCodec)
    for value in ({"a": 1}, np.zeros(2), common_pb2.Fault(), File.of(b"", "f"), b"x"):
        from_payload(to_payload(value))
    assert looked == []
    payload = to_payload(Point(3))
    assert looked == [1]
    assert payload == Payload(b"\x00\x1dapplication/vnd.example.pointx=3", Media.NAMED)
    assert from_payload(payload).x == 3
    assert from_payload(to_payload({"p": [Point(5)]}))["p"][0].x == 5
    assert looked == [1]


def test_a_codec_may_be_given_as_it_is_or_by_its_name(install: Any) -> None:
    codecs = Codecs([PointCodec()])
    assert codecs.read(codecs.payload(Point(4))).x == 4
    with pytest.raises(InvalidArguments, match=r"no codec 'points'; there are: pickle$"):
        Codecs(["points"])
    install("points", PointCodec())
    assert Codecs(["points"]).read(codecs.payload(Point(4))).x == 4
    with pytest.raises(InvalidArguments, match="codecs is a list"):
        Codecs("pickle")
    with pytest.raises(InvalidArguments, match="it needs name, media, encode and decode"):
        Codecs([object()])  # type: ignore[list-item]


def test_a_broken_codec_names_itself(install: Any) -> None:
    install("broken", ImportError("no module named thing"))
    for work in (lambda: to_payload(Point(1)), lambda: from_payload(Payload(b"\x00\x03a/b", Media.NAMED))):
        with pytest.raises(InvalidArguments, match=r"the codec 'broken' of module:broken can't be loaded.*named thing"):
            work()
    assert from_payload(to_payload([1])) == [1]


def test_a_codec_that_fails_names_itself() -> None:
    class Bad(PointCodec):
        name = "bad"

        def encode(self, value: Any) -> Sequence[Any] | None:
            raise ZeroDivisionError("oh")

        def decode(self, buffers: Sequence[Any], media: str, limits: Limits) -> Any:
            raise ZeroDivisionError("oh")

    class Greedy(PointCodec):
        def decode(self, buffers: Sequence[Any], media: str, limits: Limits) -> Any:
            limits.spend(10**12)

    payload = Codecs([PointCodec()]).payload(Point(1))
    with pytest.raises(InvalidArguments, match=r"\$\[0\]: the codec 'bad' failed on it: ZeroDivisionError: oh"):
        Codecs([Bad()]).payload([Point(1)])
    with pytest.raises(InvalidArguments, match="the codec 'bad' can't read a payload: ZeroDivisionError: oh"):
        Codecs([Bad()]).read(payload)
    with pytest.raises(InvalidArguments, match="far more memory"):
        Codecs([Greedy()]).read(payload)


# -- pickle ------------------------------------------------------------------------------------------------------------


def test_pickle_is_for_those_who_ask_for_it_by_name() -> None:
    pickles = Codecs(["pickle"])
    payload = pickles.payload({"p": Point(9), "a": np.zeros(2), "plain": [1]})
    back = pickles.read(payload)
    assert back["p"].x == 9
    with pytest.raises(InvalidArguments, match="pickle is refused unless both ends name it"):
        from_payload(payload)
    with pytest.raises(InvalidArguments, match=r"\$.p: a test.*Point can't be sent; .*pickle is refused unless both"):
        to_payload({"p": Point(9)})
    with pytest.raises(InvalidArguments, match=r"\$.p: a threading.Lock can't be sent; .*can't be pickled either"):
        pickles.payload({"p": threading.Lock()})


def test_nothing_heavy_is_loaded_for_plain_values() -> None:
    """Nor does a plain failure load it. protobuf itself imports pickle, so that is looked for in our own way to it."""
    code = """
import sys
from farhand.wire.values import to_payload, from_payload, Codecs
from farhand.errors import InvalidArguments
from_payload(to_payload({"a": [1, b"x"]})); Codecs(["pickle"], json_up_to=100).payload({"a": 1})
try: to_payload(object())
except InvalidArguments: pass
print([one for one in ("numpy", "pandas", "polars", "pyarrow", "pickle") if one in sys.modules])
"""
    done = subprocess.run((sys.executable, "-c", code), capture_output=True, text=True, timeout=30, check=True)
    assert done.stdout.strip() == "[]"


# -- where a value can't be sent ---------------------------------------------------------------------------------------


@dataclasses.dataclass
class Row:
    model: Any


class Model(pydantic.BaseModel, arbitrary_types_allowed=True):
    inner: Any


class Struct(msgspec.Struct):
    s: Any


@pytest.mark.parametrize(
    ("value", "path"),
    [
        ({"rows": [1, 2, 3, {"model": threading.Lock()}]}, "$.rows[3].model"),
        ({"rows": [Row(1), Row(threading.Lock())]}, "$.rows[1].model"),
        (Struct({"a b": [threading.Lock()]}), "$.s['a b'][0]"),
        ({"m": Model(inner=[threading.Lock()])}, "$.m.inner[0]"),
        ({5: (threading.Lock(),)}, "$[5][0]"),
        (threading.Lock(), "$"),
    ],
)
@pytest.mark.parametrize("media", [Media.MSGPACK, Media.JSON, Media.OPEN_JSON])
def test_what_cannot_be_sent_is_named_with_its_path(value: Any, path: str, media: Media) -> None:
    with pytest.raises(InvalidArguments) as caught:
        to_payload(value, media, what="the answer")
    assert str(caught.value).startswith(f"the answer can't be sent: {path}: a threading.Lock ")
    assert caught.value.details["problems"][0]["path"] == path


def test_a_number_that_is_too_large_has_a_path_too() -> None:
    with pytest.raises(InvalidArguments, match=r"can't be sent: \$.a\[1\]: .*2\*\*64"):
        to_payload({"a": [1, 2**64]})


# -- JSON where it keeps the value -------------------------------------------------------------------------------------

READABLE = Codecs(json_up_to=200)


@settings(max_examples=400, deadline=None)
@given(VALUES.filter(small_keys))
def test_a_value_is_the_same_whether_it_went_as_json_or_not(value: Any) -> None:
    payload = READABLE.payload(value, READABLE.dialect)
    assert payload.media in (Media.OPEN_JSON, Media.MSGPACK, Media.BYTES)
    binary = to_payload(value)
    back = READABLE.read(payload)
    assert back == from_payload(binary)
    assert to_payload(back).data == binary.data or payload.media != Media.OPEN_JSON
    assert payload.media != Media.OPEN_JSON or len(payload.data) <= 200


@pytest.mark.parametrize("value", [{"a": [1, 2.0, None, "x", True]}, [1e16, -0.0, 2**64 - 1], {}, "täxt"])
def test_small_plain_values_go_as_json(value: Any) -> None:
    payload = READABLE.payload(value, READABLE.dialect)
    assert payload.media == Media.OPEN_JSON
    assert payload.data == msgspec.json.encode(value)


@pytest.mark.parametrize(
    "value", [b"x", {"a": b"x"}, [float("nan")], {1: 2}, "x" * 300, np.zeros(1), {"a": np.zeros(1)}]
)
def test_others_go_as_what_keeps_them(value: Any) -> None:
    assert READABLE.payload(value, READABLE.dialect).media not in (Media.OPEN_JSON, Media.JSON)


def test_the_threshold_is_a_number_of_bytes() -> None:
    for wrong in (-1, 1.5, True, "10"):
        with pytest.raises(InvalidArguments, match="json_up_to is a number of bytes"):
            Codecs(json_up_to=wrong)  # type: ignore[arg-type]
    assert Codecs().dialect == Media.MSGPACK


# -- bytes, and for people ---------------------------------------------------------------------------------------------


def test_bytes_like_values_are_not_copied_before_they_must_be() -> None:
    for value in (b"x" * 100, bytearray(b"x" * 100), memoryview(b"x" * 100)):
        encoded = DEFAULT.encode(value)
        assert encoded.buffers[0] is value
        assert encoded.payload() == Payload(b"x" * 100, Media.BYTES)
    assert to_payload(memoryview(b"abcd")[::2]).data == b"ac"
    with pytest.raises(TooLarge):
        DEFAULT.encode(bytearray(PAYLOAD_LIMIT + 1))
    assert DEFAULT.encode(bytearray(PAYLOAD_LIMIT + 1), limit=2 * PAYLOAD_LIMIT).size == PAYLOAD_LIMIT + 1


def test_for_people_all_is_json() -> None:
    value = {"a": np.arange(3), "b": b"x", "c": [np.array([1j])], "d": Point}
    found = msgspec.json.decode(to_json(value))
    assert found == {"a": [0, 1, 2], "b": "eA==", "c": ["[0.+1.j]"], "d": str(Point)}
