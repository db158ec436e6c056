"""Unchanged peers of both generations, in processes that know nothing of farhand: their modules of the package `agnt`
are in protobuf's default pool."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from farhand.assembly import RunningHub, serve_hub
from tests.fronts.agnt.conftest import Load

EXAMPLES = Path(__file__).parents[3] / "examples/agents"
LATER = Path(__file__).parent / "later/peer.py"


@pytest.fixture
def people(tmp_path: Path) -> Path:
    """A database of two people."""
    path = tmp_path / "people.db"
    with sqlite3.connect(path) as database:
        database.execute("create table people (id integer, name varchar(40))")
        database.executemany("insert into people values (?, ?)", [(1, "Ada"), (2, "Zoë")])
    return path


@asynccontextmanager
async def agent(*command: str | Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """An agent's process."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, *map(str, command)), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def run(*command: str | Path) -> tuple[int | None, str, str]:
    """A process from its begin to its end: status, output, errors."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, *map(str, command)), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(30):
        out, errors = await process.communicate()
    return process.returncode, out.decode(), errors.decode()


async def test_the_documents_client_and_agent(hub: RunningHub, load: Load, people: Path) -> None:
    async with agent(EXAMPLES / "agent.py", people, hub.address, "agent-123", "w-1"):
        await load(0)
        client = EXAMPLES / "client.py"
        status, out, errors = await run(client, "select * from people", hub.address)
        assert (status, errors) == (0, "")
        assert out.splitlines()[-2:] == ['{"id": 1, "name": "Ada"}', '{"id": 2, "name": "Zoë"}']
        assert await run(client, "select * from nobody", hub.address) == (
            1,
            "",
            "the query failed: no such table: nobody\n",
        )
        status, _, errors = await run(client, "select 1", hub.address, "nobody")
        assert (status, errors) == (1, "NOT_FOUND: no agent is connected as 'nobody'; known groups: agent-123\n")
        await load(0)


async def test_an_agent_that_dials_again_after_a_restart_of_the_hub(people: Path) -> None:
    first = await serve_hub()
    address = first.address
    async with agent(EXAMPLES / "agent.py", people, address, "agent-123", "w-1"):
        async with asyncio.timeout(20):
            while not first.hub.workers():  # noqa: ASYNC110, nothing signals it
                await asyncio.sleep(0.01)
        await first.stop()
        async with await serve_hub(address) as second, asyncio.timeout(30):
            while not second.hub.workers():  # noqa: ASYNC110
                await asyncio.sleep(0.01)
            status, out, _ = await run(EXAMPLES / "client.py", "select count(*) as n from people", address)
            assert status == 0
            assert out.splitlines()[-1] == '{"n": 2}'


async def test_a_client_and_an_agent_of_a_later_generation(hub: RunningHub, load: Load) -> None:
    async with agent(LATER, "agent", hub.address):
        await load(0)
        status, out, errors = await run(LATER, "client", hub.address)
        assert (status, errors) == (0, "")
        assert json.loads(out) == [
            {"kind": "sqlserver", "server": "db.example", "user": "reader", "password": "p", "query": "select 1"}
        ]
        await load(0)
