"""hub and worker as real processes."""

from __future__ import annotations

import json
import signal
import subprocess
from importlib.metadata import version
from pathlib import Path

import pytest

from tests.cli.processes import ROOT, farhand, served, serving


def test_a_hub_drains_at_sigterm_and_exits_0() -> None:
    with serving("hub", "--grpc", "127.0.0.1:0") as (process, _):
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0


def test_a_worker_drains_at_sigterm_and_exits_0() -> None:
    with (
        serving("hub", "--grpc", "127.0.0.1:0") as (_, address),
        serving("worker", "examples/quickstart.py", "--hub", address, "--id", "w9") as (process, id),
    ):
        assert id == "w9"
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        ((), 2, "Usage"),
        (("hub", "--grpc", "0.0.0.0:0"), 1, "loopback"),
        (("hub", "--grpc", "here"), 2, "a host, a colon and a port"),
        (("hub", "--config", "nosuch.toml"), 2, "no settings file nosuch.toml"),
        (("worker", "nosuchmodule:app"), 2, "there is no module"),
        (("worker", "examples/quickstar.py"), 2, "did you mean examples/quickstart.py"),
        (("worker", "examples/quickstart.py:ap"), 2, "use examples/quickstart.py:app"),
        (("worker", "examples/quickstart.py", "--slots", "0"), 2, "slots = 0 (from flag)"),
        (("worker", "examples/quickstart.py", "--label", "gpu"), 2, "not KEY=VALUE"),
        (("dev", "examples/quickstar.py"), 2, "did you mean examples/quickstart.py"),
        (("runn",), 2, "Did you mean"),
        (("--nope",), 2, "--nope"),
    ],
)
def test_bad_usage_is_refused(arguments: tuple[str, ...], status: int, said: str) -> None:
    done = farhand(*arguments)
    assert done.returncode == status
    assert said in done.stderr + done.stdout
    assert "Traceback" not in done.stderr


def test_the_version_is_told() -> None:
    done = farhand("--version")
    assert (done.returncode, done.stdout) == (0, f"{version('farhand')}\n")


def test_a_bad_setting_names_its_source() -> None:
    done = farhand("worker", "examples/quickstart.py", FARHAND_SLOTS="many")
    assert done.returncode == 2
    assert "FARHAND_SLOTS" in done.stderr


def test_a_taken_port_is_told() -> None:
    with serving("hub", "--grpc", "127.0.0.1:0") as (_, address):
        done = farhand("hub", "--grpc", address)
    assert done.returncode == 1
    assert "another program has the port" in done.stderr


def test_a_failing_handler_exits_1_with_its_own_traceback(tmp_path: Path) -> None:
    app = tmp_path / "failing.py"
    app.write_text("import farhand\napp = farhand.App()\n@app.handler\ndef half(x: int) -> float:\n    return x / 0\n")
    with served(str(app)) as address:
        done = farhand("run", "half", "x=1", "--hub", address)
    assert (done.returncode, done.stdout) == (1, "")
    assert "ZeroDivisionError: division by zero" in done.stderr
    assert "failing.py" in done.stderr


def test_what_the_app_raises_at_import_is_shown_without_farhands_frames(tmp_path: Path) -> None:
    (tmp_path / "helper.py").write_text("def half(x):\n    return x / 0\n")
    (tmp_path / "broken.py").write_text("import helper\nhelper.half(1)\n")
    done = farhand("worker", "broken.py", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f'Traceback (most recent call last):\n  File "{tmp_path}/broken.py", line 2')
    assert "src/farhand" not in done.stderr
    assert done.stderr.splitlines()[-2:] == [
        "ZeroDivisionError: division by zero",
        "error: broken.py can't be imported: correct what the traceback shows",
    ]


LIFESPAN = """
import pathlib, farhand
app = farhand.App()

@app.handler
def nothing() -> None: ...

@app.lifespan
async def load(state):
    LOAD
    yield
    pathlib.Path("over").write_text("yes")
"""


def test_a_lifespan_that_fails_ends_the_worker_with_its_own_traceback(tmp_path: Path) -> None:
    (tmp_path / "failing.py").write_text(LIFESPAN.replace("LOAD", "raise RuntimeError('no model here')"))
    done = farhand("worker", "failing.py", "--hub", "127.0.0.1:1", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert "src/farhand" not in done.stderr
    assert "in load" in done.stderr
    assert done.stderr.splitlines()[-2:] == [
        "RuntimeError: no model here",
        "error: the worker can't go on: its lifespan raised this",
    ]


def test_the_code_after_a_lifespans_yield_runs_at_sigterm(tmp_path: Path) -> None:
    (tmp_path / "fine.py").write_text(LIFESPAN.replace("LOAD", "state.x = 1"))
    with (
        serving("hub", "--grpc", "127.0.0.1:0") as (_, address),
        serving("worker", "fine.py", "--hub", address, cwd=tmp_path) as (process, _),
    ):
        assert not (tmp_path / "over").exists()
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
    assert (tmp_path / "over").read_text() == "yes"


def test_the_log_is_lines_of_json_where_that_is_wanted(tmp_path: Path) -> None:
    (tmp_path / "farhand.toml").write_text("log_format = 'json'\n")
    with (
        serving("hub", "--grpc", "127.0.0.1:0", cwd=tmp_path, stderr=subprocess.PIPE) as (hub, address),
        serving("worker", str(ROOT / "examples/quickstart.py"), "--hub", address, "--id", "w1"),
    ):
        assert hub.stderr is not None
        line = json.loads(hub.stderr.readline())
    assert (line["event"], line["level"], line["worker"]) == ("worker joined", "info", "w1")


def test_the_log_says_no_less_than_its_level() -> None:
    with serving("hub", "--grpc", "127.0.0.1:0", "--log-level", "error", stderr=subprocess.PIPE) as (hub, address):
        with serving("worker", "examples/quickstart.py", "--hub", address):
            pass
        hub.send_signal(signal.SIGTERM)
        assert hub.communicate(timeout=10)[1] == ""
