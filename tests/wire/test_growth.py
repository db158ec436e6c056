"""What MessagePack becomes is bounded before it is read, and what is honest is read."""

from __future__ import annotations

import random
import subprocess
import sys
from typing import Any

import msgspec
import pytest

from farhand.errors import OutcomeUnknown, TooLarge
from farhand.model.payload import Media, Payload
from farhand.wire import plain
from farhand.wire.codecs import growth
from farhand.wire.codecs.growth import LARGE, check_growth
from farhand.wire.values import DEFAULT, from_payload
from farhand.worker.app import App
from tests.wire.growing import BOMBS, many, payloads

MIB = 1024 * 1024


@pytest.mark.parametrize("bomb", BOMBS)
def test_what_would_grow_is_refused_before_it_is_read(bomb: str) -> None:
    for payload in payloads(BOMBS[bomb]).values():
        with pytest.raises(TooLarge, match=r"far more memory than its size allows \(48 times\)") as caught:
            from_payload(payload)
        assert caught.value.details["limit"] >= 48 * len(BOMBS[bomb])


@pytest.mark.parametrize("form", ["alone", "in a bundle"])
@pytest.mark.parametrize("bomb", ["empty maps", "maps in maps", "behind bytes"])
def test_a_refusal_takes_little_memory_and_time(bomb: str, form: str) -> None:
    command = (sys.executable, "-m", "tests.wire.growing", bomb, form)
    done = subprocess.run(command, capture_output=True, text=True, timeout=55)
    assert done.returncode == 0, done.stderr[-2000:]
    said, took, grown = done.stdout.split()
    assert said == "TOO_LARGE"
    assert float(took) < 5
    assert float(grown) < 16


def test_a_worker_refuses_them_as_arguments() -> None:
    app = App()

    @app.handler
    def take(value: Any) -> None: ...

    signature = app.handlers["take"].signature
    for payload in payloads(b"\x81\xa5value" + BOMBS["empty maps"]).values():
        with pytest.raises(TooLarge, match="far more memory"):
            signature.bind(payload, lambda: None, DEFAULT)


def test_a_hub_that_shows_results_refuses_them_too() -> None:
    with pytest.raises(OutcomeUnknown, match="far more memory than its size allows"):
        plain.value_of(Payload(many(b"\x80", 2 * MIB), Media.MSGPACK))


def some_values(by: random.Random) -> dict[str, Any]:
    """Large values of kinds that are sent."""
    n = MIB
    return {
        "floats": [by.random() for _ in range(n // 8)],
        "numbers": [by.randrange(-(2**40), 2**40) for _ in range(n // 8)],
        "small numbers": [by.randrange(-30, 100) for _ in range(n)],
        "negative numbers": [-20] * n,
        "nothing": [None] * n,
        "records": [{"id": k, "name": f"person {k}", "ok": k % 2 == 0, "x": by.random()} for k in range(n // 40)],
        "the least of records": [{"ok": True}] * (n // 4),
        "pairs": [[k % 100, k % 90] for k in range(n // 3)],
        "one in a list": [[k % 100] for k in range(n // 2)],
        "now and then": [[k % 100] if k % 3 else [] for k in range(n // 2)],
        "Russian": ["привет, мир"] * (n // 20),
        "Chinese": ["数据处理工作"] * (n // 19),
        "pictures": ["😀👍"] * (n // 8),
        "records in Russian": [{"имя": "Иван", "город": "Москва", "n": k} for k in range(n // 30)],
        "bytes": {"a": by.randbytes(n), "b": by.randbytes(n)},
        "many bytes": [by.randbytes(70) for _ in range(n // 60)],
        "keys": {by.randbytes(8).hex(): k for k in range(n // 20)},
        "long texts": ["x" * k for k in (31, 32, 255, 256, 65_535, 65_536, n)],
    }


VALUES = some_values(random.Random(1))


@pytest.mark.parametrize("kind", VALUES)
def test_what_is_honest_is_read(kind: str) -> None:
    data = msgspec.msgpack.encode(VALUES[kind])
    assert len(data) > LARGE
    assert from_payload(Payload(data, Media.MSGPACK)) == VALUES[kind]
    growth._read_through(memoryview(data))  # also where the look by chance says nothing of it


def test_each_kind_of_token_is_stepped_over() -> None:
    ends = [b"\xca" + bytes(4), b"\xcb" + bytes(8), *(b"\xcc\x01", b"\xcd\x01\x01", b"\xce" + bytes(4))]
    ends += [b"\xcf" + bytes(8), b"\xd0\x01", b"\xd1\x01\x01", b"\xd2" + bytes(4), b"\xd3" + bytes(8)]
    ends += [bytes([0xD4 + power, 1]) + bytes(2**power) for power in range(5)]
    for power in range(3):
        for lead in (0xC4, 0xD9):
            ends.append(bytes([lead + power]) + (7).to_bytes(2**power, "big") + b"\x80" * 7)
        ends.append(bytes([0xC7 + power]) + (7).to_bytes(2**power, "big") + b"\x01" + b"\x80" * 7)
    ends += [
        b"\xdc\x00\x01\xc0",
        b"\xdd\x00\x00\x00\x01\xc0",
        b"\xde\x00\x01\xa2ab\xc0",
        b"\xdf\x00\x00\x00\x01\x01\x02",
    ]
    ends += [bytes([0xA0 + size]) + b"\x80" * size for size in range(32)]
    for token in ends:
        # One that is stepped over wrongly makes what is behind it a text, which hides the rest.
        bomb = token + b"\x80" * (2 * MIB)
        with pytest.raises(TooLarge):
            growth._read_through(memoryview(bomb))
        growth._read_through(memoryview(token * (LARGE // len(token))))


def test_what_is_small_or_no_messagepack_is_left_to_its_decoder() -> None:
    check_growth(b"\x80" * (LARGE - 1))
    check_growth(b"")
    for broken in (b"\xc1" * MIB, b"\x80" * 100 + b"\xc1" * MIB, b"\xdb\xff\xff\xff\xff" + b"\x80" * MIB):
        growth._read_through(memoryview(broken))
        with pytest.raises(Exception, match="not valid application/msgpack"):
            from_payload(Payload(broken, Media.MSGPACK))


@pytest.mark.parametrize("item", ["{}", "[]", "[[]]", '{"":0}', "-9", '"ab"', "[1]", '{"":{}}', "[" * 60 + "]" * 60])
def test_json_never_grows_so(item: str) -> None:
    """Its tokens need commas and brackets, so nothing is looked through there."""
    count = 2_000
    value = msgspec.json.decode("[" + ",".join([item] * count) + "]")
    assert deep_size(value) < growth.GROWTH * (len(item) + 1) * count


def deep_size(value: Any) -> int:
    """What a value takes, with what the garbage collector keeps beside each container."""
    own = sys.getsizeof(value)
    if isinstance(value, list):
        return own + sum(map(deep_size, value))
    if isinstance(value, dict):
        return own + sum(map(deep_size, value.values()))
    return 0 if value in ("", 0, 1) else own
