"""What the readme and the pages show runs, and prints what they say."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.processes import environment, farhand, ready_http, served, serving, started
from tests.docs.pages import ROOT, blocks

README = (ROOT / "README.md").read_text()
APPS = [block for block in blocks(README, "python") if block.startswith("# hello.py")]
CALLS = "".join(block for block in blocks(README, "python") if block not in APPS)


def printed(app: str, calls: str, folder: Path) -> list[str]:
    """What `calls` prints beside a hub and a worker that serves `app`; warnings are errors."""
    (folder / "hello.py").write_text(app)
    with served(str(folder / "hello.py")) as address:
        (folder / "calls.py").write_text(calls.replace("localhost:50051", address))
        command = (sys.executable, "-W", "error", "calls.py")
        done = subprocess.run(command, cwd=folder, env=environment(), capture_output=True, text=True, timeout=40)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_the_first_code_is_near_the_top() -> None:
    head = "\n".join(README.splitlines()[:25])
    assert "make demo" in blocks(head, "sh")[0]
    assert "@app.handler" in blocks(head, "python")[0]
    assert "farhand dev hello.py" in blocks(head, "sh")[1]


@pytest.mark.parametrize("app", APPS, ids=["first", "whole"])
def test_the_readmes_calls_print_what_it_says(app: str, tmp_path: Path) -> None:
    calls = CALLS if app == APPS[-1] else CALLS[: CALLS.index("for chunk in")]
    comments = re.findall(r"print\(.*#\s(.*)$", calls, re.MULTILINE)
    promised = [line for comment in comments for line in comment.split(", then ")]
    assert promised[0] == "3.0"
    assert [line for line in printed(app, calls, tmp_path) if not line.startswith("epoch")] == promised


@pytest.mark.parametrize(
    ("page", "said"),
    [
        ("tutorials/first-worker", ["3.0", "3", "2", "1", "500500.0"]),
        ("how-to/sessions", ["SMALL: why?"]),
        ("how-to/streams", ["1.0 3.0 reading", "row 0", "0", "2"]),
        ("how-to/data", ["5.0 [0.6 0.8]", "[4, 2]"]),
    ],
)
def test_a_pages_calls_print_what_its_app_says(page: str, said: list[str], tmp_path: Path) -> None:
    app, *calls = blocks((ROOT / "docs" / f"{page}.md").read_text(), "python")
    lines = printed(app, "".join(calls), tmp_path)
    assert [line for line in said if line not in lines] == []


@pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl here")
def test_what_is_shown_with_curl_answers_what_it_says(tmp_path: Path) -> None:
    page = (ROOT / "docs/how-to/http.md").read_text()
    (app,) = blocks(page, "python")
    (tmp_path / "work.py").write_text(app)
    lines = [line for block in blocks(page, "sh") for line in block.splitlines() if line.startswith("curl")]
    assert len(lines) == 7
    with started("hub", "--grpc", "127.0.0.1:0", "--http", "127.0.0.1:0") as hub:
        base, address = ready_http(hub)
        with serving("worker", str(tmp_path / "work.py"), "--hub", address):
            job = ""
            for line in lines:
                shown, _, wanted = line.partition("  #")
                words = shlex.split(shown.replace("http://127.0.0.1:8080", base).replace("JOB", job))
                words = [*words[:1], "--noproxy", "*", *_old_enough(words[1:])]
                done = subprocess.run(words, capture_output=True, text=True, timeout=30)
                assert done.returncode == 0, line
                assert wanted.strip() in done.stdout, line
                assert ('"code"' in done.stdout) == ('"code"' in wanted), done.stdout
                if "/v1/jobs --json" in line:
                    job = json.loads(done.stdout)["id"]
            assert job


def test_what_is_shown_of_databases_answers_what_it_says(tmp_path: Path) -> None:
    page = (ROOT / "docs/how-to/sql.md").read_text()
    make, call, app = blocks(page, "python")
    run = (sys.executable, "-W", "error", "-c")
    subprocess.run((*run, make), cwd=tmp_path, check=True, timeout=30)
    lines = [line for block in blocks(page, "sh") for line in block.splitlines()]
    worker = next(line for line in lines if line.startswith("farhand sql-worker "))
    asked = [line for line in lines if line.startswith("farhand sql ")]
    assert len(asked) == 5
    with serving("hub", "--grpc", "127.0.0.1:0") as (_, hub):
        with serving(*shlex.split(worker)[1:], "--hub", hub, cwd=tmp_path):
            for line in asked:
                shown, _, wanted = line.partition("  # ")
                done = farhand(*shlex.split(shown)[1:], "--hub", hub)
                assert done.returncode == 0, done.stderr
                assert wanted, line
                assert wanted in done.stdout, line
            code = call.replace("localhost:50051", hub)
            said = subprocess.run((*run, code), env=environment(), capture_output=True, text=True, timeout=30)
        assert said.stdout.splitlines() == ["bolt 0.15", "gear 12.5", "{'rows': 2, 'truncated': False}"], said.stderr
        (tmp_path / "own.py").write_text(app)
        with serving("worker", "own.py", "--hub", hub, cwd=tmp_path):
            assert farhand("sql", "default", "select count(*) as n from items", "--hub", hub).stdout == '{"n":3}\n'


def _old_enough(words: list[str]) -> list[str]:
    """``--json`` as a curl before 7.82 knows it."""
    if "--json" not in words:
        return words
    at = words.index("--json")
    return [*words[:at], "-d", words[at + 1], "-H", "Content-Type: application/json", *words[at + 2 :]]


def test_pages_about_apps_show_apps_that_load() -> None:
    for page in ("cancel-and-deadlines", "process-isolation"):
        code = "".join(blocks((ROOT / f"docs/how-to/{page}.md").read_text(), "python"))
        names: dict[str, object] = {"__name__": page}
        exec(compile(code, page, "exec"), names)
        assert getattr(names["app"], "handlers")  # noqa: B009


@pytest.mark.parametrize(("page", "example"), [("tutorials/image-folder", "images"), ("how-to/large-tables", "table")])
def test_what_pages_show_of_an_example_is_the_examples(page: str, example: str) -> None:
    code = "\n".join(path.read_text() for path in (ROOT / "examples" / example).glob("*.py"))
    there = "\n".join(line.strip() for line in code.splitlines())
    shown = blocks((ROOT / f"docs/{page}.md").read_text(), "python")
    assert len(shown) > 3
    assert [block for block in shown if "\n".join(map(str.strip, block.splitlines())) not in there] == []
