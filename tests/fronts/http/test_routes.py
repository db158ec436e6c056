"""What each route answers."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import msgspec
import pytest

from farhand import AsyncClient
from farhand.assembly import RunningHub, serve_hub
from tests.conftest import Eventually, working


async def kept(web: httpx.AsyncClient, handler: str = "add", **more: Any) -> str:
    """A durable job that has ended: its id."""
    args = more.pop("args", {"a": 1, "b": 2})
    made = await web.post("/v1/jobs", json={"handler": handler, "args": args, **more})
    assert made.status_code == 202, made.text
    id: str = made.json()["id"]
    await web.get(f"/v1/jobs/{id}/result", params={"wait": 20})
    return id


Said = dict[str, Any]
RUNS: list[tuple[str, str, Any, int, Any]] = [
    ("a result", "/v1/run/add", {"a": 1, "b": 2}, 200, 3.0),
    ("any value", "/v1/run/echo", {"value": {"a": [1, None, "ü"]}}, 200, {"a": [1, None, "ü"]}),
    ("no arguments", "/v1/run/about?timeout=5", None, 200, None),
    ("chunks", "/v1/run/count", {"n": 3}, 200, [0, 1, 2]),
    ("no chunks", "/v1/run/count", {"n": 0}, 200, []),
    ("kept", "/v1/run/add?wait=20", {"a": 1, "b": 2}, 200, 3.0),
    ("kept chunks", "/v1/run/count?wait=20", {"n": 2}, 200, [0, 1]),
    ("a missing argument", "/v1/run/add", {"a": 1}, 400, "INVALID_ARGUMENTS"),
    ("a wrong type", "/v1/run/add", {"a": 1, "b": "x"}, 400, "INVALID_ARGUMENTS"),
    ("no object", "/v1/run/add", [1, 2], 400, "INVALID_ARGUMENTS"),
    ("an unknown handler", "/v1/run/ad", {}, 404, "HANDLER_NOT_FOUND"),
    ("a name that is none", "/v1/run/-x", {}, 400, "INVALID_ARGUMENTS"),
    ("a timeout that is none", "/v1/run/add?timeout=soon", {"a": 1, "b": 2}, 400, "INVALID_ARGUMENTS"),
    ("a timeout of nan", "/v1/run/add?timeout=nan", {"a": 1, "b": 2}, 400, "INVALID_ARGUMENTS"),
    ("a negative wait", "/v1/run/add?wait=-1", {"a": 1, "b": 2}, 400, "INVALID_ARGUMENTS"),
    ("a wait of nan", "/v1/run/add?wait=nan", {"a": 1, "b": 2}, 400, "INVALID_ARGUMENTS"),
    ("a label that is none", "/v1/run/add?label=x", {"a": 1, "b": 2}, 400, "INVALID_ARGUMENTS"),
    ("a priority too high", "/v1/run/add?priority=9999999999", {"a": 1, "b": 2}, 400, "INVALID_ARGUMENTS"),
    ("an error", "/v1/run/boom", {"text": "why"}, 500, "HANDLER_FAILED"),
    ("a kept error", "/v1/run/boom?wait=20", {"text": "why"}, 500, "HANDLER_FAILED"),
    ("a killed process", "/v1/run/crash", {}, 502, "OUTCOME_UNKNOWN"),
    ("one that hangs", "/v1/run/sleep?timeout=0.2", {}, 504, "DEADLINE_EXCEEDED"),
    ("nobody to run it", "/v1/run/add?group=none&timeout=0.2", {"a": 1, "b": 2}, 504, "DEADLINE_EXCEEDED"),
    ("labels nobody has", "/v1/run/add?label=gpu=a&timeout=0.2", {"a": 1, "b": 2}, 504, "DEADLINE_EXCEEDED"),
    ("arguments too large", "/v1/run/echo", {"value": "x" * 1_060_000}, 413, "TOO_LARGE"),
    ("a body too large", "/v1/run/echo", {"value": "x" * 10_000_000}, 413, "TOO_LARGE"),
]


@pytest.mark.parametrize(("path", "body", "status", "said"), [one[1:] for one in RUNS], ids=[one[0] for one in RUNS])
async def test_a_run(web: httpx.AsyncClient, path: str, body: Any, status: int, said: Any) -> None:
    answer = await web.post(path, json=body) if body is not None else await web.post(path)
    assert answer.status_code == status, answer.text
    assert "server" not in answer.headers
    if status == 200:
        assert answer.headers["content-type"] == "application/json"
        assert said is None or answer.json() == said
        return
    assert_problem(answer, said)


def assert_problem(answer: httpx.Response, code: str) -> Said:
    """The answer's problem, which must be whole."""
    assert answer.headers["content-type"] == "application/problem+json"
    problem: Said = answer.json()
    assert problem["code"] == code, problem
    assert problem["status"] == answer.status_code
    assert problem["type"] == "urn:farhand:error:" + code.lower().replace("_", "-")
    assert problem["title"]
    assert problem["detail"]
    assert isinstance(problem["retryable"], bool)
    if answer.status_code in (429, 503):
        assert int(answer.headers["retry-after"]) > 0
    return problem


