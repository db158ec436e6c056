"""`farhand service` as real processes: from its ready line to its end, and data that goes from one to the next."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.cli.processes import TIMEOUT, farhand, line_with, memory, serving, started, until
from tests.kits.serving import APP, PROTO, TEMPLATE

FLAGS = ("--proto", PROTO, "--port", "0", "--grpc-port", "0", "--grpc-host", "127.0.0.1")
GIB = 1 << 30
ROOM = 100 * 1024
"""KiB by which a service's memory may grow while a GiB passes through it."""


def web(process: subprocess.Popen[str], word: str = "ready") -> str:
    line = line_with(process.stdout, "farhand service", word)
    return next(one for one in line.split() if one.startswith("http://"))


def order(http: str, method: str, inputs: Sequence[Any] = (), **parameters: Any) -> str:
    body = {"method": method, "workflow_id": "w", "task_id": "t", "inputs": list(inputs), "parameters": parameters}
    answer = httpx.post(f"{http}/control/execute", json=body, timeout=30, trust_env=False)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["task_id"])


def ask(http: str, what: str, id: str) -> dict[str, Any]:
    return dict(httpx.get(f"{http}/control/{what}/{id}", timeout=30, trust_env=False).json())


def run(http: str, method: str, inputs: Sequence[Any] = (), seconds: float = 50.0, **parameters: Any) -> dict[str, Any]:
    id = order(http, method, inputs, **parameters)
    until(lambda: ask(http, "status", id)["status"] != "running", seconds)
    assert ask(http, "status", id)["error"] is None
    return dict(ask(http, "output", id)["output"])


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads memory from /proc")
@pytest.mark.parametrize("way", ["grpc", "http"])
def test_a_gib_goes_from_service_to_service_in_constant_memory(way: str, tmp_path: Path) -> None:
    with (
        started("service", APP, *FLAGS, TMPDIR=str(tmp_path)) as first,
        started("service", APP, *FLAGS, TMPDIR=str(tmp_path)) as second,
    ):
        one, two = web(first), web(second)
        warm = run(two, "Digest", [run(one, "Big", mebibytes=2)])
        assert warm["protocol"] == "http"
        before = [memory(process.pid, "VmRSS:") for process in (first, second)]
        reference = run(one, "Big", mebibytes=1024)
        assert (reference["protocol"], reference["format"]) == ("grpc", "StreamLastResult")
        if way == "http":
            id = reference["metadata"]["x-task-id"]
            reference = {"protocol": "http", "uri": f"{one}/control/data/{id}", "format": "binary"}
        answer = run(two, "Digest", [{**reference, "size_bytes": GIB}])
        found = httpx.get(answer["uri"], trust_env=False).json()["found"]
        grown = [memory(process.pid, "VmHWM:") - was for process, was in zip((first, second), before, strict=True)]
    digest, piece = hashlib.sha256(), bytes(range(256)) * 4096
    for _ in range(1024):
        digest.update(piece)
    assert found == [{"size": GIB, "sha256": digest.hexdigest(), "in_file": GIB}]
    assert max(grown) < ROOM, grown
    assert list(tmp_path.iterdir()) == []


def test_it_drains_at_sigterm_and_exits_0(tmp_path: Path) -> None:
    with started("service", APP, *FLAGS, TMPDIR=str(tmp_path)) as process:
        http = web(process)
        id = order(http, "Named", seconds=1.0)
        until(lambda: ask(http, "status", id)["progress"] > 0)
        process.send_signal(signal.SIGTERM)
        said = ""

        def refused() -> bool:
            nonlocal said
            body = {"method": "Free", "workflow_id": "w", "task_id": "t"}
            answer = httpx.post(f"{http}/control/execute", json=body, trust_env=False)
            said = answer.text
            return answer.status_code == 503

        until(refused)
        assert "detail" in said
        assert ask(http, "status", id)["status"] == "running"
        assert process.wait(TIMEOUT) == 0
    assert list(tmp_path.iterdir()) == []


