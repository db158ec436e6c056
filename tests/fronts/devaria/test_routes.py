"""Each route of Devaria's, with its exact answers."""

from __future__ import annotations

import asyncio
import re
import time
import uuid
from typing import Any

import httpx
import pytest

from farhand.assembly import RunningHub, open_store, serve_hub
from farhand.client import AsyncClient
from farhand.fronts.devaria.options import DevariaOptions
from farhand.model.event import Kind
from tests.fronts.devaria.serving import ADMIN, NOBODY, RUNNER, SUBMIT, Web, devaria_hub, web_of

UUID4 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


async def test_a_job_from_its_submit_to_its_cached_result(web: Web) -> None:
    assert await web.check(n=1) == {"exists": False, "message": "Job does not exist"}
    before = int(time.time() * 1000)
    new = await web.submit(n=1)
    id = new["job_id"]
    assert new == {"job_id": id, "status": "pending", "message": "Job queued successfully"}
    assert UUID4.fullmatch(id)
    assert uuid.UUID(id).version == 4
    again = await web.submit(n=1, status=200)
    assert (again["job_id"], again["status"]) == (id, "pending")
    job = await web.job(id)
    assert (job["job_id"], job["status"], job["job_type"]) == (id, "pending", "hello")
    assert before - 1 <= job["created_at"] <= job["updated_at"] <= before + 60_000
    assert "progress" not in job

    await web.register()
    (offer,) = await web.available()
    assert offer == {"job_id": id, "job_type": "hello", "input_params": {"n": 1}, "created_at": job["created_at"]}
    claimed = await web.claim(id)
    assert claimed["success"] is True
    assert claimed["job"] == {"job_id": id, "job_type": "hello", "input_params": {"n": 1}}
    assert (await web.check(n=1))["status"] == "claimed"
    assert await web.available() == []

    assert (await web.beat(id, "one", 1, 4))["success"] is True
    job = await web.job(id)
    assert (job["status"], job["progress"]) == ("in_progress", {"current": 1, "total": 4})
    assert (await web.submit(n=1, status=200))["status"] == "in_progress"

    assert (await web.complete(id, {"x": [1, 2.5]}, "one\ntwo"))["success"] is True
    result = {"output_data": {"x": [1, 2.5]}, "console_output": "one\ntwo"}
    done = {
        "job_id": id,
        "status": "completed",
        "message": "Job already completed (cached result)",
        "result": result,
    }
    assert await web.submit(n=1, status=200) == done
    assert await web.check(n=1) == {"exists": True, **done}
    job = await web.job(id)
    assert (job["status"], job["result"]) == ("completed", result)


async def test_a_failure_is_kept_until_it_is_to_be_tried_again(web: Web) -> None:
    id = (await web.submit(n=1))["job_id"]
    await web.register()
    await web.claim(id)
    assert (await web.fail(id, "Invalid parameters: näh", "so"))["success"] is True
    failed = {
        "job_id": id,
        "status": "failed",
        "message": "Job previously failed",
        "error": "Invalid parameters: näh",
    }
    assert await web.submit(n=1, status=200) == failed
    assert await web.submit(n=1, status=200, retry=False) == failed
    assert await web.check(n=1) == {"exists": True, **failed}
    new = await web.submit(n=1, retry=True)
    assert new["job_id"] != id
    assert (await web.submit(n=1, status=200, retry=True))["job_id"] == new["job_id"], "it has not failed"
    assert (await web.job(id))["error"] == "Invalid parameters: näh"


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ({"a": 1, "b": {"c": 2, "d": 3}}, {"b": {"d": 3, "c": 2}, "a": 1}, True),
        ({"a": 1}, {"a": 1.0}, True),
        ({"a": [1.0, {"b": 2}]}, {"a": [1, {"b": 2.0}]}, True),
        ({"a": 10**22}, {"a": 1e22}, True),
        ({"a": [1, 2]}, {"a": [2, 1]}, False),
        ({"a": 1}, {"a": "1"}, False),
        ({"a": 1}, {"a": True}, False),
        ({"a": None}, {}, False),
    ],
)
async def test_equal_work_is_one_job(web: Web, one: Any, other: Any, same: bool) -> None:
    first = (await web.submit(**one))["job_id"]
    second = (await web.submit(**other, status=200 if same else 201))["job_id"]
    assert (first == second) is same
    assert (await web.submit("other_type", **one))["job_id"] != first


