"""A service: its orders, its data in the user's own proto, and what it refuses."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from farhand.assembly import RunningService, serve_service
from farhand.errors import FarhandError, PermissionDenied, Unavailable
from farhand.fronts.control import data
from farhand.kits.service.options import ServiceOptions
from farhand.wire.control import messages
from tests.kits.serving import APP, PROTO, SERVICE, Orchestrator, served

Both = tuple[RunningService, Orchestrator]


@pytest.fixture
async def both() -> AsyncIterator[Both]:
    async with served() as found:
        yield found


def pb() -> Any:
    import my_service_pb2  # type: ignore[import-not-found]

    return my_service_pb2


class Caller:
    """Calls a service over gRPC, with the user's own stubs' means."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._channel = channel

    async def one(self, name: str, request: Any, gives: str = "Response", task: str = "") -> Any:
        """A unary call."""
        kind = getattr(pb(), gives)
        call: Any = self._channel.unary_unary(f"{SERVICE}/{name}", type(request).SerializeToString, kind.FromString)
        return await call(request, metadata=(("x-task-id", task),) if task else None, timeout=40)

    async def many(self, name: str, request: Any, gives: str = "Response", task: str = "") -> list[Any]:
        """A stream."""
        kind = getattr(pb(), gives)
        call: Any = self._channel.unary_stream(f"{SERVICE}/{name}", type(request).SerializeToString, kind.FromString)
        return [one async for one in call(request, metadata=(("x-task-id", task),) if task else None, timeout=40)]


@pytest.fixture
async def caller(both: Both) -> AsyncIterator[Caller]:
    async with grpc.aio.insecure_channel(both[0].grpc) as channel:
        yield Caller(channel)


async def test_before_any_result_there_is_none_and_each_task_keeps_its_own(both: Both, caller: Caller) -> None:
    service, asks = both
    empty = pb().Empty()
    with pytest.raises(grpc.aio.AioRpcError) as none:
        await caller.one("GetLastResult", empty)
    assert (none.value.code(), none.value.details()) == (grpc.StatusCode.NOT_FOUND, "No result available yet")
    one, two = await asyncio.gather(asks.run("Named", text="one"), asks.run("Named", text="two"))
    port = service.grpc.rpartition(":")[2]
    for output, text in ((one, "one"), (two, "two")):
        id = output["metadata"]["x-task-id"]
        assert output == {
            "protocol": "grpc",
            "uri": f"localhost:{port}",
            "format": "Response",
            "metadata": {"x-task-id": id},
        }
        assert (await caller.one("GetLastResult", empty, task=id)).text == text
    last = await asks.run("Named", text="three")
    assert (await caller.one("GetLastResult", empty)).text == "three"
    await asks.run("Model")  # of another type: not what GetLastResult gives
    assert (await caller.one("GetLastResult", empty)).text == "three"
    assert (await caller.one("GetModel", empty, "TrainResponse")).model_path == "m"
    with pytest.raises(grpc.aio.AioRpcError) as other:
        await caller.one("GetModel", empty, "TrainResponse", last["metadata"]["x-task-id"])
    assert other.value.code() is grpc.StatusCode.FAILED_PRECONDITION
    with pytest.raises(grpc.aio.AioRpcError) as unknown:
        await caller.one("GetLastResult", empty, task="nothing")
    assert unknown.value.code() is grpc.StatusCode.NOT_FOUND


async def test_several_tasks_run_at_once_with_progress_of_their_own(both: Both) -> None:
    _, asks = both
    answers = await asyncio.gather(*(asks.order("Named", text=str(n), seconds=1.0) for n in range(6)))
    ids = [one["task_id"] for one in answers]
    assert len(set(ids)) == 6
    assert {one["status"] for one in answers} == {"running"}
    async with asyncio.timeout(20):
        while {(await asks.status(id))["progress"] for id in ids} != {50}:
            pass
    for id in ids:
        assert (await asks.end(id))["progress"] == 100


