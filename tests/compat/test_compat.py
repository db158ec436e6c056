"""The oldest protobuf that is allowed: everything loads, and a call goes round."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import google.protobuf

from farhand.assembly import serve_hub
from farhand.cli import new
from farhand.client import AsyncClient
from farhand.wire.control import messages
from tests.conftest import working


async def test_a_call_goes_round() -> None:
    async with await serve_hub() as hub, working(hub.address), AsyncClient(hub.address) as client:
        assert await client.run("add", {"a": 1, "b": 2}) == 3.0
    assert google.protobuf.__version__


def test_a_services_proto_loads() -> None:
    names: dict[str, Any] = {"__name__": "compat_demo_pb2"}
    exec(new.compiled("compat_demo", "CompatDemo"), names)
    modules = [SimpleNamespace(**names)]
    chunk = messages.message_types(modules)["Chunk"]
    rpc = messages.rpcs_of(messages.services_in(modules))[0]
    assert messages.carrier(chunk) == "data"
    assert (rpc.path, rpc.asks_nothing) == ("/compat_demo.CompatDemo/ProcessData", False)
    assert messages.fields_of(messages.to_message({"values": [1.0]}, rpc.takes)) == {"values": [1.0]}