async def test_available_is_pending_of_these_types_oldest_first_and_fifty_at_most(web: Web) -> None:
    ids = [(await web.submit("a" if number % 2 else "b", n=number))["job_id"] for number in range(60)]
    await web.register()
    assert [one["job_id"] for one in await web.available("a", "b")] == ids[:50]
    assert [one["job_id"] for one in await web.available("a")] == ids[1::2]
    assert await web.available("c", "", "b d", "\x00") == []
    assert (await web.told("GET", "/api/runner/jobs/available"))["jobs"] == []
    await web.claim(ids[0])
    assert [one["job_id"] for one in await web.available("b", "a")] == ids[1:51]


async def test_runners_are_registered_and_known(web: Web) -> None:
    answer = await web.told("POST", "/api/runner/register", {"name": "r", "capabilities": []}, 201)
    assert answer == {"runner_id": answer["runner_id"], "message": "Runner registered successfully"}
    assert UUID4.fullmatch(answer["runner_id"])
    missing = await web.told("GET", "/api/runner/verify", status=400)
    assert missing == {"error": "Missing X-Runner-ID header"}
    web.runner = answer["runner_id"]
    known = await web.told("GET", "/api/runner/verify")
    assert (known["exists"], known["runner_name"]) == (True, "r")
    web.runner = NOBODY
    assert await web.told("GET", "/api/runner/verify", status=404) == {"exists": False, "message": "Runner not found"}
    wrong: tuple[Any, ...] = (
        {},
        {"name": "r"},
        {"capabilities": []},
        {"name": "", "capabilities": []},
        {"name": 1},
        [],
        "x",
    )
    for bad in wrong:
        found = await web.told("POST", "/api/runner/register", bad, 400)
        assert found == {"error": "Invalid registration data"}


async def test_only_who_claimed_a_job_reports_on_it(web: Web, hub: RunningHub) -> None:
    id = (await web.submit(n=1))["job_id"]
    not_yours = {"success": False, "message": "Job not found or not claimed by this runner"}
    taken = {"success": False, "message": "Job already claimed or not found"}
    async with web_of(hub) as other:
        await other.register("other")
        await web.register()
        assert await other.beat(id, status=400) == not_yours
        await web.claim(id)
        assert await other.claim(id, 409) == taken
        assert await web.claim(id, 409) == taken
        for wrong in (other.beat(id, status=400), other.complete(id, status=400), other.fail(id, status=400)):
            assert await wrong == not_yours
        assert (await web.job(id))["status"] == "claimed"
        await web.complete(id)
        for late in (web.beat(id, status=400), web.complete(id, status=400), web.fail(id, status=400)):
            assert await late == not_yours
        for nothing in (NOBODY, "x", "%00", "ä"):
            assert await web.claim(nothing, 409) == taken
            assert await web.beat(nothing, status=400) == not_yours