async def test_an_rpc_runs_the_handler_of_its_name(both: Both, caller: Caller) -> None:
    request = pb().Request(name="n", values=[1, 2, 3])
    assert (await caller.one("ProcessData", request)).count == 3
    assert [one.count for one in await caller.many("Rows", request)] == [1, 2, 3]
    large = pb().Request(name="large", blob=bytes(3 << 20))
    assert (await caller.one("ProcessData", large)).text == "large"
    assert (await caller.one("GetLastResult", pb().Empty())).text == "large"


async def test_reflection_and_health(both: Both) -> None:
    from grpc_health.v1 import health_pb2, health_pb2_grpc
    from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

    def ask() -> tuple[list[str], int]:
        with grpc.insecure_channel(both[0].grpc) as channel:
            names = list(ProtoReflectionDescriptorDatabase(channel).get_services())
            request = health_pb2.HealthCheckRequest(service="my_service.MyService")
            stub: Any = health_pb2_grpc.HealthStub(channel)
            return names, stub.Check(request, timeout=10).status

    names, status = await asyncio.to_thread(ask)
    assert "my_service.MyService" in names
    assert status == health_pb2.HealthCheckResponse.SERVING


@pytest.mark.parametrize(
    ("method", "parameters", "format"),
    [
        ("Free", {}, "json"),
        ("Lines", {"count": 3}, "json"),
        ("Rows", {"name": "r", "values": [1, 2]}, "my_service.Response"),
        ("Blob", {"size": 300_000}, "StreamLastResult"),
        ("Apart", {"size": 300_000}, "StreamLastResult"),
        ("Model", {}, "GetModel"),
        ("ProcessData", {"name": "p", "values": [1]}, "Response"),
    ],
)
async def test_a_result_of_each_kind_reaches_the_next_service(
    both: Both, method: str, parameters: dict[str, Any], format: str
) -> None:
    _, asks = both
    output = await asks.run(method, **parameters)
    assert output["format"] == format
    assert output["protocol"] == ("http" if format in ("json", "my_service.Response") else "grpc")
    value = json.loads(await asks.data(await asks.run("Values", [output])))["inputs"][0]
    wanted: dict[str, Any] = {
        "Free": {"anything": [1, 2]},
        "Lines": [{"number": 0}, {"number": 1}, {"number": 2}],
        "Rows": [{"text": "r", "count": 1}, {"text": "r", "count": 2}],
        "Blob": repr(b"\1" * 300_000),
        "Apart": repr(b"z" * 300_000),
        "Model": 'model_path: "m"\naccuracy: 0.5\n',
        "ProcessData": 'text: "p"\ncount: 1\n',
    }
    assert value == wanted[method]


async def test_data_over_http_has_length_checksum_and_ranges(both: Both) -> None:
    _, asks = both
    id = (await asks.run("Big", mebibytes=2))["metadata"]["x-task-id"]
    path, whole = f"/control/data/{id}", bytes(range(256)) * 8192
    answer = await asks.http.get(path)
    assert answer.content == whole
    assert answer.headers["content-length"] == str(2 << 20)
    etag = answer.headers["etag"]
    head = await asks.http.head(path)
    assert (head.headers["content-length"], head.headers["etag"], head.content) == (str(2 << 20), etag, b"")
    for asked, part, said in [
        ("bytes=0-9", whole[:10], "bytes 0-9/2097152"),
        ("bytes=2097150-", whole[-2:], "bytes 2097150-2097151/2097152"),
        ("bytes=-3", whole[-3:], "bytes 2097149-2097151/2097152"),
        ("bytes=10-99999999", whole[10:], "bytes 10-2097151/2097152"),
    ]:
        ranged = await asks.http.get(path, headers={"range": asked, "if-range": etag})
        assert (ranged.status_code, ranged.content, ranged.headers["content-range"]) == (206, part, said)
    beyond = await asks.http.get(path, headers={"range": "bytes=2097152-"})
    assert (beyond.status_code, beyond.headers["content-range"]) == (416, "bytes */2097152")
    assert (await asks.http.get(path, headers={"range": "bytes=0-1", "if-range": '"x"'})).status_code == 200
    assert (await asks.http.get(path, headers={"range": "lines=0-1"})).status_code == 200
    assert (await asks.http.get(path, headers={"if-none-match": etag})).status_code == 304


