"""dev: a hub, and a worker that starts again when what it has imported changes."""

from __future__ import annotations

import contextlib
import json
import shlex
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.processes import farhand, is_gone, line_with, serving, until

APP = """
import farhand
from inner.helper import word
app = farhand.App()

@app.handler
def say(times: int = 1) -> str:
    return word() * times
"""
HELPER = "def word():\n    return 'old'\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An app with a module in a package beside it."""
    (tmp_path / "talking.py").write_text(APP)
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / "__init__.py").write_text("")
    (tmp_path / "inner" / "helper.py").write_text(HELPER)
    return tmp_path


@contextlib.contextmanager
def developing(folder: Path, target: str = "talking.py") -> Iterator[tuple[subprocess.Popen[str], str]]:
    """dev on a free port, with the log left out of stderr."""
    flags = ("--grpc", "127.0.0.1:0", "--log-level", "error")
    with serving("dev", target, *flags, cwd=folder, stderr=subprocess.PIPE) as (process, address):
        yield process, address


def said(address: str) -> str:
    return farhand("run", "say", "--hub", address).stdout


def worker_pid(address: str) -> int:
    (worker,) = json.loads(farhand("workers", "--hub", address).stdout)
    return int(worker["info"]["pid"])


def test_it_prints_commands_that_work_as_they_are(folder: Path) -> None:
    with developing(folder) as (process, address):
        line = line_with(process.stdout, "farhand run").strip()
        assert line == f"farhand run say times=1 --hub {address}"
        assert farhand(*shlex.split(line)[1:]).stdout == '"old"\n'


def test_an_edit_of_a_module_further_down_starts_the_worker_again(folder: Path) -> None:
    helper = folder / "inner" / "helper.py"
    with developing(folder) as (process, address):
        line_with(process.stdout, "worker ready")
        assert said(address) == '"old"\n'
        helper.write_text(HELPER.replace("old", "new"))  # of the same length, in the same second
        assert "inner/helper.py changed" in line_with(process.stderr, "changed")
        line_with(process.stdout, "worker ready")
        assert said(address) == '"new"\n'


def test_a_file_that_is_not_imported_is_nobodys_business_and_a_setting_is(folder: Path) -> None:
    with developing(folder) as (process, address):
        line_with(process.stdout, "worker ready")
        (folder / "aside.py").write_text("x = 1\n")
        (folder / "farhand.toml").write_text("slots = 3\n")
        assert "farhand.toml changed" in line_with(process.stderr, "changed")
        line_with(process.stdout, "worker ready")
        (worker,) = json.loads(farhand("workers", "--hub", address).stdout)
        assert worker["info"]["slots"] == 3


def test_a_syntax_error_is_shown_alone_and_its_correction_taken(folder: Path) -> None:
    helper = folder / "inner" / "helper.py"
    with developing(folder) as (process, address):
        line_with(process.stdout, "worker ready")
        helper.write_text("def word(:\n")
        assert process.stderr is not None
        shown: list[str] = []
        while not shown or "it starts again when a file changes" not in shown[-1]:
            shown.append(process.stderr.readline())
        text = "".join(shown)
        assert 'inner/helper.py", line 1\n    def word(:\n' in text
        assert "SyntaxError: invalid syntax" in text
        assert "src/farhand" not in text
        helper.write_text(HELPER.replace("old", "good"))
        line_with(process.stdout, "worker ready")
        assert said(address) == '"good"\n'


def test_a_module_that_was_missing_is_found_when_it_comes(folder: Path) -> None:
    (folder / "inner" / "helper.py").rename(folder / "inner" / "later.txt")
    with developing(folder) as (process, address):
        line_with(process.stderr, "it starts again when a file changes")
        (folder / "inner" / "later.txt").rename(folder / "inner" / "helper.py")
        line_with(process.stdout, "worker ready")
        assert said(address) == '"old"\n'


def test_one_of_several_apps_may_be_named(folder: Path) -> None:
    with (folder / "talking.py").open("a") as file:
        file.write("other = farhand.App()\nother.handler(name='else')(lambda: None)\n")
    with developing(folder, "talking.py:other") as (process, _):
        assert "farhand run else" in line_with(process.stdout, "farhand run")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_and_its_worker_without_a_traceback(folder: Path, number: int) -> None:
    with developing(folder) as (process, address):
        line_with(process.stdout, "worker ready")
        pid = worker_pid(address)
        process.send_signal(number)
        _, errors = process.communicate(timeout=15)
    assert process.returncode == 0
    assert "Traceback" not in errors
    assert is_gone(pid)


def test_killed_outright_it_leaves_no_worker(folder: Path) -> None:
    with developing(folder) as (process, address):
        line_with(process.stdout, "worker ready")
        pid = worker_pid(address)
        process.kill()
        process.wait(10)
        until(lambda: is_gone(pid))
