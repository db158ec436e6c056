"""What all roles share: the ready line, the orders, the end."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

Order = Callable[..., Awaitable[float]]


def ready(**facts: Any) -> None:
    """Say that this process can be used."""
    _say({"ready": True, **facts})


async def obey(orders: Mapping[str, Order]) -> None:
    """Say that this client is ready, then measure what is asked until stdin ends."""
    ready()
    while line := await asyncio.to_thread(sys.stdin.readline):
        order = json.loads(line)
        _say({"value": await orders[order.pop("do")](**order)})


async def until_told() -> None:
    """Say that this server is ready, then let it serve until stdin ends."""
    ready()
    while await asyncio.to_thread(sys.stdin.readline):
        pass


def _say(message: dict[str, Any]) -> None:
    print(json.dumps(message), flush=True)
