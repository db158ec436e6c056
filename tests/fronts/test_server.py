"""The server itself: where it listens, health and reflection, how many streams, and frames that are made to hurt."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from typing import Any

import grpc
import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from farhand.assembly import RunningHub, serve_hub
from farhand.errors import PermissionDenied, Unavailable
from farhand.wire.farhand._pb import client_pb2, common_pb2, worker_pb2
from farhand.wire.farhand.options import SERVE_OPTIONS
from tests.conftest import Eventually
from tests.fronts.conftest import Bystander
from tests.fronts.raw import CHUNK, CLIENT, OPTIONS, STARTED, SUCCEEDED, Peer, RawClient, RawWorker, calls, events
from tests.sizes import reliability, size
from tests.tallies import Tally

SERVICES = {
    "agnt.AgntService",
    "agnt.ClientService",
    "farhand.v1.DataService",
    "farhand.v1.WorkerService",
    "farhand.v1.ClientService",
    "grpc.health.v1.Health",
    "grpc.reflection.v1alpha.ServerReflection",
}


@pytest.mark.parametrize(
    "address",
    ["0.0.0.0:0", "[::]:0", "192.168.0.1:0", "10.0.0.1:50051", "example.com:0", "[::ffff:8.8.8.8]:0", "0:0", "*:0"],
)
async def test_an_address_that_others_reach_is_refused(address: str) -> None:
    with pytest.raises(PermissionDenied, match="loopback only"):
        await serve_hub(address)


@pytest.mark.parametrize("address", ["127.0.0.1", "", ":50051", "127.0.0.1:port", "127.0.0.1:65536", "127.0.0.1:-1"])
async def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(ValueError, match="is not HOST:PORT"):
        await serve_hub(address)


@pytest.mark.parametrize("address", ["127.0.0.1:0", "localhost:0", "127.0.0.2:0"])
async def test_loopback_is_served(address: str) -> None:
    async with await serve_hub(address) as hub:
        host, _, port = hub.address.rpartition(":")
        assert host == address.partition(":")[0]
        assert int(port) > 0


async def test_a_taken_port_is_refused(hub: RunningHub) -> None:
    with pytest.raises(Unavailable, match="another program has the port"):
        await serve_hub(hub.address)


async def test_health_is_answered_and_says_when_the_hub_stops(hub: RunningHub) -> None:
    serving, not_serving = health_pb2.HealthCheckResponse.SERVING, health_pb2.HealthCheckResponse.NOT_SERVING
    async with grpc.aio.insecure_channel(hub.address, options=OPTIONS) as channel:
        stub: Any = health_pb2_grpc.HealthStub(channel)

        async def status(service: str) -> int:
            answer = await stub.Check(health_pb2.HealthCheckRequest(service=service))
            return int(answer.status)

        names = ("", "farhand.v1.WorkerService", "farhand.v1.ClientService")
        assert [await status(name) for name in names] == [serving] * 3
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await status("farhand.v1.Nothing")
        assert caught.value.code() is grpc.StatusCode.NOT_FOUND
        await hub.drain(0)
        assert [await status(name) for name in names] == [not_serving] * 3


async def test_reflection_describes_the_services(hub: RunningHub) -> None:
    async with grpc.aio.insecure_channel(hub.address, options=OPTIONS) as channel:
        stub: Any = reflection_pb2_grpc.ServerReflectionStub(channel)  # type: ignore[arg-type]
        asked = [
            reflection_pb2.ServerReflectionRequest(list_services=""),
            reflection_pb2.ServerReflectionRequest(file_containing_symbol="farhand.v1.ClientService"),
            reflection_pb2.ServerReflectionRequest(file_containing_symbol="farhand.v1.WorkerService"),
            reflection_pb2.ServerReflectionRequest(file_containing_symbol="farhand.v1.DataService"),
        ]
        listed, client, worker, data_door = [answer async for answer in stub.ServerReflectionInfo(iter(asked))]
        assert {service.name for service in listed.list_services_response.service} == SERVICES
        methods: dict[str, set[str]] = {}
        for answer in (client, worker, data_door):
            for data in answer.file_descriptor_response.file_descriptor_proto:
                for service in FileDescriptorProto.FromString(data).service:
                    methods[service.name] = {method.name for method in service.method}
        assert methods["WorkerService"] == {"Connect"}
        assert methods["DataService"] == {"Pull", "Push", "Put", "Locate", "GetRef"}
        assert {"Run", "Stream", "Channel", "Cancel", "GetHub", "ListHandlers"} <= methods["ClientService"]


async def test_every_method_that_is_described_is_served(hub: RunningHub) -> None:
    async with grpc.aio.insecure_channel(hub.address, options=OPTIONS) as channel:
        for method in client_pb2.DESCRIPTOR.services_by_name["ClientService"].methods:
            if method.client_streaming or method.server_streaming:
                continue
            call: Any = channel.unary_unary(CLIENT + method.name)
            ended: Any = (await asyncio.gather(call(b"", timeout=5), return_exceptions=True))[0]
            if isinstance(ended, grpc.aio.AioRpcError):
                assert ended.code() not in (grpc.StatusCode.UNIMPLEMENTED, grpc.StatusCode.INTERNAL), method.name
        nothing: Any = channel.unary_unary(CLIENT + "Nothing")
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await nothing(b"", timeout=5)
        assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


async def test_one_connection_has_at_most_100_streams_and_another_is_not_held_up(
    hub: RunningHub, good: Bystander
) -> None:
    most = int(dict(SERVE_OPTIONS)["grpc.max_concurrent_streams"])
    assert most <= 1000
    async with grpc.aio.insecure_channel(hub.address, options=OPTIONS) as channel:
        method: Any = channel.stream_stream(CLIENT + "Channel")

        async def welcomed() -> Any:
            stream = method()
            await stream.write(client_pb2.ClientFrame(protocol=1).SerializeToString())
            assert client_pb2.ChannelFrame.FromString(await stream.read()).HasField("welcome")
            return stream

        streams = await asyncio.gather(*(welcomed() for _ in range(most)))
        late = asyncio.ensure_future(welcomed())
        for _ in range(5):
            await good.still_served()
        assert not late.done()
        streams[0].cancel()
        async with asyncio.timeout(10):
            await late


# -- fuzzing on real sockets -------------------------------------------------------------------------------------------


def flipped(data: bytes, chance: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(chance.randint(1, 2)):
        match chance.randint(0, 3):
            case 0 if changed:
                changed[chance.randrange(len(changed))] ^= 1 << chance.randrange(8)
            case 1 if changed:
                del changed[chance.randrange(len(changed)) :]
            case 2:
                changed[chance.randint(0, len(changed)) :] += chance.randbytes(chance.randint(1, 20))
            case _ if changed:
                changed[chance.randrange(len(changed))] = chance.randrange(256)
    return bytes(changed)


def a_clients_frame(_: str) -> bytes:
    frame = calls([1, 2], "count", {"n": 2}, group="bad", extra={"labels": {"a": "b"}, "priority": 1})
    frame.cancel.append(1)
    frame.credit.CopyFrom(client_pb2.CallCredits(call=[2], bytes=[100]))
    return frame.SerializeToString()


def a_workers_frame(job: str) -> bytes:
    fault = common_pb2.Fault(code="HANDLER_FAILED", message="no", details=b'{"type":"E"}').SerializeToString()
    frame = events(job, (STARTED,), (3, b"\x09" + b"\0" * 8), (4, b"text"), (CHUNK, b"\x07", 1), (SUCCEEDED, b"", 1))
    frame.events.body[-1] = fault
    frame.heartbeat.running = 1
    return frame.SerializeToString()


async def offend(peer: Peer, frame: bytes, tally: dict[str, int]) -> None:
    """Say the frame, then goodbye; whatever comes of it, the stream ends as one of the expected ways."""
    await peer.say(frame)
    farewell = worker_pb2.WorkerFrame if isinstance(peer, RawWorker) else client_pb2.ClientFrame
    await peer.say(farewell(goodbye=common_pb2.Goodbye()))
    refusal = await peer.ended()
    assert refusal.code in (grpc.StatusCode.OK, grpc.StatusCode.INVALID_ARGUMENT), (refusal.code, frame)
    if refusal.code is grpc.StatusCode.INVALID_ARGUMENT:
        assert refusal.reason == "PROTOCOL_VIOLATION", (refusal.message, frame)
    tally[refusal.code.name] = tally.get(refusal.code.name, 0) + 1


async def fuzz(hub: RunningHub, seed: int, rounds: int) -> dict[str, int]:
    tally: dict[str, int] = {}
    chance = random.Random(seed)
    for _ in range(rounds):
        async with RawWorker(hub.address) as worker, RawClient(hub.address) as client:
            await worker.greet()
            await client.greet()
            await client.call(1, "work", group="bad")
            frame = flipped(a_workers_frame(await worker.job()), chance)
            await offend(worker, frame, tally)
            await client.hear(lambda said: any(kind >= SUCCEEDED for kind in said.events.kind))
            await offend(client, flipped(a_clients_frame(""), chance), tally)
    return tally


@reliability("S3", 60)
async def test_altered_frames_end_their_stream_and_nothing_else(
    hub: RunningHub, good: Bystander, eventually: Eventually, tally: Tally
) -> None:
    found = await fuzz(hub, seed=7, rounds=size("S3"))
    frames = 2 * size("S3")
    tally.count(
        frames - found["OK"] - found["INVALID_ARGUMENT"], frames, "altered frames answered as nothing should be"
    )
    assert sum(found.values()) == frames
    assert min(found["OK"], found["INVALID_ARGUMENT"]) > 10

    async def nothing_is_left() -> bool:
        view = await good.client.hub()
        return view.waiting == 0 and view.running <= 1 and view.workers == 1

    await eventually(nothing_is_left)


Noise = Callable[[random.Random], bytes]


@pytest.mark.parametrize(
    "noise",
    [
        lambda chance: chance.randbytes(2000),
        lambda chance: b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + chance.randbytes(2000),
        lambda chance: b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        lambda chance: b"\x16\x03\x01" + chance.randbytes(200),
        lambda chance: b"",
    ],
    ids=["noise", "HTTP/2 and noise", "HTTP/1", "TLS", "nothing"],
)
async def test_what_is_not_grpc_at_all_is_cut_off(hub: RunningHub, good: Bystander, noise: Noise) -> None:
    host, _, port = hub.address.rpartition(":")
    chance = random.Random(7)
    for _ in range(10):
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(noise(chance))
        if noise(chance):
            async with asyncio.timeout(20):
                while await reader.read(1 << 16):
                    pass
        writer.close()
        await asyncio.gather(writer.wait_closed(), return_exceptions=True)
    await good.still_served()