async def test_a_wrong_argument_is_named_and_a_traceback_is_there(web: httpx.AsyncClient) -> None:
    problem = assert_problem(await web.post("/v1/run/total", json={"items": [{"name": 1}]}), "INVALID_ARGUMENTS")
    assert problem["details"]["problems"][0]["path"] == "items[0].name"
    problem = assert_problem(await web.post("/v1/run/boom", json={"text": "why"}), "HANDLER_FAILED")
    assert (problem["details"]["type"], problem["instance"]) == ("ValueError", "/v1/run/boom")
    assert "ValueError: why" in problem["details"]["traceback"]
    problem = assert_problem(
        await web.post("/v1/jobs", json={"handler": "add", "labels": {"a": 1}}), "INVALID_ARGUMENTS"
    )
    assert problem["details"]["problems"][0]["path"] == "$.labels[...]"
    problem = assert_problem(await web.post("/v1/jobs", json={"handler": "add", "retrys": 1}), "INVALID_ARGUMENTS")
    assert "retrys" in problem["detail"]


async def test_bytes_are_octets(served: RunningHub, web: httpx.AsyncClient) -> None:
    async with AsyncClient(served.address) as client:
        job = await client.submit("echo", {"value": b"\x00\xff"})
        await job.result()
        answer = await web.get(f"/v1/jobs/{job.id}/result")
        assert (answer.headers["content-type"], answer.content) == ("application/octet-stream", b"\x00\xff")
        job = await client.submit("echo", {"value": {"a": b"\x00\xff", "b": 1}})
        await job.result()
        assert (await web.get(f"/v1/jobs/{job.id}/result")).json() == {"a": "AP8=", "b": 1}


async def test_a_run_that_outlives_its_wait_is_where_it_says(web: httpx.AsyncClient) -> None:
    began = await web.post("/v1/run/sleep", params={"wait": 0}, json={"seconds": 60})
    assert began.status_code == 202
    job = began.json()
    assert began.headers["location"] == f"/v1/jobs/{job['id']}"
    assert (job["handler"], job["how"]) == ("sleep", "new")
    waited = await web.get(f"/v1/jobs/{job['id']}/result", params={"wait": 0.1})
    assert (waited.status_code, waited.json()["id"]) == (202, job["id"])
    assert "how" not in waited.json()
    receipt = await web.post(f"/v1/jobs/{job['id']}/cancel")
    assert receipt.json()["outcome"] in ("not_started", "stopped")
    ended = await web.get(f"/v1/jobs/{job['id']}/result")
    assert_problem(ended, "CANCELLED")
    assert ended.status_code == 409


async def test_a_job_from_submit_to_retry(web: httpx.AsyncClient) -> None:
    wanted = {"handler": "add", "args": {"a": 1, "b": 2}, "labels": {}, "priority": 3, "retries": 2, "timeout": 5}
    made = await web.post("/v1/jobs", json=wanted)
    assert made.status_code == 202
    job = made.json()
    assert (job["handler"], job["how"], job["priority"], job["attempts"]) == ("add", "new", 3, 3)
    assert made.headers["location"] == f"/v1/jobs/{job['id']}"
    assert (await web.get(f"/v1/jobs/{job['id']}/result", params={"wait": 20})).json() == 3.0
    shown = (await web.get(made.headers["location"])).json()
    assert (shown["status"], shown["attempt"], shown["worker"] != "") == ("succeeded", 1, True)
    again = await web.post(f"/v1/jobs/{job['id']}/retry")
    assert (again.status_code, again.json()["retry_of"]) == (202, job["id"])
    assert (await web.post(f"/v1/jobs/{job['id']}/cancel")).json()["outcome"] == "finished"
    for method, path in (("GET", ""), ("GET", "/result"), ("GET", "/events"), ("POST", "/cancel"), ("POST", "/retry")):
        assert_problem(await web.request(method, f"/v1/jobs/nosuch{path}"), "JOB_NOT_FOUND")


