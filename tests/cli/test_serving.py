"""hub, worker, dev and demo as real processes."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.cli.processes import farhand, ready, served, serving


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
        (("hub", "--grpc", "0.0.0.0:0"), 1, "loopback"),
        (("worker", "nosuchmodule:app"), 1, "there is no module"),
        (("worker", "examples/quickstar.py"), 1, "did you mean"),
        (("worker", "examples/quickstart.py", "--slots", "0"), 2, "--slots"),
        (("runn",), 2, "Did you mean"),
        (("--nope",), 2, "--nope"),
    ],
)
def test_bad_usage_is_refused(arguments: tuple[str, ...], status: int, said: str) -> None:
    done = farhand(*arguments)
    assert done.returncode == status
    assert said in done.stderr
    assert "Traceback" not in done.stderr


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


def test_dev_restarts_the_worker_when_the_file_changes(tmp_path: Path) -> None:
    app = tmp_path / "changing.py"
    text = "import farhand\napp = farhand.App()\n@app.handler\ndef say() -> str:\n    return 'old'\n"
    app.write_text(text)
    with serving("dev", str(app), "--grpc", "127.0.0.1:0") as (process, address):
        ready(process, "worker ready")
        assert farhand("run", "say", "--hub", address).stdout == '"old"\n'
        app.write_text(text.replace("old", "newer"))
        ready(process, "worker ready")
        assert farhand("run", "say", "--hub", address).stdout == '"newer"\n'


def test_the_demo_shows_its_five_parts_and_ends() -> None:
    done = farhand("demo")
    assert done.returncode == 0, done.stderr
    for part in ("1  run", "2  stream", "3  session", "4  map", "5  cancel", "nothing is left running"):
        assert part in done.stdout
    assert "stopped" in done.stdout
