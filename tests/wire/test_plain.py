"""What a hub's HTTP door shows of values: what is plain as JSON; of the rest what it is, without reading it."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import msgspec
import numpy as np
import pytest

from farhand.client import File
from farhand.errors import OutcomeUnknown
from farhand.model.durable import Entry
from farhand.model.event import Event, Kind
from farhand.model.payload import NOTHING, Media, Payload
from farhand.wire.codecs.base import with_name
from farhand.wire.farhand._pb import common_pb2
from farhand.wire.http.values import answer
from farhand.wire.plain import entry_fields, value_of
from farhand.wire.values import Codecs, from_payload, to_payload

ARROW, OCTETS = Media.ARROW.mime, Media.BYTES.mime


def named(name: str, media: int) -> Payload:
    return Payload(b"".join(with_name(name, [b"<script>"])), media)


OPAQUE: dict[str, tuple[Payload, str]] = {
    "array": (to_payload(np.zeros(3)), ARROW),
    "broken array": (Payload(b"nonsense", Media.ARROW), ARROW),
    "bundle": (to_payload({"x": np.zeros(3)}), Media.BUNDLE.mime),
    "message": (to_payload(common_pb2.Fault(code="X")), "application/x-protobuf;type=farhand.v1.Fault"),
    "message with a bad name": (named("a\r\nSet-Cookie: x", Media.PROTOBUF), OCTETS),
    "message without a name": (Payload(b"", Media.PROTOBUF), OCTETS),
    "file": (to_payload(File.of(b"<script>", "a.html")), OCTETS),
    "page": (named("text/html", Media.NAMED), OCTETS),
    "pickle": (Codecs(["pickle"]).payload(set), OCTETS),
    "of a newer peer": (Payload(b"x", 77), OCTETS),
}


@pytest.mark.parametrize("name", OPAQUE)
def test_what_is_for_the_two_ends_is_passed_on_unread(name: str) -> None:
    payload, media = OPAQUE[name]
    assert value_of(payload) == {"media": media, "size": len(payload.data)}
    body, said = answer(payload, [])
    assert said == media
    assert payload.data.endswith(body)
    listed, said = answer(NOTHING, [payload, to_payload(1)])
    assert said == "application/json"
    assert msgspec.json.decode(listed) == [{"media": media, "size": len(payload.data)}, 1]
    entry = Entry(1, 2.0, Event(Kind.CHUNK, payload))
    assert entry_fields(entry)["value"] == {"media": media, "size": len(payload.data)}


def test_what_json_can_say_is_json() -> None:
    for payload in (to_payload([1, "a"]), to_payload([1, "a"], Media.JSON), Payload(b'[1,"a"]', Media.OPEN_JSON)):
        assert answer(payload, []) == (b'[1,"a"]', "application/json")
    with pytest.raises(OutcomeUnknown):
        value_of(Payload(b"\xc7\x01\x05a", Media.MSGPACK))
    entry = Entry(1, 2.0, Event(Kind.CHUNK, OPAQUE["array"][0]))
    assert entry_fields(entry, from_payload)["value"].tolist() == [0, 0, 0]


def test_a_hub_loads_no_library_for_them() -> None:
    code = """
import sys, base64
from farhand.wire.http.values import answer
from farhand.model.payload import Payload, NOTHING
for line in sys.stdin:
    media, data = line.split()
    payload = Payload(base64.b64decode(data), int(media))
    answer(payload, []), answer(NOTHING, [payload])
print([one for one in ("numpy", "pandas", "polars", "pyarrow") if one in sys.modules])
"""
    import base64

    lines: list[Any] = [f"{int(one.media)} {base64.b64encode(one.data or b'x').decode()}" for one, _ in OPAQUE.values()]
    done = subprocess.run(
        (sys.executable, "-c", code), input="\n".join(lines), capture_output=True, text=True, timeout=30, check=True
    )
    assert done.stdout.strip() == "[]"
