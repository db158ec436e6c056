"""`send_task_observation`: futures, timeouts, shared channels; and peers that were never changed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import pytest

from farhand.kits.nextflow import AiServer, TaskObservation, close_channels, send_task_observation
from farhand.kits.nextflow.channels import IDLE_MOST, SHARED, Channels
from tests.cli.processes import ROOT, environment
from tests.hub.processes import free_port
from tests.sizes import reliability, size
from tests.tallies import Tally
from tests.wire.nextflow.test_observations import WHOLE

MEMORY = 8 * 1024
"""KiB that a process may grow by, however many observations pass."""


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    close_channels()
    yield
    close_channels()


@pytest.fixture
def hanging(tmp_path: Path) -> Iterator[str]:
    """The address of a server that decides only at the end."""
    go = threading.Event()
    with AiServer(port=0, log_file=tmp_path / "log", policy=lambda seen: go.wait(30) and None) as server:
        yield f"127.0.0.1:{server.port}"
        go.set()


@pytest.fixture
def seen(tmp_path: Path) -> Iterator[tuple[str, list[TaskObservation]]]:
    """The address of a server, and what it was told."""
    told: list[TaskObservation] = []
    with AiServer(port=0, log_file=tmp_path / "log", policy=told.append) as server:
        yield f"127.0.0.1:{server.port}", told


def test_every_field_arrives(seen: tuple[str, list[TaskObservation]]) -> None:
    address, told = seen
    assert send_task_observation(WHOLE, address).result(20).success
    assert told == [TaskObservation(**WHOLE)]
    with pytest.raises(ValueError, match="cpu_time_seconds"):
        send_task_observation({**WHOLE, "cpu_time_seconds": 1}, address)
    assert len(told) == 1


def test_the_future_is_grpcs(seen: tuple[str, list[TaskObservation]]) -> None:
    called, heard = threading.Event(), list[Any]()
    future = send_task_observation({"event_id": "1"}, seen[0])
    assert isinstance(future, grpc.Future)

    def hear(one: Any) -> None:
        heard.append(one)
        called.set()

    future.add_done_callback(hear)
    assert called.wait(20)
    assert heard == [future]
    assert (future.done(), future.running(), future.cancelled(), future.cancel()) == (True, False, False, False)
    assert (future.exception(), future.traceback()) == (None, None)
    assert (future.code(), future.details()) == (grpc.StatusCode.OK, "")
    assert future.result() is future.result()


def test_waiting_for_a_future_may_end_before_it(hanging: str) -> None:
    future = send_task_observation({}, hanging)
    with pytest.raises(grpc.FutureTimeoutError):
        future.result(0.05)
    assert future.cancel()
    with pytest.raises(grpc.FutureCancelledError):
        future.result(20)
    assert future.cancelled()


def test_when_its_timeout_passes_there_is_an_action(tmp_path: Path) -> None:
    """Of a peer that never answers, even to HTTP/2."""
    import socket

    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        address = f"127.0.0.1:{listening.getsockname()[1]}"
        future = send_task_observation({"event_id": "e"}, address, timeout=0.3)
        action = future.result(20)
        assert (action.success, action.observation_event_id) == (False, "e")
        assert action.message == "no action came within 0.3 s"
        assert future.result() is action
        assert (future.exception(), future.traceback()) == (None, None)
        assert future.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        close_channels()


@pytest.mark.parametrize("timeout", [0, -1, float("nan"), float("inf"), "1", object()])
def test_what_is_no_timeout(timeout: Any) -> None:
    with pytest.raises(ValueError, match="timeout is more than 0 seconds"):
        send_task_observation({}, timeout=timeout)
    assert len(SHARED) == 0


def test_a_server_that_is_not_there_fails_the_call_and_the_next_finds_it(tmp_path: Path) -> None:
    port = free_port()
    for _ in range(3):
        future = send_task_observation({}, f"127.0.0.1:{port}", timeout=20)
        with pytest.raises(grpc.RpcError):
            future.result(20)
        assert future.code() is grpc.StatusCode.UNAVAILABLE
    with AiServer(port=port, log_file=tmp_path / "log"):
        assert send_task_observation({}, f"127.0.0.1:{port}", timeout=20).result(20).success
    assert len(SHARED) <= 2


def test_one_channel_an_address_whatever_the_threads(seen: tuple[str, list[TaskObservation]]) -> None:
    address, told = seen
    with ThreadPoolExecutor(16) as threads:
        sent = list(threads.map(lambda n: send_task_observation({"event_id": str(n)}, address), range(300)))
        assert len(SHARED) == 1
        assert all(future.result(20).success for future in sent)
    assert len(told) == 300


def test_the_callers_own_channel_stays_its_own(seen: tuple[str, list[TaskObservation]]) -> None:
    with grpc.insecure_channel(seen[0]) as channel:
        for _ in range(3):
            assert send_task_observation({}, "nowhere:1", channel=channel).result(20).success
    assert len(SHARED) == 0


def test_channels_that_nobody_uses_are_bounded() -> None:
    channels = Channels()
    used = channels.take("127.0.0.1:1")
    for number in range(2, 3 * IDLE_MOST):
        channels.give_back(channels.take(f"127.0.0.1:{number}"), broken=False)
        assert len(channels) <= IDLE_MOST + 2
    assert channels.take("127.0.0.1:1") is used
    channels.give_back(used, broken=True)
    assert channels.take("127.0.0.1:1") is not used
    channels.close()
    assert len(channels) == 0


def test_a_program_that_leaves_its_channels_open_ends(seen: tuple[str, list[TaskObservation]]) -> None:
    code = (
        "import sys; from farhand.kits.nextflow import send_task_observation as send; "
        "print(send({}, sys.argv[1]).result(20).success); send({}, sys.argv[1])"
    )
    command = (sys.executable, "-W", "error", "-c", code, seen[0])
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, env=environment())
    assert (done.returncode, done.stdout) == (0, "True\n"), done.stderr


# -- peers that were never changed ---------------------------------------------------------------------------------

PEER = """
import sys, grpc
from concurrent import futures
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
made = descriptor_pool.Default().AddSerializedFile(bytes.fromhex(sys.argv[2]))
find = descriptor_pool.Default().FindMessageTypeByName
TaskObservation = message_factory.GetMessageClass(find("nf_ai_comms.TaskObservation"))
Action = message_factory.GetMessageClass(find("nf_ai_comms.Action"))
import farhand.kits.nextflow as kit
assert kit.Action is not Action