async def test_one_message_is_bounded_and_the_error_names_the_streaming_ways(
    both: Both, caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(data, "MESSAGE_MOST", 1_000)
    _, asks = both
    await asks.run("Named", text="x" * 2_000)
    with pytest.raises(grpc.aio.AioRpcError) as large:
        await caller.one("GetLastResult", pb().Empty())
    assert large.value.code() is grpc.StatusCode.OUT_OF_RANGE
    assert "rpc StreamLastResult" in str(large.value.details())


def test_two_gib_are_one_byte_too_many() -> None:
    messages.check_message_size(2**31 - 1, "Response")
    with pytest.raises(FarhandError, match="stream Chunk"):
        messages.check_message_size(2**31, "Response")


async def test_what_a_handler_does_wrong_fails_its_task(both: Both, caller: Caller) -> None:
    _, asks = both
    assert await asks.why("Raises") == "ValueError: no such column"
    assert await asks.why("Hangs") == "'Hangs' ran for longer than its own timeout of 0.3 s"
    assert "was ended by SIGKILL" in await asks.why("Dies")
    assert await asks.why("Named", text=1) == "the arguments don't fit 'Named': text: Expected `str`, got `int`"
    assert "no field named" in await asks.why("ProcessData", nothing=1)
    assert (await caller.one("ProcessData", pb().Empty())).count == 0  # an empty message is an empty request
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await caller.many("Rows", pb().Request(name="x", values=[float("nan")]))
    assert "ValueError" in str(failed.value.details())


async def test_results_go_when_there_are_too_many(tmp_path: Path) -> None:
    async with served(count=3) as (service, asks):
        outputs = [await asks.run("Blob", size=100_000) for _ in range(5)]
        kept = [await asks.http.get(f"/control/data/{one['metadata']['x-task-id']}") for one in outputs]
        assert [one.status_code for one in kept] == [410, 410, 200, 200, 200]
        assert len(list(service._folder.iterdir())) == 3
        folder = service._folder
    assert not folder.exists()


async def test_results_beyond_the_disk_budget_fail_their_task() -> None:
    async with served(disk=1 << 20) as (service, asks):
        assert "1,048,576 bytes on disk" in await asks.why("Big", mebibytes=3)
        assert list(service._folder.iterdir()) == []
        await asks.run("Blob", size=100_000)


async def test_a_key_is_asked_for() -> None:
    async with served(key="secret") as (_, asks):
        id = (await asks.run("Blob", size=10))["metadata"]["x-task-id"]
        free = await asks.run("Free")
        for wrong in (
            {},
            {"authorization": "Bearer wrong"},
            {"authorization": "secret"},
            {"authorization": "Basic secret"},
        ):
            asks.http.headers.pop("authorization", None)
            asks.http.headers.update(wrong)
            for method, path in [
                ("POST", "/control/execute"),
                ("GET", f"/control/status/{id}"),
                ("GET", f"/control/output/{id}"),
                ("GET", f"/control/data/{id}"),
                ("GET", f"/control/data/{id}?token=wrong"),
            ]:
                answer = await asks.http.request(method, path, content=b"{}")
                assert (answer.status_code, answer.json()) == (401, {"detail": "Unauthorized"})
        assert (await asks.http.get("/health")).json() == {"status": "ok"}
        assert json.loads(await asks.data(free)) == {"anything": [1, 2]}  # the reference holds the task's own token


async def test_others_are_let_in_with_a_key_only() -> None:
    for host in ("0.0.0.0", "::", "192.0.2.1"):
        with pytest.raises(PermissionDenied, match="SERVICE_API_KEY"):
            await serve_service(ServiceOptions(target=APP, protos=(PROTO,), host=host, port=0, grpc_port=0))


async def test_a_port_that_is_taken_is_told_and_nothing_is_left() -> None:
    async with served() as (service, _):
        taken = int(service.grpc.rpartition(":")[2])
        with pytest.raises(Unavailable, match="for gRPC"):
            await serve_service(ServiceOptions(target=APP, protos=(PROTO,), port=0, grpc_port=taken))
