"""Devaria's jobs on a worker of the hub's, which holds a stream and needs no poll."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from farhand.assembly import RunningHub, build_worker
from farhand.kits.devaria import JOB_HANDLERS, JobHandler, app_of
from farhand.worker.worker import WorkerOptions
from tests.fronts.devaria.runners import is_now
from tests.fronts.devaria.serving import Web


class Shout(JobHandler):
    """Shouts."""

    def execute(self, input_params: dict[str, Any], heartbeat_callback: Any) -> dict[str, Any]:
        heartbeat_callback(progress_current=1, progress_total=2, console_output="one\n")
        heartbeat_callback(progress_current=2, progress_total=2, console_output="one\ntwo\n")
        text = str(input_params["text"])
        if not text:
            raise KeyError("nothing to shout")
        return {"text": text.upper(), "ctx": input_params.get("ctx"), "console_output": "two\nonly\n"}


async def test_job_handlers_run_on_a_worker_of_the_hubs(hub: RunningHub, web: Web) -> None:
    ready, loop = asyncio.Event(), asyncio.get_running_loop()
    options = WorkerOptions(hub=hub.address, group="devaria")
    app = app_of({**JOB_HANDLERS, "shout": Shout})

    def let_in(id: str) -> None:
        loop.call_soon_threadsafe(ready.set)

    worker = build_worker(app, options, let_in)
    running = asyncio.ensure_future(worker.run(grace=1.0))
    async with asyncio.timeout(20):
        await ready.wait()
    try:
        began = time.monotonic()
        id = (await web.submit("shout", text="hey", ctx=1))["job_id"]
        job = await is_now(web, id, "completed", "failed")
        assert time.monotonic() - began < 5
        assert job["result"] == {"output_data": {"text": "HEY", "ctx": 1}, "console_output": "two\nonly\n"}
        assert job["progress"] == {"current": 2, "total": 2}
        bad = (await web.submit("hello_world", name="x"))["job_id"]
        told = (await is_now(web, bad, "failed"))["error"]
        assert told == "Invalid parameters: Missing required parameter: 'processing_time'"
        other = (await web.submit("shout", text=""))["job_id"]
        assert (await is_now(web, other, "failed"))["error"] == "Job execution failed: 'nothing to shout'"
        hello = (await web.submit("hello_world", name="W", processing_time=0))["job_id"]
        assert (await is_now(web, hello, "completed"))["result"]["output_data"] == {
            "message": "Hello, W!",
            "processing_time": 0,
        }
        listed = (await web.told("GET", f"/api/admin/jobs/{hello}"))["claimed_by"]
        assert listed == worker.id
    finally:
        worker.stop()
        await running