if sys.argv[1] == "server":
    class Servicer:
        def SendTaskObservation(self, request, context):
            return Action(observation_event_id=request.event_id, action_id="a", success=True,
                          action_details=f"{request.cpu_percent} {request.write_bytes}")
    server = grpc.server(futures.ThreadPoolExecutor(10))
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("nf_ai_comms.AiActionService", {
        "SendTaskObservation": grpc.unary_unary_rpc_method_handler(
            Servicer().SendTaskObservation, TaskObservation.FromString, Action.SerializeToString)}),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(port, flush=True)
    sys.stdin.read()
    server.stop(None)
else:
    for number in range(20):
        channel = grpc.insecure_channel(sys.argv[3])
        send = channel.unary_unary("/nf_ai_comms.AiActionService/SendTaskObservation",
                                   TaskObservation.SerializeToString, Action.FromString)
        action = send(TaskObservation(event_id=str(number), event_type="task_start", write_bytes=7), timeout=20)
        assert action.success and action.observation_event_id == str(number), action
    print(action.action_details)
    server = kit.AiServer(port=0, log_file=sys.argv[4], policy=lambda seen: Action(action_details="mine", success=True))
    server.start()
    future = kit.send_task_observation(TaskObservation(event_id="own"), f"127.0.0.1:{server.port}")
    print(future.result(20).action_details)
    server.stop()
"""


def peer(*arguments: str) -> tuple[str, ...]:
    """A process with its own modules of the protocol, in protobuf's default pool."""
    from google.protobuf import descriptor_pb2

    file = descriptor_pb2.FileDescriptorProto()
    TaskObservation.DESCRIPTOR.file.CopyToProto(file)
    kind, *more = arguments
    return (sys.executable, "-W", "error", "-c", PEER, kind, file.SerializeToString().hex(), *more)


def test_an_unchanged_client(tmp_path: Path) -> None:
    with AiServer(port=0, log_file=tmp_path / "log") as server:
        command = peer("client", f"127.0.0.1:{server.port}", str(tmp_path / "other.log"))
        done = subprocess.run(command, cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=40)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "Action for event 19: Processed event type 'task_start'\nmine\n"


def test_an_unchanged_server() -> None:
    pipe = subprocess.PIPE
    with subprocess.Popen(
        peer("server"), cwd=ROOT, env=environment(), stdin=pipe, stdout=pipe, stderr=pipe, text=True
    ) as process:
        assert process.stdout is not None
        port = process.stdout.readline().strip()
        action = send_task_observation(WHOLE, f"127.0.0.1:{port}", timeout=20).result(20)
        assert (action.observation_event_id, action.action_details) == ("e-1", "150.0% 5")
        close_channels()
        _, errors = process.communicate(timeout=20)
    assert process.returncode == 0, errors


# -- many ----------------------------------------------------------------------------------------------------------


@pytest.mark.skipif(not os.path.exists("/proc/self/fd"), reason="file descriptors are counted in /proc")
@reliability("R20", 120)
def test_however_many_observations_files_and_memory_stay(tmp_path: Path, tally: Tally) -> None:
    """Of the sender and of the server, each in a process of its own."""
    count = size("R20")
    with subprocess.Popen(
        (sys.executable, "-m", "tests.kits.nextflow.serve", str(tmp_path / "log")),
        cwd=ROOT,
        env=environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as server:
        assert server.stdout is not None
        address = f"127.0.0.1:{server.stdout.readline().strip()}"
        command = (sys.executable, "-m", "tests.kits.nextflow.flat", address, str(server.pid), str(count))
        done = subprocess.run(command, cwd=ROOT, env=environment(), capture_output=True, text=True)
        server.communicate("", timeout=30)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    for who in ("sender", "server"):
        before, after = found["before"][who], found["after"][who]
        opened = max(0, after["files"] - before["files"] - 2)
        tally.count(opened, count, f"observations that left a file of the {who} open")
        assert opened == 0
        assert after["memory"] - before["memory"] < MEMORY, found
    assert (tmp_path / "log").read_text().count("TaskObservation") == count
