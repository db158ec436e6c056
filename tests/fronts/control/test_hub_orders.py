"""The control routes of a hub's own HTTP door: exact bodies, bad input, and tasks that never meet."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from farhand.assembly import build_worker, open_store, serve_hub
from farhand.worker.worker import WorkerOptions
from tests.fronts.control.apps import app, go_on

REFERENCE = str(Path(__file__).parent / "apps.py")
ORDER = {"workflow_id": "w", "task_id": "t"}


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    go_on.clear()
    ready, loop = asyncio.Event(), asyncio.get_running_loop()

    def let_in(id: str) -> None:
        loop.call_soon_threadsafe(ready.set)

    async with await serve_hub(store=await open_store("memory:"), http="127.0.0.1:0") as hub:
        worker = build_worker(
            app,
            WorkerOptions(hub=hub.address, reference=REFERENCE),
            let_in,
        )
        running = asyncio.ensure_future(worker.run(grace=1.0))
        await asyncio.wait_for(ready.wait(), 20)
        async with httpx.AsyncClient(base_url=f"http://{hub.http}", timeout=30) as client:
            yield client
        go_on.set()
        worker.stop()
        await running


async def order(http: httpx.AsyncClient, method: str, **more: Any) -> dict[str, Any]:
    answer = await http.post("/control/execute", json={"method": method, **ORDER, **more})
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    assert body.keys() == {"status", "task_id", "output", "error"}
    assert body["task_id"]
    assert body["task_id"] != "t"
    return body


async def ended(http: httpx.AsyncClient, id: str) -> dict[str, Any]:
    async with asyncio.timeout(40):
        while True:
            body: dict[str, Any] = (await http.get(f"/control/status/{id}")).json()
            if body["status"] != "running":
                return body
            await asyncio.sleep(0.02)


async def test_short_work_is_complete_at_once_or_soon(http: httpx.AsyncClient) -> None:
    body = await order(http, "add", parameters={"a": 2}, priority="ignored")
    assert await ended(http, body["task_id"]) == {"status": "complete", "progress": 100, "error": None}
    answer = await http.get(f"/control/output/{body['task_id']}")
    uri = f"{http.base_url}/v1/jobs/{body['task_id']}/result".replace("//v1", "/v1")
    assert answer.json() == {"output": {"protocol": "http", "uri": uri, "format": "json"}}
    assert body["output"] in (None, answer.json()["output"])
    assert (await http.get(uri)).json() == 3.0


async def test_inputs_reach_a_handler_that_takes_them_and_only_such_a_one(http: httpx.AsyncClient) -> None:
    inputs = [{"protocol": "http", "uri": "http://a/b", "format": "json", "schema_uri": None}]
    named = await order(http, "named", inputs=inputs)
    assert (await ended(http, named["task_id"]))["status"] == "complete"
    assert (await http.get(f"/v1/jobs/{named['task_id']}/result")).json() == ["http://a/b"]
    bare = await order(http, "bare", inputs=inputs)
    assert (await ended(http, bare["task_id"]))["status"] == "complete"


async def test_two_runs_of_a_workflow_have_tasks_of_their_own(http: httpx.AsyncClient) -> None:
    one, two = await asyncio.gather(order(http, "half"), order(http, "half"))
    assert one["task_id"] != two["task_id"]
    for body in (one, two):
        assert body == {"status": "running", "task_id": body["task_id"], "output": None, "error": None}
        id = body["task_id"]
        async with asyncio.timeout(10):
            while (state := (await http.get(f"/control/status/{id}")).json())["progress"] != 50:
                assert state == {"status": "running", "progress": 0, "error": None}
        assert state == {"status": "running", "progress": 50, "error": None}
        answer = await http.get(f"/control/output/{id}")
        assert (answer.status_code, answer.json()) == (400, {"detail": "Task not complete"})
    go_on.set()
    for body in (one, two):
        assert (await ended(http, body["task_id"]))["status"] == "complete"


@pytest.mark.parametrize(
    ("method", "parameters", "why"),
    [
        ("wrong", {}, "ValueError: no such column"),
        ("wrong", {"text": ""}, "ValueError"),
        ("hangs", {}, "'hangs' ran for longer than its own timeout of 0.3 s"),
        ("dies", {}, "the process of 'dies' was ended by SIGKILL in the middle of the job"),
        ("add", {"a": "x"}, "the arguments don't fit 'add': a: "),
        ("add", {"c": 1}, "is not an argument"),
    ],
)
async def test_a_task_that_fails_says_why(
    http: httpx.AsyncClient, method: str, parameters: dict[str, Any], why: str
) -> None:
    body = await order(http, method, parameters=parameters)
    state = await ended(http, body["task_id"])
    assert state["status"] == "failed"
    assert why in state["error"]
    assert body["error"] in (None, state["error"])
    answer = await http.get(f"/control/output/{body['task_id']}")
    assert (answer.status_code, answer.json()) == (400, {"detail": "Task not complete"})


@pytest.mark.parametrize(
    ("body", "status", "detail"),
    [
        (b"", 422, None),
        (b"{", 422, None),
        (b"[]", 422, None),
        (b"\xff\xfe", 422, None),
        (b'{"method": "add", "workflow_id": "w"}', 422, None),
        (b'{"method": 1, "workflow_id": "w", "task_id": "t"}', 422, None),
        (b'{"method": "add", "workflow_id": "w", "task_id": null}', 422, None),
        (b'{"method": "add", "workflow_id": "w", "task_id": "t", "inputs": [1]}', 422, None),
        (b'{"method": "add", "workflow_id": "w", "task_id": "t", "parameters": []}', 422, None),
        (b"[" * 100_000, 422, None),
        (b'{"method": "nothing", "workflow_id": "w", "task_id": "t"}', 400, "Unknown method: nothing"),
        (b'{"method": "", "workflow_id": "w", "task_id": "t"}', 400, "Unknown method: "),
    ],
)
async def test_what_is_no_order_is_refused(
    http: httpx.AsyncClient, body: bytes, status: int, detail: str | None
) -> None:
    answer = await http.post("/control/execute", content=body)
    assert answer.status_code == status
    assert answer.json().keys() == {"detail"}
    assert detail is None or answer.json() == {"detail": detail}


async def test_a_body_that_is_too_large_is_refused(http: httpx.AsyncClient) -> None:
    answer = await http.post("/control/execute", content=b"x" * (3 << 20))
    assert answer.status_code == 413
    assert "detail" in answer.json()


async def test_unknown_tasks(http: httpx.AsyncClient) -> None:
    for route in ("status", "output"):
        answer = await http.get(f"/control/{route}/nothing")
        assert (answer.status_code, answer.json()) == (404, {"detail": "Task not found"})
    assert (await http.get("/control/execute")).status_code == 405


async def test_health(http: httpx.AsyncClient) -> None:
    answer = await http.get("/health")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})
