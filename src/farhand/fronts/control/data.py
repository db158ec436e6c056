"""The data door: a gRPC server that speaks a user's own proto, with no generated code between."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from typing import Any, cast

import grpc
import msgspec
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from farhand.errors import FarhandError, JobNotFound, TaskFailed, Unavailable
from farhand.fronts.control.results import TASK_ID, ServiceWays, fits
from farhand.fronts.control.tasks import Tasks
from farhand.model.durable import KeptJob
from farhand.model.event import to_error
from farhand.model.spooled import Spooled
from farhand.ports.spool import Spool
from farhand.wire.control import messages, orders
from farhand.wire.control.messages import MESSAGE_MOST, STREAMING_WAYS, Rpc
from farhand.wire.control.results import read_result
from farhand.wire.values import to_payload

NOTHING_YET = "No result available yet"
REQUEST_MOST = 64 * 1024 * 1024
"""Bytes of one request."""
IN_THE_JOB = 512 * 1024
"""Bytes of a request that go into the job itself; a larger one is spooled."""

Context = grpc.aio.ServicerContext[Any, Any]
OPTIONS: list[tuple[str, Any]] = [
    ("grpc.max_receive_message_length", REQUEST_MOST),
    ("grpc.max_send_message_length", -1),
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    ("grpc.http2.ping_timeout_ms", 5_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
    ("grpc.so_reuseport", 0),
]


class NoResult(FarhandError):
    """Nothing is there to be fetched."""

    code = "NO_RESULT"
    grpc_status = "NOT_FOUND"
    http_status = 404


class DataServer:
    """Serves the rpcs of a user's proto: those that a handler has the name of run it; those that ask nothing give the
    result of a task. `address` is set once it has started."""

    def __init__(self, rpcs: Sequence[Rpc], tasks: Tasks, ways: ServiceWays, spool: Spool, methods: Sequence[str]):
        """`methods` are the handlers' names."""
        self.address = ""
        self._rpcs = rpcs
        self._tasks = tasks
        self._ways = ways
        self._spool = spool
        self._methods = frozenset(methods)
        self._health = health.aio.HealthServicer()
        self._server = grpc.aio.server(options=OPTIONS)

    async def start(self, host: str, port: int) -> int:
        """Listen (port 0: a free one); the port it has.

        Raises:
            Unavailable: the address is taken.
        """
        services = sorted({rpc.service for rpc in self._rpcs})
        for service in services:
            handlers = {rpc.name: made for rpc in self._rpcs if rpc.service == service and (made := self._method(rpc))}
            self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, handlers),))
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        names = (*services, health.SERVICE_NAME, reflection.SERVICE_NAME)
        reflection.enable_server_reflection(names, self._server)
        try:
            bound = self._server.add_insecure_port(f"{host}:{port}")
        except RuntimeError as error:
            raise Unavailable(
                f"can't listen on {host}:{port} for gRPC: another program has the port, or it isn't allowed; "
                "GRPC_PORT or --grpc-port takes another"
            ) from error
        await self._server.start()
        for name in ("", *services):
            await self._health.set(name, health_pb2.HealthCheckResponse.SERVING)
        self.address = f"{host}:{bound}"
        return int(bound)

    async def drain(self) -> None:
        """Say that it is about to end."""
        await self._health.enter_graceful_shutdown()

    async def stop(self, grace: float) -> None:
        """Give what is under way so many seconds, and close."""
        await self._server.stop(grace)

    # -- the rpcs ----------------------------------------------------------------------------------------------------

    def _method(self, rpc: Rpc) -> Any:
        if rpc.takes_stream or not (rpc.name in self._methods or rpc.asks_nothing):
            return None
        find = self._run if rpc.name in self._methods else self._look_up

        async def unary(request: bytes, context: Context) -> bytes:
            async with _told(context):
                return await asyncio.to_thread(self._whole, await find(rpc, request, context), rpc)
            raise AssertionError  # an abort has raised

        async def stream(request: bytes, context: Context) -> AsyncGenerator[bytes, None]:
            async with _told(context):
                parts = self._parts(await find(rpc, request, context), rpc)
                while (part := await asyncio.to_thread(next, parts, None)) is not None:
                    yield part

        if rpc.streams:
            return grpc.unary_stream_rpc_method_handler(stream)
        return grpc.unary_unary_rpc_method_handler(cast("Callable[..., Any]", unary))

    async def _look_up(self, rpc: Rpc, request: bytes, context: Context) -> Spooled:
        """A result that is there: the named task's, or the newest."""
        id = dict(context.invocation_metadata() or ()).get(TASK_ID)
        if id is None:
            newest = self._ways.newest(rpc)
            if newest is None:
                raise NoResult(NOTHING_YET)
            return newest
        id = id if isinstance(id, str) else id.decode("utf-8", "replace")
        try:
            kept = await self._tasks.get(id)
        except JobNotFound:
            raise NoResult(f"there is no task {id[:80]!r}") from None
        if orders.status_of(kept) == "running":
            raise NoResult(NOTHING_YET)
        return await self._result(kept, rpc)

    async def _run(self, rpc: Rpc, request: bytes, context: Context) -> Spooled:
        """Run the handler of this name with the request."""
        messages.decode(request, rpc.takes)
        owner = f"request-{secrets.token_hex(8)}"
        try:
            args: dict[str, Any] = {"message": request}
            if len(request) > IN_THE_JOB:
                args = {"spooled": msgspec.to_builtins(await asyncio.to_thread(self._put, owner, request))}
            id = await self._tasks.begin(rpc.name, to_payload(args))
            await context.send_initial_metadata(((TASK_ID, id),))
            return await self._result(await self._tasks.end(id), rpc)
        finally:
            self._spool.release(owner)

    def _put(self, owner: str, data: bytes) -> Spooled:
        writer = self._spool.begin(owner)
        try:
            writer.write(data)
            return writer.finish("message")
        finally:
            writer.discard()

    async def _result(self, kept: KeptJob, rpc: Rpc) -> Spooled:
        fault = kept.last.fault if kept.last is not None else None
        if fault is not None:
            error = to_error(fault, "")
            error.message, error.details = orders.reason(fault), {}
            raise error
        spooled = read_result(await self._tasks.result(kept.job.id)).spooled
        if spooled is None or not fits(spooled, rpc):
            what = "no data" if spooled is None else spooled.type or spooled.content
            raise TaskFailed(f"task {kept.job.id} has {what}, and {rpc.name} gives {rpc.gives.DESCRIPTOR.full_name}")
        return spooled

    # -- what is sent ------------------------------------------------------------------------------------------------

    def _whole(self, spooled: Spooled, rpc: Rpc) -> bytes:
        """A result as one message."""
        name = rpc.gives.DESCRIPTOR.name
        if spooled.content == "messages":
            raise TaskFailed(f"the result is a stream of {name}, and {rpc.name} gives one: {STREAMING_WAYS}")
        messages.check_message_size(spooled.size, name, MESSAGE_MOST - 64)
        data = b"".join(self._spool.read(spooled))
        return data if spooled.content == "message" else messages.carried(data, rpc.gives)

    def _parts(self, spooled: Spooled, rpc: Rpc) -> Iterator[bytes]:
        """A result as many messages: its own, or bytes in the field that carries them."""
        if spooled.type and spooled.type == rpc.gives.DESCRIPTOR.full_name:
            if spooled.content == "message":
                return iter([self._whole(spooled, rpc)])
            return messages.undelimited(self._spool.read(spooled))
        return (messages.carried(piece, rpc.gives) for piece in self._spool.read(spooled))


@contextlib.asynccontextmanager
async def _told(context: Context) -> AsyncGenerator[None, None]:
    """Errors of ours as statuses."""
    try:
        yield
    except FarhandError as error:
        await context.abort(getattr(grpc.StatusCode, error.grpc_status), str(error))
