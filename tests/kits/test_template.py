"""Code as the control protocol's template has it, run unchanged apart from its imports."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import pytest

from farhand.errors import InvalidArguments
from farhand.kits.service import ExecuteRequest, TaskManager, fetch_from_upstream, run_in_background
from tests.kits.serving import TEMPLATE, Orchestrator, served
from tests.kits.test_service import Caller, pb


@pytest.fixture
async def asks() -> AsyncIterator[Orchestrator]:
    async with served(TEMPLATE) as (_, asks):
        yield asks


async def test_tasks_have_results_of_their_own(asks: Orchestrator) -> None:
    import grpc

    outputs = await asyncio.gather(*(asks.run("TrainModel", name=f"m{n}") for n in range(6)))
    uri = outputs[0]["uri"]
    assert all(one["format"] == "TrainResponse" and one["protocol"] == "grpc" for one in outputs)
    async with served(TEMPLATE) as (service, again):
        outputs = await asyncio.gather(*(again.run("TrainModel", name=f"m{n}") for n in range(6)))
        async with grpc.aio.insecure_channel(service.grpc) as channel:
            for number, one in enumerate(outputs):
                task = one["metadata"]["x-task-id"]
                answer = await Caller(channel).one("GetModel", pb().Empty(), "TrainResponse", task)
                assert (answer.model_path, answer.accuracy) == (f"m{number}", 0.95)
        upstream = {**outputs[3], "uri": service.grpc}
        output = await again.run("TrainModel", [upstream], name="next")
        async with grpc.aio.insecure_channel(service.grpc) as channel:
            answer = await Caller(channel).one(
                "GetModel", pb().Empty(), "TrainResponse", output["metadata"]["x-task-id"]
            )
        assert answer.model_path == "next+m3"
    assert uri.endswith(":50051")  # what the module itself says: GRPC_HOST and GRPC_PORT


async def test_progress_is_told(asks: Orchestrator) -> None:
    id = (await asks.order("TrainModel", pause=0.01))["task_id"]
    seen: set[int] = set()
    async with asyncio.timeout(30):
        while (state := await asks.status(id))["status"] == "running":
            seen.add(state["progress"])
    assert len(seen) > 3
    assert all(0 <= one <= 100 for one in seen)


async def test_other_ends(asks: Orchestrator) -> None:
    assert await asks.run("Quick") == {"protocol": "s3", "uri": "s3://a/b", "format": "csv"}
    assert await asks.why("Fails") == "no such column"
    assert await asks.why("Raises") == "KeyError: 'column'"
    assert "without complete_task or fail_task" in await asks.why("Forgets")
    output = await asks.run("Own")
    assert json.loads(await asks.data(output)) == {"status": "running"}
    unreachable = {"protocol": "grpc", "uri": "169.254.169.254:1", "format": "TrainResponse"}
    assert "metadata address" in await asks.why("TrainModel", [unreachable])


def test_outside_a_task() -> None:
    manager = TaskManager()
    assert manager.get_task("nothing") is None
    with pytest.raises(InvalidArguments, match="no task"):
        manager.update_progress("nothing", 1)
    with pytest.raises(InvalidArguments, match="no task"):
        run_in_background("nothing", lambda *_: None, ExecuteRequest())
    with pytest.raises(InvalidArguments, match="belongs into a task"):
        fetch_from_upstream("127.0.0.1:1")
