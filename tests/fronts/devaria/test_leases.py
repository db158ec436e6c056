"""Claims are leases: who is silent for too long loses the job, and two never have it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from farhand.client import AsyncClient
from tests.engines.postgres import fresh_schema, url_of
from tests.fronts.devaria.runners import until
from tests.fronts.devaria.serving import Web, devaria_hub, web_of


@asynccontextmanager
async def _url(store: str, folder: Path) -> AsyncIterator[str]:
    """The URL of a store that outlives its hub."""
    if store == "sqlite":
        yield f"sqlite:///{folder / 'jobs.db'}"
    else:
        async with fresh_schema() as schema:
            yield url_of(schema)


async def test_of_many_runners_one_gets_a_job(web: Web) -> None:
    ids = [(await web.submit(n=number))["job_id"] for number in range(10)]
    runners = [await web.register(f"r{number}") for number in range(8)]

    async def claim(runner: str, id: str) -> str | None:
        answer = await web.ask("POST", f"/api/runner/jobs/{id}/claim", headers={"X-Runner-ID": runner})
        assert answer.status_code in (200, 409)
        return id if answer.status_code == 200 else None

    taken = await asyncio.gather(*[claim(runner, id) for id in ids for runner in runners])
    assert sorted(id for id in taken if id) == sorted(ids)


async def test_a_silent_runners_job_is_given_back_and_its_late_words_are_refused() -> None:
    async with devaria_hub(lease=1.0) as hub, web_of(hub) as web, web_of(hub) as other:
        await web.register("first")
        await other.register("second")
        id = (await web.submit(n=1))["job_id"]
        await web.claim(id)
        await web.beat(id, "from the first\n", 1, 2)
        await until(other.available)
        assert (await web.job(id))["status"] == "pending"
        await web.beat(id, status=400)
        await other.claim(id)
        await web.complete(id, {"who": "first"}, status=400)
        await web.fail(id, status=400)
        await other.complete(id, {"who": "second"}, "from the second\n")
        result = (await web.job(id))["result"]
        assert result == {"output_data": {"who": "second"}, "console_output": "from the second\n"}


async def test_heartbeats_keep_a_job_for_longer_than_a_lease() -> None:
    async with devaria_hub(lease=1.0) as hub, web_of(hub) as web:
        await web.register()
        id = (await web.submit(n=1))["job_id"]
        await web.claim(id)
        for number in range(8):
            await asyncio.sleep(0.3)
            await web.beat(id, "." * number)
        await web.complete(id, console="." * 8)
        assert (await web.job(id))["result"]["console_output"] == "." * 8


async def test_a_job_that_ends_its_runners_is_parked() -> None:
    async with devaria_hub(lease=1.0) as hub, web_of(hub) as web:
        await web.register()
        id = (await web.submit(n=1))["job_id"]
        for _ in range(5):
            await until(web.available)
            await web.claim(id)

        async def failed() -> bool:
            return bool((await web.job(id))["status"] == "failed")

        await until(failed)
        assert "attempts exhausted" in (await web.job(id))["error"]
        assert (await web.submit(n=1, status=200))["status"] == "failed"


@pytest.mark.parametrize("store", ["sqlite", "postgres"])
async def test_a_claim_outlives_its_hub(store: str, tmp_path: Path) -> None:
    async with _url(store, tmp_path) as url:
        async with devaria_hub(url) as hub, web_of(hub) as web:
            runner = await web.register()
            id = (await web.submit(n=1))["job_id"]
            await web.claim(id)
            await web.beat(id, "one\n", 1, 2)
        async with devaria_hub(url) as hub, web_of(hub) as web:
            web.runner = runner
            assert (await web.told("GET", "/api/runner/verify"))["runner_name"] == "tester"
            job = await web.job(id)
            assert (job["status"], job["progress"]) == ("in_progress", {"current": 1, "total": 2})
            await web.beat(id, "one\ntwo\n", 2, 2)
            await web.complete(id, console="one\ntwo\nend\n")
            assert (await web.job(id))["result"]["console_output"] == "one\ntwo\nend\n"
            async with AsyncClient(hub.address) as client:
                said = [entry.event async for entry in client.job(id).watch()]
            assert "".join(event.text for event in said if event.text != id) == "one\ntwo\nend\n"


async def test_two_hubs_on_one_store_give_a_job_to_one_runner(tmp_path: Path) -> None:
    async with (
        _url("postgres", tmp_path) as url,
        devaria_hub(url) as one,
        devaria_hub(url) as other,
        web_of(one) as first,
        web_of(other) as second,
    ):
        runner = await first.register()
        second.runner = await second.register()
        ids = [(await first.submit(n=number))["job_id"] for number in range(8)]
        answers = await asyncio.gather(
            *[web.ask("POST", f"/api/runner/jobs/{id}/claim") for id in ids for web in (first, second)]
        )
        assert sorted(answer.status_code for answer in answers) == [200] * 8 + [409] * 8
        talk = (await first.submit("talk"))["job_id"]
        await first.claim(talk)
        second.runner = runner
        for number, web in enumerate((first, second, first, first, second)):
            await web.beat(talk, "line\n" * number, number, 5)
            assert (await web.job(talk))["progress"] == {"current": number, "total": 5}
        await first.complete(talk, console="line\n" * 5)
        assert (await second.job(talk))["result"]["console_output"] == "line\n" * 5
        async with AsyncClient(one.address) as client:
            said = [entry.event async for entry in client.job(talk).watch()]
        assert "".join(event.text for event in said if event.text != talk) == "line\n" * 5, "each line once"
        held = [id for id in ids if (await second.ask("POST", f"/api/runner/jobs/{id}/complete", DONE)).is_success]
        completed = [job["job_id"] for job in await _completed(first) if job["job_id"] != talk]
        assert held == completed[::-1], "a runner may change hubs"


DONE = {"output_data": {}, "console_output": ""}


async def _completed(web: Web) -> list[dict[str, str]]:
    found: list[dict[str, str]] = (await web.told("GET", "/api/admin/jobs?status=completed"))["jobs"]
    return found
