"""What the page about pulled jobs shows, done by a hub, our runner and a worker."""

from __future__ import annotations

import asyncio
import shlex
from pathlib import Path

import pytest

from farhand.assembly import build_worker
from farhand.kits.devaria import JOB_HANDLERS, load_app
from farhand.worker.worker import WorkerOptions
from tests.docs.pages import ROOT, blocks
from tests.fronts.devaria.runners import is_now, runner
from tests.fronts.devaria.serving import devaria_hub, web_of

PAGE = (ROOT / "docs/how-to/devaria.md").read_text()
MODULES = {block.splitlines()[0].removeprefix("# "): block for block in blocks(PAGE, "python")}


async def test_what_the_page_submits_and_runs(tmp_path: Path) -> None:
    (tmp_path / "shapes.py").write_text(MODULES["shapes.py"])
    async with devaria_hub(submit_key="submit-me") as hub, web_of(hub) as web:
        web.submit_key = "submit-me"
        (curl,) = [line for block in blocks(PAGE, "sh") for line in block.splitlines() if line.startswith("curl")]
        words = [word.replace("127.0.0.1:8080", hub.http) for word in shlex.split(curl)]
        process = await asyncio.create_subprocess_exec(*words, stdout=asyncio.subprocess.PIPE)
        told, _ = await process.communicate()
        assert b"Job queued successfully" in told
        area = (await web.submit("area", sides=[2, 3]))["job_id"]
        bad = (await web.submit("area"))["job_id"]
        async with runner("ours", hub.http, tmp_path, "shapes"):
            job = await is_now(web, area, "completed", "failed")
            assert job["result"] == {"output_data": {"area": 6}, "console_output": "2 sides\nDone"}
            job = await is_now(web, bad, "completed", "failed")
            assert job["error"] == "Invalid parameters: Missing required parameter: 'sides'"
        async with runner("ours", hub.http, tmp_path / "hello"):
            told_again = await web.submit("hello_world", 200, name="Alice", processing_time=1)
            assert (await is_now(web, told_again["job_id"], "completed"))["result"]["output_data"]["message"]


async def test_the_pages_handlers_run_on_a_worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, text in MODULES.items():
        (tmp_path / name).write_text(text)
    monkeypatch.chdir(tmp_path)
    app = load_app("shapes_app.py")
    async with devaria_hub() as hub, web_of(hub) as web:
        worker = build_worker(app, WorkerOptions(hub=hub.address, group="devaria"))
        running = asyncio.ensure_future(worker.run(grace=1.0))
        id = (await web.submit("area", sides=[4, 5]))["job_id"]
        job = await is_now(web, id, "completed", "failed")
        assert job["result"] == {"output_data": {"area": 20}, "console_output": "2 sides\nDone"}
        worker.stop()
        await running
    assert list(JOB_HANDLERS) == ["hello_world"]
