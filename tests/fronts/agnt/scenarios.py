"""The scenarios of the front conformance suite as queries: on a farhand worker that serves `app`, and on a foreign
agent, which this module is when it is run. A query is JSON: the scenario's handler and its arguments."""

from __future__ import annotations

import asyncio
import inspect
import json
import sys
from collections.abc import AsyncIterator
from typing import Any

import farhand
from farhand.testing.conformance.fronts import app as scenarios
from tests.fronts.agnt.peers import Agent

APP = "tests.fronts.agnt.scenarios:app"
app = farhand.App()


async def play(query: str) -> list[Any]:
    """Run a scenario's handler; what it answered, or what it streamed."""
    asked = json.loads(query)
    found = scenarios.handlers[asked["handler"]].function(**asked["args"])
    if inspect.isawaitable(found):
        found = await found
    return list(found) if inspect.isgenerator(found) else [found]


@app.handler(name="sql.query")
async def query(
    database: str, query: str, params: list[Any] | None = None, max_rows: int | None = None, chunk_rows: int = 2
) -> AsyncIterator[dict[str, Any]]:
    """Run a scenario; its values are rows of one column."""
    values = await play(query)
    yield {"columns": [{"name": "value", "type": "json", "size": None}]}
    for at in range(0, len(values), chunk_rows):
        yield {"rows": [[value] for value in values[at : at + chunk_rows]]}


async def _agent(address: str) -> None:
    async with Agent(address) as agent:
        while True:
            asked = await agent.next()
            try:
                rows = json.dumps([{"value": value} for value in await play(asked.query)])
            except Exception as error:
                await agent.answer(asked.request_id, "null", "null", str(error))
            else:
                await agent.answer(asked.request_id, rows, "null")


if __name__ == "__main__":
    asyncio.run(_agent(sys.argv[1]))