async def test_each_level_has_its_key(web: Web) -> None:
    asked = {
        ("POST", "/api/jobs/check"): {SUBMIT},
        ("POST", "/api/jobs/submit"): {SUBMIT},
        ("GET", f"/api/jobs/{NOBODY}"): {SUBMIT},
        ("POST", "/api/runner/register"): {RUNNER},
        ("GET", "/api/runner/verify"): {RUNNER},
        ("GET", "/api/runner/jobs/available"): {RUNNER},
        ("POST", f"/api/runner/jobs/{NOBODY}/claim"): {RUNNER},
        ("POST", f"/api/runner/jobs/{NOBODY}/heartbeat"): {RUNNER},
        ("POST", f"/api/runner/jobs/{NOBODY}/complete"): {RUNNER},
        ("POST", f"/api/runner/jobs/{NOBODY}/error"): {RUNNER},
        ("GET", "/api/admin/jobs"): {ADMIN, RUNNER},
        ("GET", f"/api/admin/jobs/{NOBODY}"): {ADMIN, RUNNER},
        ("DELETE", f"/api/admin/jobs/{NOBODY}"): {ADMIN, RUNNER},
        ("POST", "/api/admin/jobs/batch-delete"): {ADMIN, RUNNER},
        ("POST", f"/api/admin/jobs/{NOBODY}/reset"): {ADMIN, RUNNER},
        ("GET", "/api/admin/runners"): {ADMIN, RUNNER},
        ("GET", f"/api/admin/runners/{NOBODY}"): {ADMIN, RUNNER},
        ("GET", "/api/admin/stats"): {ADMIN, RUNNER},
    }
    for (method, path), allowed in asked.items():
        for key in (SUBMIT, RUNNER, ADMIN, "x", SUBMIT + "x", SUBMIT[:-1], "ö"):
            header = {b"Authorization": f"Bearer {key}".encode("latin-1")}
            answer = await web.client.request(method, path, headers=header)
            if key in allowed:
                assert answer.status_code != 401, (method, path, key)
            else:
                assert (answer.status_code, answer.json()) == (401, {"error": "Invalid API key"}), (method, path, key)
        answer = await web.client.request(method, path)
        assert (answer.status_code, answer.json()) == (401, {"error": "Missing Authorization header"})
        for wrong in ("x", "Basic eDp5", f"bearer {SUBMIT}", "Bearer"):
            answer = await web.client.request(method, path, headers={"Authorization": wrong})
            text = "Invalid Authorization header format. Use: Bearer <token>"
            assert (answer.status_code, answer.json()) == (401, {"error": text}), wrong


async def test_a_level_without_a_key_lets_nobody_in() -> None:
    async with devaria_hub(submit_key="", admin_key="") as hub, web_of(hub) as web:
        for key in ("x", "None"):
            answer = await web.client.post("/api/jobs/check", headers={"Authorization": f"Bearer {key}"})
            assert answer.status_code == 401
        await web.told("GET", "/api/admin/stats", key=RUNNER)
    async with (
        await serve_hub(store=await open_store("memory:"), http="127.0.0.1:0") as hub,
        httpx.AsyncClient(trust_env=False) as client,
    ):
        answer = await client.post(f"http://{hub.http}/api/jobs/check", headers={"Authorization": "Bearer x"})
        assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")


async def test_other_paths_are_not_found_and_options_let_pages_ask(web: Web) -> None:
    for method, path in (
        ("GET", "/api/"),
        ("PUT", "/api/jobs/check"),
        ("GET", "/api/jobs/check/x"),
        ("POST", "/api/x"),
    ):
        answer = await web.client.request(method, path)
        assert (answer.status_code, answer.json()) == (404, {"error": "Not found"}), path
    for path in ("/api/jobs/submit", "/api/none", f"/api/admin/jobs/{NOBODY}"):
        answer = await web.client.options(path, headers={"Origin": "https://page.example"})
        assert (answer.status_code, answer.content) == (204, b"")
        assert answer.headers["access-control-allow-origin"] == "*"
        assert answer.headers["access-control-allow-methods"] == "GET, POST, DELETE, OPTIONS"
        assert answer.headers["access-control-allow-headers"] == "Content-Type, Authorization, X-Runner-ID"
    page = {"Origin": "https://page.example", "Host": "hub.example", "Sec-Fetch-Site": "cross-site"}
    assert (await web.ask("POST", "/api/jobs/check", {"job_type": "a", "input_params": {}}, headers=page)).is_success
    other = await web.client.get("/v1/jobs", headers={"Origin": "https://page.example"})
    assert other.status_code == 403, "the hub's own routes are for its own pages"


