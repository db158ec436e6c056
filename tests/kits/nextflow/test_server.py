"""`AiServer`: its life, its policies, its log; in threads, in spawned processes, several at once."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

from farhand.errors import Unavailable
from farhand.kits.nextflow import Action, AiServer, TaskObservation, send_task_observation
from farhand.kits.nextflow.log import default_path

LINE = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d - \S.*")


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "ai_server.log"


@pytest.fixture
def serve(log: Path) -> Iterator[Callable[..., AiServer]]:
    servers: list[AiServer] = []

    def begin(**options: Any) -> AiServer:
        server = AiServer(**{"port": 0, "log_file": log, **options})
        server.start()
        servers.append(server)
        return server

    yield begin
    for server in servers:
        server.stop()


def ask(server: AiServer, **observation: Any) -> Action:
    return send_task_observation(observation, f"127.0.0.1:{server.port}").result(20)


def test_the_defaults_are_the_documents() -> None:
    server = AiServer()
    assert (server.port, server.host) == (50052, "127.0.0.1")
    assert default_path().name == "ai_server.log"
    server.stop()
    assert server.wait_for_termination() is False


def test_without_a_policy_each_observation_is_confirmed(serve: Callable[..., AiServer]) -> None:
    action = ask(serve(), event_id="7", event_type="task_start")
    assert action.observation_event_id == "7"
    assert action.action_details == "Action for event 7: Processed event type 'task_start'"
    assert (action.success, action.message) == (True, "Successfully processed TaskObservation")
    assert re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", action.action_id)


async def answered_later(observation: TaskObservation) -> str:
    await asyncio.sleep(0)
    return f"later: {observation.task_name}"


class Callable_:
    async def __call__(self, observation: TaskObservation) -> str:
        return f"object: {observation.task_name}"


def leaves(observation: TaskObservation) -> None:
    raise SystemExit(3)


@pytest.mark.parametrize(
    ("policy", "details", "success", "message"),
    [
        (lambda seen: f"now: {seen.task_name}", "now: t", True, "Successfully processed TaskObservation"),
        (answered_later, "later: t", True, "Successfully processed TaskObservation"),
        (Callable_(), "object: t", True, "Successfully processed TaskObservation"),
        (lambda seen: answered_later(seen), "later: t", True, "Successfully processed TaskObservation"),
        (lambda seen: {"action_details": "d", "success": False, "message": "m"}, "d", False, "m"),
        (lambda seen: Action(action_details="a", success=True), "a", True, ""),
        (lambda seen: {}[seen.event_id], "", False, "KeyError: 'e'"),
        (lambda seen: 7, "", False, "ValueError: a policy answers an Action, a text, a dict or None, not a int"),
        (lambda seen: {"details": 1}, "", False, "ValueError: an action has no 'details'"),
        (leaves, "", False, "PolicyStopped: the policy raised SystemExit"),
    ],
)
def test_policies(serve: Callable[..., AiServer], policy: Any, details: str, success: bool, message: str) -> None:
    server = serve(policy=policy)
    action = ask(server, event_id="e", task_name="t")
    assert (action.action_details, action.success) == (details, success)
    assert action.message.startswith(message)
    assert action.observation_event_id == "e"
    assert ask(server, event_id="e", task_name="t").action_details == details


def test_what_is_no_policy_is_refused_at_once() -> None:
    with pytest.raises(ValueError, match="give hub="):
        AiServer(policy="handler")
    with pytest.raises(ValueError, match="hub= is for"):
        AiServer(hub="127.0.0.1:50051")
    wrong: Any = 7
    with pytest.raises(TypeError, match="a callable or a handler's name"):
        AiServer(policy=wrong)


def test_a_slow_policy_holds_up_nobody_and_is_late_before_the_askers_deadline(serve: Callable[..., AiServer]) -> None:
    go = threading.Event()
    server = serve(policy=lambda seen: go.wait(20) and "done" if seen.task_name == "slow" else "quick")
    slow = send_task_observation({"task_name": "slow"}, f"127.0.0.1:{server.port}")
    late = send_task_observation({"event_id": "l", "task_name": "slow"}, f"127.0.0.1:{server.port}", timeout=0.5)
    assert ask(server, task_name="quick").action_details == "quick"
    action = late.result(20)
    assert (action.success, action.observation_event_id) == (False, "l")
    assert not slow.done()
    go.set()
    assert slow.result(20).action_details == "done"


def test_several_in_one_process_each_with_its_own_policy(serve: Callable[..., AiServer], log: Path) -> None:
    servers = [serve(policy=lambda seen, number=number: str(number)) for number in range(5)]
    assert len({server.port for server in servers}) == 5
    futures = [
        [send_task_observation({"event_id": str(n)}, f"127.0.0.1:{server.port}") for n in range(20)]
        for server in servers
    ]
    for number, sent in enumerate(futures):
        assert {future.result(20).action_details for future in sent} == {str(number)}
    servers[0].stop()
    assert ask(servers[1]).action_details == "1"


def test_its_life(serve: Callable[..., AiServer], log: Path) -> None:
    server = serve()
    with pytest.raises(RuntimeError, match="has started already"):
        server.start()
    with pytest.raises(Unavailable, match=f"127.0.0.1:{server.port}"):
        AiServer(port=server.port, log_file=log).start()
    assert server.wait_for_termination(0.01) is True
    waiting = threading.Thread(target=server.wait_for_termination)
    waiting.start()
    port = server.port
    server.stop(grace=0)
    server.stop()
    waiting.join(10)
    assert not waiting.is_alive()
    assert server.wait_for_termination() is False
    with pytest.raises(grpc.RpcError):
        ask(server)
    server.start()
    assert server.port == port
    assert ask(server).success


def test_a_grace_lets_what_is_under_way_end(serve: Callable[..., AiServer]) -> None:
    begun, go = threading.Event(), threading.Event()

    def policy(seen: TaskObservation) -> str:
        begun.set()
        go.wait(20)
        return "whole"

    server = serve(policy=policy)
    future = send_task_observation({}, f"127.0.0.1:{server.port}")
    assert begun.wait(20)
    stopping = threading.Thread(target=server.stop, args=(20,))
    stopping.start()
    go.set()
    assert future.result(20).action_details == "whole"
    stopping.join(20)
    assert not stopping.is_alive()


@pytest.mark.parametrize("kind", ["thread", "loop"])
def test_a_policy_may_stop_its_own_server(serve: Callable[..., AiServer], kind: str) -> None:
    def stop(seen: TaskObservation) -> None:
        server.stop()

    async def stop_there(seen: TaskObservation) -> None:
        server.stop()

    server = serve(policy=stop if kind == "thread" else stop_there)
    future = send_task_observation({}, f"127.0.0.1:{server.port}", timeout=20)
    assert server.wait_for_termination(20) is False
    assert future.exception(20) is None or future.code() is not grpc.StatusCode.OK


async def test_inside_a_running_loop_and_in_threads(serve: Callable[..., AiServer]) -> None:
    here = serve()
    there = await asyncio.to_thread(serve)
    for server in (here, there):
        assert (await asyncio.to_thread(ask, server, event_id="1")).observation_event_id == "1"


# -- its log -------------------------------------------------------------------------------------------------------


def test_the_log_has_a_line_each(serve: Callable[..., AiServer], log: Path) -> None:
    server = serve(policy=lambda seen: 1 / 0)
    ask(server, event_id="e-7", event_type="task_complete", task_name="align (1)\n2026-01-01 00:00:00 - forged\x1b[2J")
    server.stop()
    lines = log.read_text().splitlines()
    assert [line for line in lines if not LINE.fullmatch(line)] == []
    assert lines[0].endswith(f" - AI server started on port {server.port}")
    (told,) = [line for line in lines if "e-7" in line]
    assert "task_complete of align (1)\\n2026-01-01 00:00:00 - forged\\x1b[2J; action" in told
    assert "failed: ZeroDivisionError: division by zero" in told
    assert lines[-1].endswith(" - AI server stopped")
    stamp = time.mktime(time.strptime(lines[0][:19], "%Y-%m-%d %H:%M:%S"))
    assert abs(stamp - time.time()) < 60


def test_a_log_that_cant_be_written_is_told_or_costs_its_lines(tmp_path: Path, small_disk: Path) -> None:
    with pytest.raises(Unavailable, match="log_file="):
        AiServer(port=0, log_file=tmp_path / "no" / "folder").start()
    with pytest.raises(OSError, match="No space"):
        (small_disk / "filler").write_bytes(b"x" * (17 << 20))
    with AiServer(port=0, log_file=small_disk / "full.log") as server:
        for number in range(50):
            assert ask(server, event_id=str(number)).success


def test_the_default_log_is_in_the_temporary_folder_and_no_link(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with AiServer(port=0) as server:
        ask(server)
    assert "AI server stopped" in (tmp_path / "ai_server.log").read_text()
    (tmp_path / "ai_server.log").unlink()
    (tmp_path / "ai_server.log").symlink_to(tmp_path / "theirs")
    with pytest.raises(Unavailable, match="can't be opened"):
        AiServer(port=0).start()
    assert not (tmp_path / "theirs").exists()


# -- in processes of their own -------------------------------------------------------------------------------------


def spawned(server: AiServer, told: Any) -> None:
    """In a spawned process, in a thread that isn't its main one, as in an actor."""

    def run() -> None:
        server.start()
        told.send(server.port)
        server.wait_for_termination()

    thread = threading.Thread(target=run)
    thread.start()
    told.recv()
    server.stop()
    thread.join(10)
    told.send(thread.is_alive())


