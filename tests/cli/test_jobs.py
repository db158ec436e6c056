"""submit, watch, result, jobs and retry as a user types them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.processes import farhand, serving

APP = """
import farhand

app = farhand.App()


@app.handler
def add(a: float, b: float) -> float:
    return a + b


@app.handler
def steps(ctx: farhand.Context, n: int):
    for number in range(n):
        ctx.progress(number + 1, n)
        print("step", number)
        yield number


@app.handler(schedule="0 0 29 2 *")
def leap() -> str:
    return "rare"


@app.handler
def fail(text: str) -> None:
    raise ValueError(text)
"""


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("jobs")
    (folder / "work.py").write_text(APP)
    store = f"sqlite:///{folder}/farhand.db"
    with (
        serving("hub", "--grpc", "127.0.0.1:0", "--store", store) as (_, address),
        serving("worker", str(folder / "work.py"), "--hub", address),
    ):
        yield address


def entries(text: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in text.splitlines()]


def test_a_job_from_submit_to_result(hub: str) -> None:
    done = farhand("submit", "add", "a=1", "b:=2", "--hub", hub)
    assert (done.returncode, done.stderr) == (0, "")
    job = done.stdout.strip()
    assert len(job) == 36
    assert farhand("result", job, "--hub", hub).stdout == "3.0\n"
    watched = farhand("watch", job, "--hub", hub)
    assert watched.returncode == 0
    assert [entry["kind"] for entry in entries(watched.stdout)] == ["queued", "started", "succeeded"]
    assert entries(farhand("watch", job, "--from", "2", "--hub", hub).stdout)[0]["value"] == 3.0
    assert any(one["id"] == job for one in json.loads(farhand("jobs", "--hub", hub).stdout))


def test_a_streams_log_holds_chunks_progress_and_text(hub: str) -> None:
    job = farhand("submit", "steps", "n=3", "--hub", hub).stdout.strip()
    assert farhand("result", job, "--hub", hub).stdout == "[0,1,2]\n"
    log = entries(farhand("watch", job, "--hub", hub).stdout)
    assert [entry["offset"] for entry in log] == list(range(len(log)))
    assert [entry["value"] for entry in log if entry["kind"] == "chunk"] == [0, 1, 2]
    assert "step 2" in "".join(str(entry.get("text", "")) for entry in log)


def test_a_failed_job_is_told_listed_and_started_anew(hub: str) -> None:
    job = farhand("submit", "fail", "text=oh no", "--hub", hub).stdout.strip()
    failed = farhand("result", job, "--hub", hub)
    assert (failed.returncode, failed.stdout) == (1, "")
    assert "oh no" in failed.stderr
    watched = farhand("watch", job, "--hub", hub)
    assert watched.returncode == 1
    assert entries(watched.stdout)[-1]["error"] == "HANDLER_FAILED"
    dead = json.loads(farhand("jobs", "--dead", "--handler", "fail", "--hub", hub).stdout)
    assert [(one["id"], one["status"], one["error"]) for one in dead] == [(job, "failed", "HANDLER_FAILED")]
    again = farhand("retry", job, "--hub", hub).stdout.strip()
    assert len(again) == 36
    assert again != job


def test_what_was_submitted_before_is_found(hub: str) -> None:
    first = farhand("submit", "add", "a=5", "b=5", "--key", "once", "--hub", hub)
    again = farhand("submit", "add", "a=6", "b=6", "--key", "once", "--hub", hub)
    assert again.stdout == first.stdout
    assert "found by its idempotency key" in again.stderr


def test_a_job_that_waits_is_cancelled(hub: str) -> None:
    job = farhand("submit", "add", "a=1", "b=1", "--delay", "3600", "--hub", hub).stdout.strip()
    receipt = json.loads(farhand("cancel", job, "--hub", hub).stdout)
    assert receipt["outcome"] == "not_started"
    late = farhand("result", job, "--timeout", "5", "--hub", hub)
    assert (late.returncode, "CANCELLED" in late.stderr) == (1, True)


@pytest.mark.parametrize("verb", ["watch", "result", "cancel", "retry"])
def test_an_unknown_job_is_said_to_be_unknown(hub: str, verb: str) -> None:
    done = farhand(verb, "nobody", "--hub", hub)
    assert (done.returncode, done.stdout) == (1, "")
    assert "JOB_NOT_FOUND" in done.stderr


def test_a_store_that_is_none_is_refused(tmp_path: Path) -> None:
    done = farhand("hub", "--grpc", "127.0.0.1:0", "--store", "mysql://x")
    assert done.returncode == 1
    assert "names no store" in done.stderr


def test_schedules_are_listed_fired_and_dropped(hub: str) -> None:
    (one,) = json.loads(farhand("schedules", "--hub", hub).stdout)
    assert (one["name"], one["cron"], one["fired"]) == ("leap", "0 0 29 2 *", 0)
    job = farhand("schedules", "fire", "leap", "--hub", hub).stdout.strip()
    assert farhand("result", job, "--hub", hub).stdout == '"rare"\n'
    assert farhand("schedules", "--hub", hub, "drop", "leap").returncode == 0
    assert farhand("schedules", "--hub", hub, "--json").stdout == "[]\n"
    wrong = farhand("schedules", "drop", "leap", "--hub", hub)
    assert wrong.returncode == 1
    assert "there is no schedule 'leap'" in wrong.stderr
