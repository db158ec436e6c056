"""The runners of the package index, unchanged, and our own, as processes: what each does, and what becomes of its job
when it is told to stop or is killed."""

from __future__ import annotations

import json
import re
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.fronts.devaria.runners import is_now, runner, until
from tests.fronts.devaria.serving import Web, devaria_hub, web_of

KINDS = pytest.mark.parametrize("kind", ["devaria", "runpack", "ours"])
LINE = re.compile(r"\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\] ")


@KINDS
async def test_hello_world_is_done(kind: str, tmp_path: Path) -> None:
    async with devaria_hub() as hub, web_of(hub) as web:
        id = (await web.submit("hello_world", name="Alice", processing_time=1))["job_id"]
        async with runner(kind, hub.http, tmp_path):
            job = await is_now(web, id, "completed", "failed")
        assert job["status"] == "completed"
        assert job["result"]["output_data"] == {"message": "Hello, Alice!", "processing_time": 1}
        lines = job["result"]["console_output"].splitlines()
        assert all(LINE.match(line) for line in lines)
        assert [LINE.sub("", line) for line in lines] == [
            "Starting hello_world job for Alice",
            "Processing time: 1 seconds",
            "Completed!",
        ]
        (known,) = (await web.told("GET", "/api/admin/runners"))["runners"]
        assert "hello_world" in known["capabilities"]
        assert known["name"].startswith("runner-")


@KINDS
async def test_bad_parameters_are_reported(kind: str, tmp_path: Path) -> None:
    async with devaria_hub() as hub, web_of(hub) as web:
        id = (await web.submit("hello_world", name="Alice", processing_time=301))["job_id"]
        async with runner(kind, hub.http, tmp_path):
            job = await is_now(web, id, "completed", "failed")
        assert job["status"] == "failed"
        assert job["error"].startswith("Invalid parameters: Parameter 'processing_time' must")


@KINDS
async def test_a_runner_that_is_told_to_stop_ends_its_job_first(kind: str, tmp_path: Path) -> None:
    async with devaria_hub() as hub, web_of(hub) as web:
        id = (await web.submit("hello_world", name="Bob", processing_time=2))["job_id"]
        async with runner(kind, hub.http, tmp_path) as process:
            await is_now(web, id, "claimed", "in_progress")
            process.send_signal(signal.SIGTERM)
            assert await process.wait() == 0
        assert (await web.job(id))["status"] == "completed"


@pytest.mark.parametrize(("first", "second"), [("devaria", "runpack"), ("runpack", "ours"), ("ours", "devaria")])
async def test_the_job_of_a_killed_runner_is_done_by_another(first: str, second: str, tmp_path: Path) -> None:
    async with devaria_hub(lease=3.0) as hub, web_of(hub) as web:
        id = (await web.submit("hello_world", name="Carol", processing_time=2))["job_id"]
        async with runner(first, hub.http, tmp_path / "first") as process:
            await is_now(web, id, "claimed", "in_progress")
            process.kill()
            await process.wait()
        web.runner = ""
        await web.register("onlooker", "hello_world")
        (offer,) = await until(lambda: web.available("hello_world"))
        assert offer["job_id"] == id, "it was given back"
        async with runner(second, hub.http, tmp_path / "second"):
            job = await is_now(web, id, "completed", "failed")
        assert job["result"]["output_data"]["message"] == "Hello, Carol!"


@pytest.mark.parametrize("kind", ["devaria", "runpack"])
async def test_a_runner_is_known_again_when_it_and_the_hub_come_back(kind: str, tmp_path: Path) -> None:
    store, names = f"sqlite:///{tmp_path / 'jobs.db'}", []
    for number in range(2):
        async with devaria_hub(store) as hub, web_of(hub) as web:
            id = (await web.submit("hello_world", name=f"D{number}", processing_time=0))["job_id"]
            async with runner(kind, hub.http, tmp_path / "runner"):
                assert (await is_now(web, id, "completed", "failed"))["status"] == "completed"
            names += [
                (one["name"], one["runner_id"]) for one in (await web.told("GET", "/api/admin/runners"))["runners"]
            ]
    assert len(names) == 2
    assert names[0] == names[1]


async def test_the_files_of_our_runner_are_the_documents(tmp_path: Path) -> None:
    async with devaria_hub() as hub, web_of(hub) as web:
        async with runner("ours", hub.http, tmp_path) as process:
            id = (await web.submit("hello_world", name="Eve", processing_time=0))["job_id"]
            await is_now(web, id, "completed")
            process.send_signal(signal.SIGINT)
            assert await process.wait() == 0
        known = json.loads((tmp_path / ".devaria_runner.json").read_text())
        (listed,) = (await web.told("GET", "/api/admin/runners"))["runners"]
        assert known == {"runner_id": listed["runner_id"], "runner_name": listed["name"]}
        lines = (tmp_path / "devaria_runner.log").read_text().splitlines()
        assert all(re.match(r"\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\] (INFO|WARNING|ERROR): .", line) for line in lines)
        assert lines[-1].endswith("INFO: Runner stopped")
    async with devaria_hub() as hub, web_of(hub) as web, runner("ours", hub.http, tmp_path):
        (again,) = await until(lambda: _runners(web))
        assert again["name"] == known["runner_name"], "it is registered anew where it isn't known, by its name"
        assert again["runner_id"] != known["runner_id"]