def named(observation: TaskObservation) -> str:
    return f"process {os.getpid()}"


def test_it_is_handed_to_a_spawned_process_before_it_starts(log: Path) -> None:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=spawned, args=(AiServer(port=0, log_file=log, policy=named), theirs))
    process.start()
    assert ours.poll(30)
    address = f"127.0.0.1:{ours.recv()}"
    assert send_task_observation({}, address).result(20).action_details == f"process {process.pid}"
    ours.send("stop")
    assert ours.poll(20)
    assert ours.recv() is False
    process.join(20)
    assert process.exitcode == 0


SCRIPT = """
import sys
from farhand.kits.nextflow import AiServer
server = AiServer(port=0, log_file=sys.argv[1])
server.start()
print(server.port, flush=True)
try:
    if sys.argv[2] == "wait":
        server.wait_for_termination()
except KeyboardInterrupt:
    server.stop(0)
    print("stopped", flush=True)
"""


@pytest.mark.parametrize(("how", "said"), [("wait", "stopped\n"), ("leave", "")])
def test_a_program_ends_by_ctrl_c_and_by_its_last_line(log: Path, how: str, said: str) -> None:
    command = (sys.executable, "-W", "error", "-c", SCRIPT, str(log), how)
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        port = process.stdout.readline().strip()
        if how == "wait":
            assert send_task_observation({}, f"127.0.0.1:{port}").result(20).success
            process.send_signal(signal.SIGINT)
        rest, errors = process.communicate(timeout=20)
    assert (process.returncode, rest) == (0, said), errors
    assert log.read_text().splitlines()[-1].endswith("AI server stopped")


# -- what others see -----------------------------------------------------------------------------------------------


def test_health_and_reflection(serve: Callable[..., AiServer]) -> None:
    with grpc.insecure_channel(f"127.0.0.1:{serve().port}") as channel:
        stub: Any = health_pb2_grpc.HealthStub(channel)
        for name in ("", "nf_ai_comms.AiActionService"):
            assert stub.Check(health_pb2.HealthCheckRequest(service=name), timeout=20).status == 1
        found = ProtoReflectionDescriptorDatabase(channel)
        assert "nf_ai_comms.AiActionService" in found.get_services()
        assert found.FindFileContainingSymbol("nf_ai_comms.Action").package == "nf_ai_comms"
