"""run, stream and cancel, each as a real process."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from farhand import Client
from farhand.cli.app import run_app
from tests.cli.processes import COMMAND, ROOT, environment, farhand, served, until


def test_plain_values_follow_the_schema_and_json_values_stand(hub: str) -> None:
    done = farhand("run", "add", "a=1", "b:=2", "--hub", hub)
    assert (done.returncode, done.stdout, done.stderr) == (0, "3.0\n", "")


def test_arguments_come_from_json_too(hub: str) -> None:
    done = farhand("run", "add", "--json", '{"a": 1, "b": 1}', "b=4", "--hub", hub)
    assert done.stdout == "5.0\n"


def test_run_of_a_streaming_handler_prints_the_list(hub: str) -> None:
    assert farhand("run", "countdown", "start=2", "pause=0", "--hub", hub).stdout == "[2,1]\n"
    assert farhand("run", "countdown", "start=0", "--hub", hub).stdout == "[]\n"


def test_stream_prints_a_line_of_json_a_chunk(hub: str) -> None:
    done = farhand("stream", "countdown", "start=3", "pause=0", "--hub", hub)
    assert (done.returncode, done.stdout) == (0, "3\n2\n1\n")


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (("run", "add", "a=x", "b=1"), 1, "INVALID_ARGUMENTS"),
        (("run", "ad", "a=1"), 1, "did you mean add"),
        (("run", "add", "a=1", "b=2", "c=3"), 1, "c: is not an argument; it takes a, b"),
        (("cancel", "nosuchjob"), 1, "JOB_NOT_FOUND"),
    ],
)
def test_what_the_hub_refuses_is_said_in_one_line(hub: str, arguments: tuple[str, ...], status: int, said: str) -> None:
    done = farhand(*arguments, "--hub", hub)
    assert (done.returncode, done.stdout) == (status, "")
    assert said in done.stderr
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1


def test_several_wrong_fields_have_a_line_each(hub: str) -> None:
    done = farhand("run", "add", "a=x", "c=3", "--hub", hub)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines() == [
        "error: the arguments don't fit 'add': (INVALID_ARGUMENTS)",
        "  a: Expected `float`, got `str`",
        "  b: is missing",
        "  c: is not an argument; it takes a, b",
    ]


def test_a_group_without_a_worker_is_told_at_once_and_again_at_the_end(hub: str) -> None:
    done = farhand("run", "add", "a=1", "b=1", "--group", "nobody", "--timeout", "0.2", "--hub", hub)
    assert (done.returncode, done.stdout) == (1, "")
    first, last = done.stderr.splitlines()
    assert first.startswith("waiting up to 0.2 s: no worker of group 'nobody'")
    assert first.endswith("groups with workers: default")
    assert "group 'nobody' has no worker" in last


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("run",), "Missing argument 'handler'"),
        (("run", "add", "a"), "neither key=value nor key:=json"),
        (("run", "add", "--json", "{bad"), "--json is not JSON"),
        (("run", "add", "--hub", "nowhere"), "a host, a colon and a port are needed"),
        (("run", "add", "--group", "a b"), "group name 'a b' must be"),
        (("run", "add", "--timeout", "0"), "more than 0 seconds are needed"),
        (("run", "add", "--label", "gpu"), "not KEY=VALUE"),
        (("workers", "--hub", "h:99999"), "a host, a colon and a port are needed"),
        (("handler",), "Did you mean 'handlers'"),
        (("run", "add", "--tiemout", "3"), "--timeout"),
    ],
)
def test_bad_usage_is_told_in_one_line_without_a_hub(
    arguments: tuple[str, ...], said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["farhand", *arguments])
    with pytest.raises(SystemExit) as left:
        run_app()
    out, errors = capsys.readouterr()
    assert (left.value.code, out) == (2, "")
    assert said in errors
    assert errors.startswith("error: ")
    assert errors.count("\n") == 1


def test_without_a_hub_the_error_says_what_to_start() -> None:
    done = farhand("run", "add", "a=1", "--hub", "127.0.0.1:1")
    assert (done.returncode, done.stdout) == (1, "")
    assert "is `farhand hub` running there?" in done.stderr
    assert done.stderr.count("\n") == 1
    assert "Traceback" in farhand("--debug", "run", "add", "--hub", "127.0.0.1:1").stderr


def test_the_timeout_is_a_setting_too(hub: str) -> None:
    done = farhand("run", "countdown", "start=100", "--hub", hub, FARHAND_TIMEOUT="0.3")
    assert done.returncode == 1
    assert "DEADLINE_EXCEEDED" in done.stderr


def test_printed_text_and_progress_leave_stdout_clean(tmp_path: Path) -> None:
    app = tmp_path / "talking.py"
    app.write_text(
        "import farhand\napp = farhand.App()\n@app.handler\ndef talk(ctx: farhand.Context):\n"
        "    print('hello')\n    ctx.progress(1, 2)\n    ctx.log.warning('hm')\n    yield {'n': 1}\n"
    )
    with served(str(app)) as address:
        for verb, said in (("run", '[{"n":1}]\n'), ("stream", '{"n":1}\n')):
            done = farhand(verb, "talk", "--hub", address)
            assert (done.returncode, done.stdout) == (0, said)
            assert done.stderr == "hello\nwarning: hm\n"


@pytest.mark.parametrize("verb", ["run", "stream"])
def test_a_reader_that_leaves_ends_it_quietly_and_cancels_the_job(hub: str, verb: str) -> None:
    command = (*COMMAND, verb, "countdown", "start=3000", "pause=0.001", "--hub", hub)
    with subprocess.Popen(
        command, cwd=ROOT, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        if verb == "stream":
            assert process.stdout.readline() == "3000\n"
        process.stdout.close()
        assert (process.wait(20), process.stderr.read()) == (141, "")
    with Client(hub) as client:
        until(lambda: client.workers()[0].running == 0)


ENDLESS = """
import asyncio, pathlib
from collections.abc import AsyncIterator
import farhand
app = farhand.App()

