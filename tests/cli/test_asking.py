"""run, stream, cancel, workers, handlers and doctor, each as a real process."""

from __future__ import annotations

import json
import signal
import subprocess

import pytest

from farhand import Client
from tests.cli.processes import COMMAND, ROOT, environment, farhand


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
        (("run", "add", "a=1", "b=1", "--group", "nobody", "--timeout", "0.2"), 1, "group 'nobody' has no worker"),
        (("run", "add", "a"), 2, "neither key=value nor key:=json"),
        (("run", "add", "--json", "{bad"), 2, "not JSON"),
        (("run", "add", "--json", "@/nowhere.json"), 2, "can't be read"),
        (("cancel", "nosuchjob"), 1, "JOB_NOT_FOUND"),
    ],
)
def test_what_goes_wrong_is_said_in_one_block(hub: str, arguments: tuple[str, ...], status: int, said: str) -> None:
    done = farhand(*arguments, "--hub", hub)
    assert (done.returncode, done.stdout) == (status, "")
    assert said in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("verb", ["run", "stream"])
def test_ctrl_c_cancels_the_job_and_tells_the_receipt(hub: str, verb: str) -> None:
    command = (*COMMAND, verb, "countdown", "start=1000", "--hub", hub)
    with subprocess.Popen(
        command, cwd=ROOT, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        with Client(hub) as client:
            while not client.workers()[0].running:
                assert process.poll() is None
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "interrupted (stopped)" in errors
    assert "Traceback" not in errors


def test_listings_fit_a_narrow_terminal(hub: str) -> None:
    for verb in ("workers", "handlers", "doctor"):
        done = farhand(verb, "--hub", hub, COLUMNS="40")
        assert done.returncode == 0
        assert max(map(len, done.stdout.splitlines())) <= 40
        assert "…" not in done.stdout


def test_listings_as_json(hub: str) -> None:
    (worker,) = json.loads(farhand("workers", "--hub", hub, "--json").stdout)
    assert worker["info"]["id"] == "w1"
    handlers = {one["name"]: one for one in json.loads(farhand("handlers", "--hub", hub, "--json").stdout)}
    assert set(handlers) == {"add", "countdown"}
    assert "[start], [pause]" in farhand("handlers", "--hub", hub).stdout


def test_doctor_is_well_beside_a_hub_and_says_where_settings_come_from(hub: str) -> None:
    done = farhand("doctor", "--json", FARHAND_HUB=hub)
    found = json.loads(done.stdout)
    assert done.returncode == 0
    assert found["problems"] == []
    assert found["settings"]["hub"] == {"value": hub, "source": "FARHAND_HUB"}


def test_doctor_without_a_hub_fails_and_says_what_to_do() -> None:
    done = farhand("doctor", "--hub", "127.0.0.1:1")
    assert done.returncode == 1
    assert "farhand hub" in done.stdout
