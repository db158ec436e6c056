"""All that is particular to farhand: how its processes start, and what a client of it does. Loaded lazily, by roles."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from statistics import median
from time import perf_counter
from typing import TYPE_CHECKING, Any

from bench import timing

if TYPE_CHECKING:
    import grpc

    from farhand import AsyncClient

SLOTS = 256
RUN = "/farhand.v1.ClientService/Run"
CONNECT = "/farhand.v1.WorkerService/Connect"
AGENTS = "/agnt.AgntService/Connect"
COMMAND = "/agnt.ClientService/SendCommand"
AGENT, ROW = "bench", '[{"x": 1}]'
"""The group of the agent that is measured, and what it answers."""
FIRST_OF = 3
"""Chunks of the stream whose first is waited for."""


def hub_command(store: str = "memory:", http: str = "off") -> list[str]:
    """A hub on a free port; its ready line ends in its address."""
    return [sys.executable, "-m", "farhand", "hub", "--grpc", "127.0.0.1:0", "--store", store, "--http", http]


def postgres_store(url: str, schema: str) -> str:
    """The store in a schema of a PostgreSQL database."""
    return f"{url}{'&' if '?' in url else '?'}schema={schema}"


def hub_address(ready_line: str) -> str:
    """``HOST:PORT`` as the hub's ready line says it."""
    return ready_line.split()[-1]


def http_address(ready_line: str) -> str:
    """``HOST:PORT`` of the HTTP door as the hub's ready line says it."""
    return ready_line.split()[-3].removeprefix("http://")


def worker_command(hub: str, slots: int = SLOTS, app: str = "bench.handlers:app") -> list[str]:
    """A worker of `app`."""
    return [
        sys.executable,
        "-m",
        "farhand",
        "worker",
        app,
        "--hub",
        hub,
        "--slots",
        str(slots),
    ]


def sql_worker_command(hub: str, database: str) -> list[str]:
    """A worker beside a database, given as NAME=URL."""
    return [sys.executable, "-m", "farhand", "sql-worker", "--hub", hub, "--database", database]


def snakepit_command() -> list[str]:
    """A worker that a Snakepit pool calls, on a free port."""
    return [sys.executable, "-m", "farhand", "snakepit-worker", "--port", "0", "--adapter", "bench.handlers:app"]


def snakepit_address(ready_line: str) -> str:
    """``HOST:PORT`` as its ready line says it."""
    return f"127.0.0.1:{ready_line.rpartition('=')[2]}"


def execute(channel: grpc.aio.Channel) -> Callable[[], Awaitable[None]]:
    """One Execute of `echo`, as a pool sends it."""
    from farhand.wire.snakepit._pb import snakepit_pb2

    pb: Any = snakepit_pb2
    kinds = pb.ExecuteRequest.SerializeToString, pb.ExecuteResponse.FromString
    call: Any = channel.unary_unary("/snakepit.SnakepitBridge/Execute", *kinds)
    request = pb.ExecuteRequest(command="echo", args={"text": timing.PAYLOAD.encode()}, request_id="1")
    wanted = timing.PAYLOAD.encode()

    async def once() -> None:
        answer = await call(request, timeout=30)
        timing.expect(answer.result["result"], wanted)

    return once


