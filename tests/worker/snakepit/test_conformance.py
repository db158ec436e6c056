"""SnakepitBridge passes the suite of all fronts."""

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

from farhand.testing.conformance.fronts import APP, MORTAL, SCENARIOS, FrontConformance, FrontDriver, Told
from tests.worker.snakepit.calling import OPTIONS, Pool


class Driver:
    """A pool. It tells errors in band, so that it knows a deadline and an unknown command by their words."""

    can = SCENARIOS - {"progress"}

    def __init__(self, address: str) -> None:
        self._address = address

    async def ask(
        self,
        handler: str,
        args: Mapping[str, Any],
        *,
        timeout: float | None = None,
        leave: asyncio.Event | None = None,
    ) -> Told:
        async with grpc.aio.insecure_channel(self._address, options=OPTIONS) as channel:
            pool = Pool(channel, self._address)
            asked = asyncio.ensure_future(self._ask(pool, handler, args, int((timeout or 0) * 1000)))
            left = asyncio.ensure_future((leave or asyncio.Event()).wait())
            await asyncio.wait({asked, left}, return_when=asyncio.FIRST_COMPLETED)
            left.cancel()
            if not asked.done():
                asked.cancel()
            try:
                return await asked
            except asyncio.CancelledError:
                return Told(end="cancelled")
            except grpc.aio.AioRpcError as error:
                if error.code() is not grpc.StatusCode.UNAVAILABLE:
                    raise
                return Told(end="lost", message=error.details() or "")

    async def _ask(self, pool: Pool, handler: str, args: Mapping[str, Any], timeout_ms: int) -> Told:
        if handler == "count":
            said = await pool.stream(handler, timeout_ms, **args)
            return Told(end="succeeded", chunks=tuple(json.loads(one.chunk["result"]) for one in said))
        answer = await pool.execute(handler, timeout_ms, **args)
        if answer.success and answer.result.get("status") == b"error":
            return Told(end="unknown", message=answer.result["error"].decode())
        if not answer.success:
            return Told(end="expired" if "it was stopped" in answer.error else "failed", message=answer.error)
        return Told(end="succeeded", result=json.loads(answer.result["result"]))


@asynccontextmanager
async def worker_process() -> AsyncIterator[str]:
    """The scenarios' commands in a process of their own, which may be killed: its address."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "farhand", "snakepit-worker", "--port", "0", "--adapter", APP),
        env={**os.environ, MORTAL: "1"},
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        async with asyncio.timeout(30):
            line = (await process.stdout.readline()).decode()
        assert line.startswith("GRPC_SERVER_READY_ON_PORT="), line
        yield f"127.0.0.1:{line.strip().partition('=')[2]}"
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


class TestSnakepit(FrontConformance):
    """An answer has no room for progress."""

    cannot = frozenset({"progress"})

    @pytest.fixture
    async def driver(self) -> AsyncIterator[FrontDriver]:
        async with worker_process() as address:
            yield Driver(address)