async def test_the_same_key_gives_the_same_job(web: httpx.AsyncClient) -> None:
    wanted = {"handler": "add", "args": {"a": 1, "b": 2}}
    first = await web.post("/v1/jobs", json=wanted, headers={"Idempotency-Key": "k1"})
    for body, headers in ((wanted, {"Idempotency-Key": "k1"}), ({**wanted, "idempotency_key": "k1"}, {})):
        again = (await web.post("/v1/jobs", json=body, headers=headers)).json()
        assert (again["id"], again["how"]) == (first.json()["id"], "key")
    run = await web.post("/v1/run/add?wait=20", json=wanted["args"], headers={"Idempotency-Key": "k1"})
    assert (run.status_code, run.headers["location"]) == (200, first.headers["location"])
    both = await web.post("/v1/jobs", json={**wanted, "idempotency_key": "k2"}, headers={"Idempotency-Key": "k1"})
    assert_problem(both, "INVALID_ARGUMENTS")
    assert_problem(await web.post("/v1/run/add", json={}, headers={"Idempotency-Key": "k1"}), "INVALID_ARGUMENTS")


async def test_equal_work_is_done_once(web: httpx.AsyncClient) -> None:
    first = await kept(web, args={"a": 1, "b": 2}, cache=True)
    again = (await web.post("/v1/jobs", json={"handler": "add", "args": {"b": 2.0, "a": 1.0}, "cache": 60})).json()
    assert (again["id"], again["how"]) == (first, "cached")


async def test_listing_jobs(web: httpx.AsyncClient) -> None:
    ids = [await kept(web, labels={}) for _ in range(3)]
    bad = await kept(web, "boom", args={})
    found = (await web.get("/v1/jobs", params={"limit": 2})).json()
    assert [one["id"] for one in found["jobs"]] == [bad, ids[2]]
    rest = (await web.get("/v1/jobs", params={"limit": 2, "before": found["next"]})).json()
    assert [one["id"] for one in rest["jobs"]] == [ids[1], ids[0]]
    for params, wanted in (
        ({"status": ["failed", "expired"]}, [bad]),
        ({"handler": "add"}, [*reversed(ids)]),
        ({"error": "HANDLER_FAILED"}, [bad]),
        ({"group": "none"}, []),
        ({"label": "a=b"}, []),
    ):
        some: Any = params
        listed = (await web.get("/v1/jobs", params=some)).json()
        assert ([one["id"] for one in listed["jobs"]], listed["next"]) == (wanted, None)
    for name, value in (("status", "lost"), ("limit", "0"), ("limit", "1001"), ("label", "a"), ("limit", "x")):
        assert_problem(await web.get("/v1/jobs", params={name: value}), "INVALID_ARGUMENTS")


async def test_what_is_here(web: httpx.AsyncClient) -> None:
    (worker,) = (await web.get("/v1/workers")).json()["workers"]
    assert (worker["id"], worker["group"], worker["state"], worker["slots"]) == ("w1", "default", "ready", 32)
    assert (await web.get("/v1/workers", params={"group": "none"})).json() == {"workers": []}
    handlers = {one["name"]: one for one in (await web.get("/v1/handlers")).json()["handlers"]}
    assert handlers["add"]["doc"] == "Add two numbers."
    assert handlers["count"]["streams"] is True
    assert set(handlers["add"]["parameters"]) >= {"$ref", "$defs"}
    assert (await web.get("/v1/schedules")).json() == {"schedules": []}
    assert (await web.get("/health/live")).json() == {"status": "live"}
    assert (await web.get("/health/ready")).json() == {"status": "ready"}


async def test_what_the_framework_refuses_is_a_problem_too(web: httpx.AsyncClient) -> None:
    assert_problem(await web.get("/nosuch"), "ROUTE_NOT_FOUND")
    refused = await web.delete("/v1/jobs")
    assert_problem(refused, "METHOD_NOT_ALLOWED")
    assert {"GET", "POST"} <= set(refused.headers["allow"].split(", "))
    for content, kind in ((b"a=1", "text/plain"), (b"{}", ""), (b"{}", "application/x-www-form-urlencoded")):
        headers = {"content-type": kind} if kind else {}
        for path in ("/v1/run/add", "/v1/jobs"):
            assert_problem(await web.post(path, content=content, headers=headers), "UNSUPPORTED_MEDIA")
    for content in (b"", b"{", b"[]", b"nul", b"\xff", b'{"handler": 1}', b"[" * 100_000, b'{"a":"\xff"}'):
        for path in ("/v1/run/add", "/v1/jobs"):
            headers = {"content-type": "application/json"}
            assert_problem(await web.post(path, content=content, headers=headers), "INVALID_ARGUMENTS")
    fine = await web.post(
        "/v1/run/add", content=b'{"a":1,"b":2}', headers={"content-type": "Application/JSON; charset=utf-8"}
    )
    assert fine.json() == 3.0