def test_with_a_store_a_tasks_status_outlives_a_restart_and_its_data_does_not(tmp_path: Path) -> None:
    flags = (*FLAGS, "--store", f"sqlite:///{tmp_path}/tasks.db")
    with started("service", APP, *flags, TMPDIR=str(tmp_path)) as process:
        http = web(process)
        output = run(http, "Blob", size=100_000)
        id, failed = output["metadata"]["x-task-id"], order(http, "Raises")
        until(lambda: ask(http, "status", failed)["status"] == "failed")
        left = order(http, "Named", text="left", seconds=8.0)
        until(lambda: ask(http, "status", left)["progress"] == 50)
        process.kill()
    with started("service", APP, *flags, TMPDIR=str(tmp_path)) as process:
        http = web(process)
        assert ask(http, "status", id) == {"status": "complete", "progress": 100, "error": None}
        assert ask(http, "status", failed)["error"] == "ValueError: no such column"
        assert httpx.get(f"{http}/control/data/{id}", trust_env=False).status_code == 410
        until(lambda: ask(http, "status", left)["status"] != "running", 50)


def test_a_second_signal_stops_it_at_once(tmp_path: Path) -> None:
    with started("service", APP, *FLAGS, TMPDIR=str(tmp_path)) as process:
        http = web(process)
        order(http, "Named", seconds=30.0)
        process.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGTERM)
        assert process.wait(TIMEOUT) in (128 + signal.SIGTERM, 128 + signal.SIGINT)
    assert list(tmp_path.iterdir()) == []


def test_a_module_of_the_template_is_served_by_its_name() -> None:
    with started(
        "service",
        "template_module",
        "--proto",
        "my_service_pb2",
        cwd=Path(TEMPLATE).parent,
        PORT="0",
        GRPC_PORT="0",
        GRPC_HOST="127.0.0.1",
    ) as process:
        assert run(web(process), "TrainModel", name="m")["format"] == "TrainResponse"


def test_it_says_that_data_asks_for_no_key_and_refuses_others_without_one() -> None:
    with tempfile.TemporaryFile("w+") as stderr, serving("service", APP, *FLAGS, stderr=stderr):
        stderr.seek(0)
        assert "over gRPC asks for no key" in stderr.read()
    refused = farhand("service", APP, *FLAGS, "--host", "0.0.0.0")
    assert refused.returncode == 1
    assert "SERVICE_API_KEY" in refused.stderr
    with started("service", APP, *FLAGS, SERVICE_HOST="0.0.0.0", SERVICE_API_KEY="key") as process:
        http = web(process).replace("0.0.0.0", "127.0.0.1")
        assert httpx.get(f"{http}/control/status/x", trust_env=False).status_code == 401
        key = {"authorization": "Bearer key"}
        assert httpx.get(f"{http}/control/status/x", headers=key, trust_env=False).status_code == 404


@pytest.mark.parametrize(
    ("target", "proto", "status", "said"),
    [
        ("nothing_here", PROTO, 2, "no module 'nothing_here'"),
        (APP, "nothing_pb2", 2, "no module 'nothing_pb2'"),
        (APP, APP, 1, "is no compiled proto"),
        (PROTO, PROTO, 2, "no App named 'app'"),
    ],
)
def test_what_cannot_be_served_is_told(target: str, proto: str, status: int, said: str) -> None:
    done = farhand("service", target, "--proto", proto, "--port", "0", "--grpc-port", "0")
    assert (done.returncode, said in done.stderr) == (status, True), done.stderr


def test_the_pid_is_its_own() -> None:
    with started("service", APP, *FLAGS) as process:
        found = httpx.get(run(web(process), "Digest")["uri"], trust_env=False).json()
        assert found == {"found": [], "pid": process.pid}
        assert process.pid != os.getpid()
