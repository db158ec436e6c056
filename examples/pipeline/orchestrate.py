"""An orchestrator of two services: orders over HTTP, never the data. Two runs of one workflow at once, whose nodes have
the same ids, don't meet, as it polls with the id that each order's answer names.

python orchestrate.py http://localhost:8080 http://localhost:8081
"""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import grpc
import httpx
import measures_pb2


async def run_node(service: httpx.AsyncClient, method: str, inputs: list[Any], **parameters: Any) -> dict[str, Any]:
    """One node of a workflow: order, poll, and ask where the result is."""
    order = {"method": method, "workflow_id": "weather", "task_id": f"node-{method}", "inputs": inputs}
    answer = (
        (await service.post("/control/execute", json={**order, "parameters": parameters})).raise_for_status().json()
    )
    task = answer["task_id"]
    while answer["status"] == "running":
        await asyncio.sleep(0.05)
        answer = (await service.get(f"/control/status/{task}")).raise_for_status().json()
    if answer["status"] == "failed":
        raise RuntimeError(answer["error"])
    output: dict[str, Any] = (await service.get(f"/control/output/{task}")).raise_for_status().json()["output"]
    return output


async def run_workflow(first: httpx.AsyncClient, second: httpx.AsyncClient, station: str, start: float) -> str:
    """Measure, then summarise: a node's output is the next one's input."""
    readings = await run_node(first, "Measure", [], start=start)
    summary = await run_node(second, "Summarise", [readings], station=station)
    async with grpc.aio.insecure_channel(summary["uri"]) as channel:
        call: Any = channel.unary_unary(
            "/measures.Measures/GetLastResult",
            measures_pb2.Empty.SerializeToString,
            measures_pb2.Summary.FromString,
        )
        found = await call(measures_pb2.Empty(), metadata=tuple(summary["metadata"].items()))
    return f"{found.station}: {found.readings:,} readings, mean {found.mean:,.1f}"


async def main(first: str, second: str) -> None:
    """Two runs at once."""
    async with httpx.AsyncClient(base_url=first) as one, httpx.AsyncClient(base_url=second) as two:
        runs = run_workflow(one, two, "north", 0), run_workflow(one, two, "south", 1_000_000)
        for line in await asyncio.gather(*runs):
            print(line)


asyncio.run(main(*sys.argv[1:]))