async def test_who_asks_too_often_is_told_when_to_ask_again() -> None:
    async with devaria_hub(submit_rate=3, status_rate=2, runner_rate=2) as hub, web_of(hub) as web:
        before = time.time() * 1000
        id = (await web.submit(n=1))["job_id"]
        await web.check(n=1)
        await web.submit(n=1, status=200)
        refused = await web.told("POST", "/api/jobs/check", {}, 429)
        assert refused["error"] == "Rate limit exceeded"
        assert before + 59_000 < refused["resetTime"] <= time.time() * 1000 + 60_000
        await web.told("POST", "/api/jobs/submit", {}, 429)
        await web.job(id)
        await web.job(id)
        await web.told("GET", f"/api/jobs/{id}", status=429)
        await web.register()
        await web.available()
        await web.available()
        await web.told("GET", "/api/runner/verify", status=429)
        web.runner = ""
        await web.register("another runner has a rate of its own")
        await web.available()
        await web.told("GET", "/api/admin/stats")


async def test_the_rates_of_the_page_are_the_defaults() -> None:
    options = DevariaOptions()
    assert (options.submit_rate, options.status_rate, options.runner_rate, options.lease) == (10, 60, 120, 90.0)


async def test_a_job_is_a_durable_job_like_any_other(web: Web, hub: RunningHub) -> None:
    id = (await web.submit(n=1))["job_id"]
    await web.register()
    async with AsyncClient(hub.address) as client:
        (listed,) = await client.jobs(group="devaria")
        assert (listed.id, listed.handler, listed.group) == (id, "hello", "devaria")
        joined = asyncio.ensure_future(client.job(id).result(timeout=20))
        await web.claim(id)
        await web.beat(id, "one\n", 1, 2)
        await web.beat(id, "one\ntwo\n", 1, 2)
        await web.beat(id, "anew\n", 2, 2)
        await web.complete(id, {"x": 1}, "anew\nend")
        assert await joined == {"x": 1}
        said = [one async for one in client.job(id).watch()]
        events = [one.event for one in said]
        assert [one.kind for one in events[:2]] == [Kind.QUEUED, Kind.STARTED]
        text = "".join(one.text for one in events if one.kind is Kind.CONSOLE)
        assert text == "one\ntwo\n\fanew\nend", "each part once"
        progress = [(one.progress.current, one.progress.total) for one in events if one.progress is not None]
        assert progress == [(1, 2), (2, 2)]
        assert events[-1].kind is Kind.SUCCEEDED
    assert (await web.job(id))["result"]["console_output"] == "anew\nend"


async def test_a_cancel_of_the_hubs_ends_a_claimed_job(web: Web, hub: RunningHub) -> None:
    id = (await web.submit(n=1))["job_id"]
    await web.register()
    await web.claim(id)
    await web.beat(id)
    async with AsyncClient(hub.address) as client:
        async with asyncio.timeout(5):
            await client.job(id).cancel()
    assert (await web.job(id))["status"] == "failed"
    assert "cancelled" in (await web.job(id))["error"]
    await web.beat(id, status=400)
    await web.complete(id, status=400)
    assert (await web.check(n=1))["exists"] is False, "a cancelled job answers for nobody"


