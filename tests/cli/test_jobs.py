"""submit, watch, result, jobs and retry as a user types them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.processes import at_terminal, farhand, serving

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


@app.handler(keep_log=10)
def chatty(n: int):
    yield from range(n)


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
    failed = farhand("jobs", "--status", "failed", "--handler", "fail", "--hub", hub)
    assert [(one["id"], one["error"]) for one in json.loads(failed.stdout)] == [(job, "HANDLER_FAILED")]
    assert json.loads(farhand("jobs", "--dead", "--handler", "fail", "--hub", hub).stdout) == []
    again = farhand("retry", job, "--hub", hub).stdout.strip()
    assert len(again) == 36
    assert again != job


def test_a_job_takes_the_result_of_another(hub: str) -> None:
    parent = farhand("submit", "add", "a=1", "b=2", "--hub", hub).stdout.strip()
    child = farhand("submit", "add", "a=10", "--input", f"b={parent}", "--hub", hub).stdout.strip()
    assert farhand("result", child, "--hub", hub).stdout == "13.0\n"
    for flag, said in (("b=nobody", "JOB_NOT_FOUND"), ("b", "--input 'b' is not KEY=VALUE"), (f"a={parent}", "twice")):
        done = farhand("submit", "add", "a=10", "--input", flag, "--hub", hub)
        assert (done.returncode != 0, said in done.stderr, done.stdout) == (True, True, "")


def test_a_log_that_was_cut_is_watched_from_where_it_begins(hub: str) -> None:
    job = farhand("submit", "chatty", "n=60", "--hub", hub).stdout.strip()
    farhand("result", job, "--hub", hub)
    for _ in range(30):
        watched = farhand("watch", job, "--hub", hub)
        first = entries(watched.stdout)[0]["offset"]
        if first == 53:
            break
    assert (watched.returncode, first) == (0, 53)
    assert f"the log begins at offset {first}" in watched.stderr
    refused = farhand("watch", job, "--from", "3", "--hub", hub)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "LOG_PRUNED" in refused.stderr
    assert f"begins at offset {first} by now" in " ".join(refused.stderr.split())
    assert entries(farhand("watch", job, "--from", str(first), "--hub", hub).stdout)[0]["offset"] == first


def test_jobs_are_filtered(hub: str) -> None:
    for arguments in (["n=1"], ["n=2", "--label", "k=v"], ["n=3", "--group", "away", "--delay", "3600"]):
        assert farhand("submit", "never", *arguments, "--delay", "3600", "--hub", hub).returncode == 0
    dead = farhand("submit", "fail", "text=x", "--retries", "1", "--hub", hub).stdout.strip()
    assert farhand("result", dead, "--hub", hub).returncode == 1

    def found(*flags: str) -> list[str]:
        done = farhand("jobs", *flags, "--hub", hub)
        assert done.returncode == 0, done.stderr
        return [one["id"] for one in json.loads(done.stdout)]

    assert found("--dead") == [dead]
    mine = found("--handler", "never")
    assert len(mine) == 3
    assert found("--handler", "never", "--limit", "1") == mine[:1]
    assert found("--handler", "never", "--before", mine[0]) == mine[1:]
    assert found("--handler", "never", "--label", "k=v") == mine[1:2]
    assert found("--handler", "never", "--group", "away") == mine[:1]
    assert found("--handler", "never", "--status", "succeeded") == []
    assert found("--handler", "never", "--status", "queued", "--status", "failed") == mine
    wrong = farhand("jobs", "--status", "done", "--hub", hub)
    assert (wrong.returncode, "no such state: done; there are waiting" in wrong.stderr) == (1, True)


@pytest.mark.parametrize("columns", [30, 80, 200])
def test_jobs_read_well_at_any_width(hub: str, columns: int) -> None:
    job = farhand("submit", "fail", "text=a long story of what went wrong here", "--hub", hub).stdout.strip()
    farhand("result", job, "--hub", hub)
    status, lines = at_terminal(columns, "jobs", "--handler", "fail", "--limit", "1", "--hub", hub)
    assert status == 0
    assert max(map(len, lines)) <= max(columns, 45)  # ids are whole
    text = " ".join(" ".join(lines).split())
    assert job in text
    assert "HANDLER_FAILED" in text
    if columns == 80:
        assert len(lines) == 5  # the id, two lines on it, and two on how to see older ones
    assert f"older ones: --before {job}" in text


def test_work_is_cached_and_uncached(hub: str) -> None:
    def submit(*flags: str) -> dict[str, object]:
        found: dict[str, object] = json.loads(farhand("submit", *flags, "--full", "--hub", hub).stdout)
        return found

    first = submit("add", "a=70", "b=7", "--cache")
    assert (first["how"], first["cached"]) == ("new", False)
    assert farhand("result", str(first["id"]), "--hub", hub).returncode == 0
    again = submit("add", "a=70", "b=7", "--cache")
    assert again == {"id": first["id"], "how": "cached", "cached": True, "status": "succeeded"}
    said = farhand("submit", "add", "a=70", "b=7", "--cache", "--hub", hub)
    assert "found by its work, which is done" in said.stderr
    assert farhand("uncache", "add", "a=71", "b=7", "--hub", hub).stdout == "0\n"
    assert farhand("uncache", "add", "a=70", "b=7", "--hub", hub).stdout == "1\n"
    assert submit("add", "a=70", "b=7", "--cache-for", "0.001")["how"] == "new"
    bad = submit("fail", "text=kept", "--cache-failures")
    assert farhand("result", str(bad["id"]), "--hub", hub).returncode == 1
    assert submit("fail", "text=kept", "--cache")["id"] == bad["id"]
    assert farhand("uncache", "fail", "--hub", hub).stdout == "1\n"


def test_a_mistyped_id_is_helped(hub: str) -> None:
    job = farhand("submit", "add", "a=1", "b=2", "--hub", hub).stdout.strip()
    for verb in ("watch", "result", "cancel", "retry"):
        other = ("0" if job[-1] != "0" else "1") if verb != "watch" else ""  # one is wrong, or the last is missing
        done = farhand(verb, job[:-1] + other, "--hub", hub)
        assert (done.returncode, done.stdout) == (1, "")
        assert f"did you mean {job}" in done.stderr
    assert "has 36 characters" in farhand("result", "nobody", "--hub", hub).stderr
    far = "00000000-0000-7000-8000-000000000000"
    assert "another hub's" in farhand("result", far, "--hub", hub).stderr


def test_a_job_that_nobody_can_run_yet_is_kept_and_said_to_wait(hub: str) -> None:
    done = farhand("submit", "ad", "a=1", "--hub", hub)
    assert (done.returncode, len(done.stdout.strip())) == (0, 36)
    assert "waits for a worker: none of group 'default' serves 'ad' now; if you meant add" in done.stderr
    assert farhand("cancel", done.stdout.strip(), "--hub", hub).returncode == 0
    assert "meant" not in farhand("submit", "zzz", "--hub", hub).stderr


def test_a_job_has_its_time_to_begin_and_its_tries_by_flags(hub: str) -> None:
    late = farhand("submit", "nobody", "--begin-within", "0.2", "--hub", hub).stdout.strip()
    done = farhand("result", late, "--timeout", "20", "--hub", hub)
    assert (done.returncode, "DEADLINE_EXCEEDED" in done.stderr) == (1, True)
    timed = farhand("submit", "add", "a=1", "b=1", "--run-at", "2999-01-31T06:00:00+02:00", "--hub", hub)
    assert "run_at is a time" in timed.stderr
    past = farhand("submit", "add", "a=1", "b=1", "--run-at", "2020-01-31 06:00", "--hub", hub).stdout.strip()
    assert farhand("result", past, "--hub", hub).stdout == "2.0\n"
    again = farhand("submit", "nobody", "--end-within", "0.2", "--hub", hub).stdout.strip()
    assert "did not begin within" in farhand("result", again, "--timeout", "20", "--hub", hub).stderr
    flags = ("--retries", "3", "--backoff", "0.01", "--never", "ValueError")
    never = farhand("submit", "fail", "text=x", *flags, "--hub", hub).stdout.strip()
    assert farhand("result", never, "--hub", hub).returncode == 1
    (one,) = [
        one for one in json.loads(farhand("jobs", "--handler", "fail", "--hub", hub).stdout) if one["id"] == never
    ]
    assert (one["attempt"], one["attempts"], one["error"]) == (1, 4, "HANDLER_FAILED")


def test_a_result_is_waited_for_so_long(hub: str) -> None:
    job = farhand("submit", "add", "a=1", "b=1", "--delay", "3600", "--hub", hub).stdout.strip()
    done = farhand("result", job, "--timeout", "0.2", "--hub", hub)
    assert (done.returncode, done.stdout) == (1, "")
    assert f"job {job} has not ended within 0.2 s; it runs on" in done.stderr


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