async def test_a_caller_who_leaves_cancels_the_run_but_not_what_is_kept(
    served: RunningHub, web: httpx.AsyncClient, eventually: Eventually
) -> None:
    async def runs() -> bool:
        await asyncio.sleep(0.01)
        return served.hub.running == 1

    async def runs_no_more() -> bool:
        await asyncio.sleep(0.01)
        return served.hub.running == 0

    call = asyncio.ensure_future(web.post("/v1/run/sleep", json={"seconds": 60}))
    await eventually(runs)
    call.cancel()
    await eventually(runs_no_more)
    call = asyncio.ensure_future(web.post("/v1/run/sleep?wait=60", json={"seconds": 60}))
    await eventually(runs)
    call.cancel()
    await asyncio.gather(call, return_exceptions=True)
    (job,) = (await web.get("/v1/jobs")).json()["jobs"]
    assert (await web.get(f"/v1/jobs/{job['id']}/result?wait=0.1")).status_code == 202
    assert served.hub.running == 1
    assert (await web.post(f"/v1/jobs/{job['id']}/cancel")).json()["outcome"] == "stopped"


async def test_a_run_under_way_is_cancelled_by_its_id(served: RunningHub, web: httpx.AsyncClient) -> None:
    async with AsyncClient(served.address) as client, client.stream("sleep") as stream:
        reading = asyncio.ensure_future(anext(stream))
        while not stream.job_id:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        receipt = await web.post(f"/v1/jobs/{stream.job_id}/cancel")
        assert receipt.json()["outcome"] in ("stopped", "not_started")
        await asyncio.gather(reading, return_exceptions=True)


async def test_a_hub_without_a_store_says_so() -> None:
    async with (
        await serve_hub(http="127.0.0.1:0") as hub,
        working(hub.address),
        httpx.AsyncClient(base_url=f"http://{hub.http}", trust_env=False) as web,
    ):
        assert (await web.post("/v1/run/add", json={"a": 1, "b": 2})).json() == 3.0
        for method, path in (("GET", "/v1/jobs"), ("GET", "/v1/schedules"), ("POST", "/v1/run/add?wait=1")):
            refused = await web.request(method, path)
            assert refused.status_code == 503
            assert refused.json()["code"] == "UNAVAILABLE"


async def test_metrics_say_what_happened(served: RunningHub, web: httpx.AsyncClient) -> None:
    await web.post("/v1/run/add", json={"a": 1, "b": 2})
    await web.post("/v1/run/count", json={"n": 2})
    await web.post("/v1/run/boom", json={})
    await kept(web, "boom", args={}, retries=1, backoff=0.01)
    answer = await web.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    lines = dict(line.rsplit(" ", 1) for line in answer.text.splitlines() if not line.startswith("#"))
    where = 'group="default",handler='
    for name, value in {
        f'farhand_jobs_total{{{where}"add",kind="call",state="succeeded"}}': 1,
        f'farhand_jobs_total{{{where}"boom",kind="call",state="failed"}}': 1,
        f'farhand_jobs_total{{{where}"boom",kind="durable",state="failed"}}': 1,
        f'farhand_queue_seconds_count{{{where}"add"}}': 1,
        f'farhand_run_seconds_count{{{where}"boom"}}': 3,
        f'farhand_queue_seconds_count{{{where}"boom"}}': 3,
        f'farhand_first_chunk_seconds_count{{{where}"count"}}': 1,
        f'farhand_run_seconds_bucket{{{where}"add",le="+Inf"}}': 1,
        'farhand_workers{state="ready"}': 1,
        'farhand_slots{group="default"}': 32,
        'farhand_running{group="default"}': 0,
    }.items():
        assert float(lines[name]) == value, name
    assert served.hub.meter is not None


async def test_a_problem_is_whole_whatever_a_handler_raises(web: httpx.AsyncClient) -> None:
    for text in ("x" * 100_000, "\ud800 \x00 \u2028", ""):
        body = msgspec.json.encode({"text": text.encode("utf-8", "replace").decode()})
        answer = await web.post("/v1/run/boom", content=body, headers={"content-type": "application/json"})
        assert answer.status_code == 500
        assert answer.json()["code"] == "HANDLER_FAILED"