async def test_large_outputs_and_long_texts_come_back_whole(web: Web) -> None:
    id = (await web.submit(n=1))["job_id"]
    await web.register()
    await web.claim(id)
    output = {"text": "ä" * (500 * 1024 // 2 - 10)}
    console = "zeile\n" * (1024 * 1024 // 6)
    await web.beat(id, console[:500_000])
    await web.complete(id, output, console)
    result = (await web.check(n=1))["result"]
    assert result["output_data"] == output
    assert result["console_output"] == console


async def test_admin_lists_counts_deletes_and_resets(web: Web) -> None:
    ids = [(await web.submit(n=number))["job_id"] for number in range(5)]
    runner = await web.register("worker one", "hello", "other")
    for id in ids[:4]:
        await web.claim(id)
    await web.beat(ids[1], "text", 1, None)
    await web.complete(ids[2])
    await web.fail(ids[3])
    stats = await web.told("GET", "/api/admin/stats")
    assert stats == {
        "jobs": {
            "pending": 1,
            "claimed": 1,
            "in_progress": 1,
            "completed": 1,
            "failed": 1,
            "expired": 0,
            "total": 5,
        },
        "runners": {"total": 1, "active": 1},
    }
    listed = await web.told("GET", "/api/admin/jobs")
    assert ([one["job_id"] for one in listed["jobs"]], listed["total"]) == (ids[::-1], 5)
    keys = {"job_id", "job_type", "status", "created_at", "updated_at", "claimed_by"}
    assert {frozenset(one) for one in listed["jobs"]} == {frozenset(keys)}
    assert [one["claimed_by"] for one in listed["jobs"]] == [None, runner, runner, runner, runner]
    for number, status in enumerate(("claimed", "in_progress", "completed", "failed", "pending")):
        one = await web.told("GET", "/api/admin/jobs", params={"status": status})
        assert ([job["job_id"] for job in one["jobs"]], one["total"]) == ([ids[number]], 1)
    assert len((await web.told("GET", "/api/admin/jobs?limit=2"))["jobs"]) == 2
    for bad in ("status=odd", "limit=0", "limit=1001", "limit=x", "limit=%C2%B2"):
        await web.told("GET", f"/api/admin/jobs?{bad}", status=400)
    job = await web.told("GET", f"/api/admin/jobs/{ids[1]}")
    assert (job["input_params"], job["progress"]) == ({"n": 1}, {"current": 1, "total": None})
    assert await web.told("GET", f"/api/admin/jobs/{NOBODY}", status=404) == {"error": "Job not found"}
    (known,) = (await web.told("GET", "/api/admin/runners"))["runners"]
    assert known["name"] == "worker one"
    assert (known["capabilities"], known["is_active"]) == (["hello", "other"], True)
    assert await web.told("GET", f"/api/admin/runners/{runner}") == known
    await web.told("GET", f"/api/admin/runners/{NOBODY}", status=404)

    assert (await web.told("DELETE", f"/api/admin/jobs/{ids[2]}"))["success"] is True
    await web.told("GET", f"/api/jobs/{ids[2]}", status=404)
    await web.told("DELETE", f"/api/admin/jobs/{ids[2]}", status=404)
    assert (await web.check(n=2))["exists"] is False
    assert (await web.told("DELETE", f"/api/admin/jobs/{ids[1]}"))["success"] is True, "one that runs is cancelled"
    await web.beat(ids[1], status=400)
    batch = await web.told("POST", "/api/admin/jobs/batch-delete", {"job_ids": [ids[4], NOBODY, "x", ids[4]]})
    assert (batch["success"], batch["deleted"], batch["failed"]) == (False, 1, [NOBODY, "x"])
    reset = await web.told("POST", f"/api/admin/jobs/{ids[3]}/reset")
    assert (reset["success"], reset["status"]) == (True, "pending")
    assert (await web.submit(n=3, status=200))["job_id"] == reset["job_id"]
    await web.told("POST", f"/api/admin/jobs/{ids[0]}/reset", status=400)
    await web.told("POST", f"/api/admin/jobs/{NOBODY}/reset", status=404)


async def test_nobody_but_devarias_group_is_reached(web: Web, hub: RunningHub) -> None:
    async with AsyncClient(hub.address) as client:
        other = await client.submit("hello", {"n": 1})
        own = await client.submit("hello", {"n": 2}, group="devaria")
    await web.register()
    assert [one["job_id"] for one in await web.available()] == [own.id]
    await web.claim(other.id, 409)
    await web.told("GET", f"/api/jobs/{other.id}", status=404)
    await web.told("DELETE", f"/api/admin/jobs/{other.id}", status=404)
    await web.claim(own.id)
