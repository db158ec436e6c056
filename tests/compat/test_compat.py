"""The oldest protobuf that is allowed: everything loads, and a call goes round."""

from __future__ import annotations

import google.protobuf

from farhand.assembly import serve_hub
from farhand.client import AsyncClient
from tests.conftest import working


async def test_a_call_goes_round() -> None:
    async with await serve_hub() as hub, working(hub.address), AsyncClient(hub.address) as client:
        assert await client.run("add", {"a": 1, "b": 2}) == 3.0
    assert google.protobuf.__version__