@app.handler
async def endless(begun: str) -> AsyncIterator[int]:
    pathlib.Path(begun).touch()
    while True:
        yield 1
        await asyncio.sleep(0.1)
"""


@pytest.mark.parametrize("verb", ["run", "stream"])
def test_ctrl_c_cancels_the_job_and_tells_the_receipt(tmp_path: Path, verb: str) -> None:
    app, begun = tmp_path / "endless.py", tmp_path / "begun"
    app.write_text(ENDLESS)
    with (
        served(str(app)) as hub,
        subprocess.Popen(
            (*COMMAND, verb, "endless", f"begun={begun}", "--hub", hub),
            cwd=ROOT,
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process,
    ):
        until(begun.exists)  # a job that is assigned may not have begun yet, and the receipt would say so
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "interrupted (stopped)" in errors
    assert "Traceback" not in errors


def test_arrays_and_tables_are_printed_as_lists_and_records(tmp_path: Path) -> None:
    file = tmp_path / "tables.py"
    file.write_text(
        "import farhand\nimport numpy as np\nimport pandas as pd\napp = farhand.App()\n"
        "@app.handler\ndef mean(x: np.ndarray) -> float:\n    return x.mean()\n"
        "@app.handler\ndef table(n: int) -> pd.DataFrame:\n    return pd.DataFrame({'a': range(n)})\n"
        "@app.handler\ndef steps(n: int):\n    for i in range(n):\n        yield {'x': np.arange(i)}\n"
    )
    with served(str(file)) as hub:
        assert farhand("run", "mean", "x:=[1, 2, 6]", "--hub", hub).stdout == "3.0\n"
        assert farhand("run", "table", "n=2", "--hub", hub).stdout == '[{"a":0},{"a":1}]\n'
        assert farhand("stream", "steps", "n=3", "--hub", hub).stdout == '{"x":[]}\n{"x":[0]}\n{"x":[0,1]}\n'