async def test_our_runner_says_why_it_is_not_let_in(tmp_path: Path) -> None:
    async with devaria_hub() as hub:
        async with runner("ours", hub.http, tmp_path / "wrong", key="wrong") as process:
            assert await process.wait() == 1
        assert "Invalid API key" in (tmp_path / "wrong" / "devaria_runner.log").read_text()
        async with runner("ours", hub.http, tmp_path / "none", key="") as process:
            assert await process.wait() == 1
        assert (
            "DEVARIA_RUNNER_API_KEY environment variable is not set"
            in (tmp_path / "none" / "devaria_runner.log").read_text()
        )


async def _runners(web: Web) -> Any:
    return (await web.told("GET", "/api/admin/runners"))["runners"]


async def test_our_runner_serves_a_module_in_several_slots(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(MINE)
    async with devaria_hub() as hub, web_of(hub) as web:
        ids = [(await web.submit("meet", n=number, folder=str(tmp_path)))["job_id"] for number in range(2)]
        async with runner("ours", hub.http, tmp_path, "mine", "--slots", "2"):
            jobs = [await is_now(web, id, "completed", "failed") for id in ids]
            assert [job["status"] for job in jobs] == ["completed"] * 2, "each waits for the other"
            assert [job["result"]["output_data"] for job in jobs] == [{"n": 0}, {"n": 1}]
            assert jobs[0]["result"]["console_output"] == "come\ndone"
            bad = (await web.submit("bad"))["job_id"]
            assert (await is_now(web, bad, "failed"))["error"] == "Job execution failed: so it is"
            no_object = (await web.submit("seven"))["job_id"]
            job = await is_now(web, no_object, "completed", "failed")
            assert job["result"]["output_data"] == {"result": 7}
            large = (await web.submit("large"))["job_id"]
            assert "Output data exceeds size limit" in (await is_now(web, large, "failed"))["error"]


async def test_our_runner_serves_an_app_with_its_progress(tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text(OWN)
    async with devaria_hub() as hub, web_of(hub) as web:
        id = (await web.submit("go", folder=str(tmp_path)))["job_id"]
        async with runner("ours", hub.http, tmp_path, "own:app"):

            async def progress() -> bool:
                return bool((await web.job(id)).get("progress") == {"current": 1, "total": 2})

            await until(progress)
            (tmp_path / "go").touch()
            job = await is_now(web, id, "completed", "failed")
            assert job["result"] == {"output_data": {"chunks": ["a", "b"]}, "console_output": "printed\n"}


async def test_our_runner_waits_for_a_hub_that_is_away(tmp_path: Path) -> None:
    store = f"sqlite:///{tmp_path / 'jobs.db'}"
    (tmp_path / "own.py").write_text(OWN)
    async with devaria_hub(store) as hub, web_of(hub) as web:
        address = hub.http
        id = (await web.submit("go", folder=str(tmp_path)))["job_id"]
        process = runner("ours", hub.http, tmp_path, "own:app")
        await process.__aenter__()
        await is_now(web, id, "in_progress")
    try:
        (tmp_path / "go").touch()  # it ends while there is no hub
        async with devaria_hub(store, address=address) as hub, web_of(hub) as web:
            assert (await is_now(web, id, "completed", "failed"))["status"] == "completed"
    finally:
        await process.__aexit__(None, None, None)


MINE = """
import pathlib, time
from farhand.kits.devaria import JobHandler

class Meet(JobHandler):
    def execute(self, input_params, heartbeat_callback):
        folder = pathlib.Path(input_params["folder"])
        (folder / f"here{input_params['n']}").touch()
        heartbeat_callback(progress_current=None, progress_total=None, console_output="come")
        while not (folder / f"here{1 - input_params['n']}").exists():
            time.sleep(0.01)
        return {"n": input_params["n"], "console_output": "come\\ndone"}

class Bad(JobHandler):
    def execute(self, input_params, heartbeat_callback):
        raise RuntimeError("so it is")

class Seven:
    def execute(self, input_params, heartbeat_callback):
        return 7

class Large(JobHandler):
    def execute(self, input_params, heartbeat_callback):
        return {"text": "x" * 600_000}

JOB_HANDLERS = {"meet": Meet, "bad": Bad, "seven": Seven(), "large": Large}
"""

OWN = """
import pathlib, time
import farhand

app = farhand.App()

@app.handler
def go(ctx: farhand.Context, folder: str):
    print("printed")
    ctx.progress(1, 2)
    yield "a"
    while not pathlib.Path(folder, "go").exists():
        time.sleep(0.01)
    yield "b"
"""
