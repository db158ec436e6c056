"""``farhand snakepit-worker`` as a process: what it announces, and how it ends."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest

from farhand.wire.snakepit._pb import snakepit_pb2
from tests.cli.processes import farhand, started

pb: Any = snakepit_pb2
APPS = "tests.worker.snakepit.apps"


@contextmanager
def worker(*arguments: str, ready_file: str = "") -> Iterator[tuple[subprocess.Popen[str], int]]:
    """A worker, and its port."""
    with started("snakepit-worker", *arguments, SNAKEPIT_READY_FILE=ready_file) as process:
        assert process.stdout is not None
        first, second = process.stdout.readline(), process.stdout.readline()
        name, _, port = first.strip().partition("=")
        assert (name, second.strip()) == ("GRPC_SERVER_READY_ON_PORT", f"GRPC_READY:{port}")
        yield process, int(port)


def execute(port: int, command: str, **args: bytes) -> Any:
    with grpc.insecure_channel(f"127.0.0.1:{port}", options=[("grpc.enable_http_proxy", 0)]) as channel:
        call: Any = channel.unary_unary(
            "/snakepit.SnakepitBridge/Execute", pb.ExecuteRequest.SerializeToString, pb.ExecuteResponse.FromString
        )
        return call(pb.ExecuteRequest(command=command, args=args), timeout=20)


def test_it_says_where_it_is_and_serves(tmp_path: Path) -> None:
    file = tmp_path / "ready"
    with worker("--port", "0", "--adapter", f"{APPS}:app", ready_file=str(file)) as (process, port):
        assert file.read_text().strip() == str(port)
        assert os.listdir(tmp_path) == ["ready"]
        assert execute(port, "add", a=b"1").result["result"] == b"2.0"
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0


def test_a_class_and_the_ports_that_follow() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        base = taken.getsockname()[1]
        wanted = ("--port", str(base), "--port-range", "50", "--adapter", f"{APPS}.Plain")
        with worker(*wanted) as (_, port):
            assert base < port <= base + 50
            assert execute(port, "ping").result["status"] == b"ok"
        done = farhand("snakepit-worker", "--port", str(base), "--adapter", f"{APPS}.Plain")
        assert (done.returncode, done.stdout) == (1, "")
        assert "is taken" in done.stderr


def test_sigterm_lets_what_runs_finish_but_not_for_long() -> None:
    with worker("--port", "0", "--adapter", f"{APPS}:app", "--grace", "0.5") as (process, port):
        channel = grpc.insecure_channel(f"127.0.0.1:{port}", options=[("grpc.enable_http_proxy", 0)])
        stream: Any = channel.unary_stream(
            "/snakepit.SnakepitBridge/ExecuteStream", pb.ExecuteRequest.SerializeToString, pb.StreamResponse.FromString
        )
        call = stream(pb.ExecuteRequest(command="live"), timeout=40)
        next(call)
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
        with pytest.raises(grpc.RpcError):
            list(call)
        channel.close()


def test_a_handler_that_will_not_be_cancelled_holds_nothing_up() -> None:
    with worker("--port", "0", "--adapter", f"{APPS}:app", "--grace", "0.1") as (process, port):
        channel = grpc.insecure_channel(f"127.0.0.1:{port}", options=[("grpc.enable_http_proxy", 0)])
        call: Any = channel.unary_unary("/snakepit.SnakepitBridge/Execute")
        pending = call.future(pb.ExecuteRequest(command="stubborn", timeout_ms=100).SerializeToString(), timeout=40)
        assert b"it was stopped" in pending.result()
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
        channel.close()


def test_what_can_not_be_served_is_told() -> None:
    done = farhand("snakepit-worker", "--adapter", "nothing")
    assert (done.returncode, done.stdout) == (2, "")
    assert "MODULE.CLASS" in done.stderr
    done = farhand("snakepit-worker", "--port", "x")
    assert done.returncode == 2