class Caller:
    """The Python client's calls."""

    def __init__(self, client: AsyncClient) -> None:
        self._client = client

    async def run(self) -> None:
        """One call of `echo`."""
        timing.expect(await self._client.run("echo", {"text": timing.PAYLOAD}), timing.PAYLOAD)

    async def latency(self, seconds: float) -> float:
        """The median time of a run."""
        return await timing.latency(self.run, seconds)

    async def rate(self, in_flight: int, seconds: float) -> float:
        """Runs a second."""
        return await timing.rate(self.run, in_flight, seconds)

    async def first_chunk(self, seconds: float) -> float:
        """The median time until a stream's first chunk is there, in milliseconds."""
        took: list[float] = []
        end = perf_counter() + seconds
        while not took or perf_counter() < end:
            began = perf_counter()
            got = 0
            async for _ in self._client.stream("chunks", {"count": FIRST_OF, "size": len(timing.PAYLOAD)}):
                if not got:
                    took.append(perf_counter() - began)
                got += 1
            timing.expect(got, FIRST_OF)
        return median(took) * 1000

    async def submit(self) -> None:
        """One durable `echo`, from its submit to its result."""
        job = await self._client.submit("echo", {"text": timing.PAYLOAD})
        timing.expect(await job.result(), timing.PAYLOAD)

    async def durable(self, in_flight: int, seconds: float) -> float:
        """Durable jobs a second."""
        return await timing.rate(self.submit, in_flight, seconds)

    async def cached(self, seconds: float) -> float:
        """The median time in which a job that was done before is answered."""

        async def call() -> None:
            job = await self._client.submit("echo", {"text": timing.PAYLOAD}, cache=True)
            timing.expect(await job.result(), timing.PAYLOAD)

        await call()
        return await timing.latency(call, seconds)

    async def fill(self, count: int, in_flight: int, seconds: float) -> float:
        """Submit so many jobs that nobody takes; how many a second were kept."""
        left = count

        async def caller() -> None:
            nonlocal left
            while left > 0:
                left -= 1
                await self._client.submit("echo", {"text": timing.PAYLOAD}, group="nobody")

        began = perf_counter()
        await asyncio.gather(*[caller() for _ in range(in_flight)])
        return count / (perf_counter() - began)

    async def chunks(self, seconds: float) -> float:
        """Chunks a second of one stream."""

        async def read(count: int) -> int:
            got = 0
            async for chunk in self._client.stream("chunks", {"count": count, "size": timing.CHUNK}):
                timing.expect(len(chunk), timing.CHUNK)
                got += 1
            return got

        return await timing.throughput(read, seconds)


def bare_run(channel: grpc.aio.Channel) -> Callable[[], Awaitable[None]]:
    """One unary `Run` of `echo`, as a client of any language would send it."""
    from farhand.wire.farhand._pb import client_pb2, common_pb2

    pb: Any = client_pb2
    common: Any = common_pb2
    run: Any = channel.unary_unary(RUN, pb.RunRequest.SerializeToString, pb.RunResponse.FromString)
    args = common.Payload(data=b'{"text":"%s"}' % timing.PAYLOAD.encode(), media=common.MEDIA_TYPE_JSON)
    request = pb.RunRequest(handler="echo", args=args)
    wanted = b'"%s"' % timing.PAYLOAD.encode()

    async def call() -> None:
        answer = await run(request, timeout=30)
        timing.expect(answer.result.data, wanted)

    return call


class IdleWire:
    """What a worker says that has nothing to do, as bytes."""

    def __init__(self) -> None:
        from farhand.wire.farhand._pb import worker_pb2
        from farhand.wire.farhand.options import DIAL_OPTIONS

        self._pb: Any = worker_pb2
        self.options: list[tuple[str, Any]] = DIAL_OPTIONS
        beat = self._pb.WorkerFrame()
        beat.heartbeat.running = 0
        self.beat: bytes = beat.SerializeToString()

    def hello(self, name: str) -> bytes:
        """The first frame, of a worker that serves this module's handlers."""
        from bench.handlers import app

        hello = self._pb.Hello(
            protocol=1, worker_id=name, group="idle", slots=SLOTS, version="0", host="localhost", pid=1
        )
        for handler in app.handlers.values():
            spec = handler.spec
            hello.handlers.add(
                name=spec.name,
                doc=spec.doc,
                parameters=spec.parameters,
                result=spec.result,
                streams=spec.streams,
                isolate=spec.isolate,
            )
        data: bytes = self._pb.WorkerFrame(hello=hello).SerializeToString()
        return data

    def heartbeat_seconds(self, welcome: bytes) -> float:
        """How often the hub wants to hear, from its first frame.

        Raises:
            RuntimeError: it isn't a welcome.
        """
        frame = self._pb.HubFrame.FromString(welcome)
        if not frame.HasField("welcome"):
            raise RuntimeError(f"the hub answered {frame.goodbye.message or 'something else'!r} instead of a welcome")
        return float(frame.welcome.heartbeat)
