"""SendCommand passes the suite of all fronts, with a farhand worker behind it and with a foreign agent."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import grpc
import pytest

from farhand.assembly import RunningHub
from farhand.testing.conformance.fronts import (
    MORTAL,
    SCENARIOS,
    End,
    FrontConformance,
    FrontDriver,
    Told,
    worker_process,
)
from farhand.testing.conformance.fronts import app as scenarios
from farhand.wire.agnt._pb import agnt_pb2
from tests.fronts.agnt.peers import Caller, loaded
from tests.fronts.agnt.scenarios import APP
from tests.fronts.drivers import leaving

ENDS: Mapping[grpc.StatusCode, End] = {
    grpc.StatusCode.UNAVAILABLE: "lost",
    grpc.StatusCode.DEADLINE_EXCEEDED: "expired",
    grpc.StatusCode.NOT_FOUND: "unknown",
}


class Commands:
    """A caller of SendCommand. It knows no handlers but groups of agents: what nobody serves is a group's name."""

    def __init__(self, address: str, can: frozenset[str]) -> None:
        self.can = can
        self._address = address

    async def ask(
        self,
        handler: str,
        args: Mapping[str, Any],
        *,
        timeout: float | None = None,
        leave: asyncio.Event | None = None,
    ) -> Told:
        group = "db" if handler in scenarios.handlers else handler
        async with Caller(self._address) as caller:
            query = json.dumps({"handler": handler, "args": args})
            sent: Any = asyncio.ensure_future(_answered(caller.begin(group, query, timeout=timeout)))
            watching = leaving(leave, sent)
            try:
                answer = await sent
            except asyncio.CancelledError:
                return Told(end="cancelled")
            except grpc.aio.AioRpcError as error:
                return Told(end=ENDS[error.code()], message=error.details() or "")
            finally:
                watching.cancel()
        rows = json.loads(answer.json)
        if rows is None:
            return Told(end="failed", message=answer.message)
        values = tuple(row["value"] for row in rows)
        return Told(end="succeeded", result=values[0] if len(values) == 1 else None, chunks=values)


async def _answered(sent: Any) -> agnt_pb2.CommandResponse:
    return agnt_pb2.CommandResponse.FromString(await sent)


@asynccontextmanager
async def agent_process(address: str) -> AsyncIterator[None]:
    """A foreign agent in a process of its own, which may be killed."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.fronts.agnt.scenarios", address), env={**os.environ, MORTAL: "1"}
    )
    try:
        yield
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


class TestWorkers(FrontConformance):
    """One answer has no room for progress."""

    cannot = frozenset({"progress"})

    @pytest.fixture
    async def driver(self, hub: RunningHub) -> AsyncIterator[FrontDriver]:
        async with worker_process(hub.address, APP, "--group", "db"):
            yield Commands(hub.address, SCENARIOS - self.cannot)


class TestAgents(FrontConformance):
    """Agents can't be told to stop, so what they run isn't over when a command is."""

    cannot = frozenset({"progress", "cancel", "deadline"})

    @pytest.fixture
    async def driver(self, hub: RunningHub) -> AsyncIterator[FrontDriver]:
        async with agent_process(hub.address):
            await loaded(hub, 0)
            yield Commands(hub.address, SCENARIOS - self.cannot)
