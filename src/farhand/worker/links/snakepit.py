"""The link by which a Snakepit pool reaches a worker: its first generation's SnakepitBridge, served by gRPC on
loopback.

Calls become jobs of the executor (`worker/links/served.py`), and what those say becomes answers. Errors go in-band;
only what is no request at all is refused by a status."""

from __future__ import annotations

import contextlib
import os
import platform
import socket
import time
import types
import typing
from collections.abc import AsyncGenerator, Callable
from importlib.metadata import version
from typing import Any

import grpc
import msgspec
import structlog

from farhand.errors import FarhandError, InvalidArguments, Unavailable
from farhand.model.payload import Media, Payload
from farhand.ports.runner import Processes, Threads
from farhand.wire.farhand.options import SERVE_OPTIONS
from farhand.wire.snakepit import messages
from farhand.wire.snakepit.messages import EXECUTE_TIMEOUT, SERVICE, STREAM_TIMEOUT, Order
from farhand.wire.snakepit.values import read_args, write_map
from farhand.wire.values import DEFAULT, Codecs
from farhand.worker.app import App
from farhand.worker.links.served import WINDOW, Running, Served, ServedOptions
from farhand.worker.usage import Processor, memory

HOST = "127.0.0.1"
BASE_PORT, PORT_RANGE = 50051, 100
FINAL = "is_final"
"""A key of a chunk by which a handler says itself whether it is the last: it is taken out, and nothing is held back."""

_ARGUMENTS = Codecs(limit=messages.MESSAGE_LIMIT)
Context = grpc.aio.ServicerContext[Any, Any]
_OPTIONS = [
    *(one for one in SERVE_OPTIONS if not one[0].endswith("_message_length")),
    ("grpc.max_receive_message_length", messages.MESSAGE_LIMIT),
    ("grpc.max_send_message_length", messages.MESSAGE_LIMIT),
]


class Commands(msgspec.Struct, frozen=True, kw_only=True):
    """What a worker serves: each handler of `app` is a command.

    `unary` and `stream` name those of its handlers that take any other command, as `command` and `args`; empty for
    none. `known` are the commands that these two know; empty: they are asked whatever it is."""

    app: App
    unary: str = ""
    stream: str = ""
    known: tuple[str, ...] = ()

    @property
    def names(self) -> list[str]:
        """All commands."""
        own = (name for name in self.app.handlers if name not in (self.unary, self.stream))
        return sorted({*own, *self.known})

    def resolve(self, command: str, streaming: bool) -> tuple[str, bool] | None:
        """The handler of a command, and whether that is one which takes any; None where there is none. One that streams
        has no single answer, so it is no command of Execute."""
        handler = self.app.handlers.get(command)
        if handler is not None and command not in (self.unary, self.stream):
            return None if handler.streams and not streaming else (command, False)
        if self.known and command not in self.known:
            return None
        name = (self.stream if streaming else "") or self.unary
        return (name, True) if name else None


class Bridge:
    """A worker that a pool calls. `port` is where it listens, once it has started."""

    def __init__(self, commands: Commands, threads: Threads, processes: Processes, options: ServedOptions) -> None:
        self.port = 0
        self._commands = commands
        self._served = Served(commands.app, threads, processes, options)
        self._slots = options.slots
        self._version = version("farhand")
        self._began = time.monotonic()
        self._handled = self._failed = 0
        self._processor = Processor()
        self._hints: dict[str, dict[str, Any]] = {}
        self._server: grpc.aio.Server | None = None
        self._log = structlog.get_logger("farhand.snakepit")

    # -- its life ----------------------------------------------------------------------------------------------------

    async def start(self, port: int = BASE_PORT, port_range: int = PORT_RANGE) -> int:
        """Run the app's lifespan, whose errors pass through, and listen on the first port that is free of `port` and
        the `port_range` ports after it (port 0: any); which that is.

        Raises:
            Unavailable: none is free.
        """
        await self._served.start()
        try:
            self._server = server = grpc.aio.server(options=_OPTIONS)
            server.add_generic_rpc_handlers((self._methods(),))
            self.port = _bind(server, port, port_range if port else 0)
            await server.start()
        except BaseException:
            await self._served.close()
            raise
        return self.port

    async def drain(self, grace: float) -> None:
        """Refuse new calls, and let those that run go on for up to `grace` seconds; then they are cancelled."""
        self._served.drain()
        if self._server is not None:
            await self._server.stop(grace)

    async def stop(self) -> None:
        """End what runs."""
        self._served.drain()
        if self._server is not None:
            await self._server.stop(0)
        await self._served.close()

    # -- the service -------------------------------------------------------------------------------------------------

    def _methods(self) -> grpc.GenericRpcHandler:
        unary, stream = grpc.unary_unary_rpc_method_handler, grpc.unary_stream_rpc_method_handler
        execute, in_session = messages.read_execute, messages.read_in_session
        return grpc.method_handlers_generic_handler(
            SERVICE,
            {
                "Execute": unary(_readable(lambda data: self._execute(execute(data, EXECUTE_TIMEOUT)))),
                "ExecuteInSession": unary(_readable(lambda data: self._execute(in_session(data, EXECUTE_TIMEOUT)))),
                "ExecuteStream": stream(self._streaming(execute)),
                "ExecuteInSessionStream": stream(self._streaming(in_session)),
                "Health": unary(_readable(self._health)),
                "GetInfo": unary(_readable(self._info)),
            },
        )

    async def _execute(self, order: Order) -> bytes:
        self._handled += 1
        try:
            found = self._commands.resolve(order.command, streaming=False)
            if found is None:
                self._failed += 1
                return messages.unknown(order.request_id, order.command, self._commands.names)
            running = self._begin(order, *found)
            try:
                return messages.result(order.request_id, write_map(_read(await running.result())))
            finally:
                running.leave()
        except Exception as error:
            return messages.failure(order.request_id, self._said(error))

    def _streaming(self, read: Callable[[bytes, float], Order]) -> Callable[[bytes, Context], Any]:
        async def call(data: bytes, context: Context) -> None:
            # Written here, and not yielded: a cancel then ends this coroutine, wherever it stands.
            async with contextlib.aclosing(self._messages(await _read_or_abort(read, data, context))) as said:
                async for message in said:
                    await context.write(message)

        return call

    async def _messages(self, order: Order) -> AsyncGenerator[bytes, None]:
        """A stream's messages. The last chunk is marked, so each is held back until there is another, unless the
        handler itself says whether it is the last."""
        self._handled += 1
        request, index = order.request_id, 0
        held: dict[str, bytes] | None = None
        is_open = False
        try:
            found = self._commands.resolve(order.command, streaming=True)
            if found is None:
                raise InvalidArguments(f"Unknown streaming command: {messages.shown(order.command)}")
            running = self._begin(order, *found, window=WINDOW)
            try:
                async for values, final in _values(running):
                    if held is not None:
                        ready, held = held, None
                        yield messages.chunk(request, ready, index, False)
                        index += 1
                    if final is None:
                        held = values
                        continue
                    yield messages.chunk(request, values, index, final)
                    index += 1
                    is_open = not final
                    if final:
                        return
            finally:
                running.leave()
            if held is not None or is_open:
                ready, held = held or {}, None
                yield messages.chunk(request, ready, index, True)
        except Exception as error:
            if held is not None:
                yield messages.chunk(request, held, index, False)
                index += 1
            yield messages.broken_off(request, self._said(error), index)

    def _begin(self, order: Order, handler: str, takes_any: bool, window: int = 0) -> Running:
        messages.check(order)
        args: dict[str, Any]
        if takes_any:
            args = {"command": order.command, "args": read_args(order.args, {})}
        else:
            hints = self._hints.get(handler) or self._hints.setdefault(handler, _hints_of(self._commands.app, handler))
            args = read_args(order.args, hints)
        payload = _ARGUMENTS.payload(args, what="the arguments")
        return self._served.begin(handler, payload, order.timeout, order.session or "", window)

    def _said(self, error: Exception) -> str:
        """What the caller is told of a failure, which counts."""
        self._failed += 1
        if not isinstance(error, FarhandError):
            self._log.exception("a command failed in farhand itself", error=error)
            return f"internal error: {type(error).__name__}; the worker's log has more"
        return error.message or str(error.details.get("type", error.code))

    async def _health(self, data: bytes) -> bytes:
        asked = messages.read(messages.pb.HealthRequest, data).worker_id
        return messages.health(
            asked or self._served.worker_id, not self._served.draining, self._version, self._statistics()
        )

    async def _info(self, data: bytes) -> bytes:
        asked = messages.read(messages.pb.InfoRequest, data)
        about = {
            "worker_type": "farhand",
            "version": self._version,
            "python_version": platform.python_version(),
            "platform": platform.platform(),
            "pid": str(os.getpid()),
        }
        capabilities = {
            "streaming": "true",
            "sessions": "true",
            "timeouts": "true",
            "cancel": "true",
            "max_message_bytes": str(messages.MESSAGE_LIMIT),
            "max_concurrent_requests": str(self._slots),
        }
        return messages.info(
            about,
            self._commands.names,
            capabilities if asked.include_capabilities else {},
            self._statistics() if asked.include_stats else None,
        )

    def _statistics(self) -> messages.Statistics:
        return messages.Statistics(
            self._handled,
            self._failed,
            time.monotonic() - self._began,
            memory(),
            self._processor.percent(),
            self._served.sessions,
        )


async def _values(running: Running) -> AsyncGenerator[tuple[dict[str, bytes], bool | None], None]:
    """Each chunk as it goes out, and whether it is the last where the handler says so; what the handler answers beside
    is one more."""
    while (chunk := await running.next()) is not None:
        yield _marked(_read(chunk))
    answer = await running.result()
    if answer.media != Media.NONE:
        yield _marked(_read(answer))


def _marked(value: Any) -> tuple[dict[str, bytes], bool | None]:
    final = value.pop(FINAL) if isinstance(value, dict) and isinstance(value.get(FINAL), bool) else None
    return write_map(value), final


def _read(payload: Payload) -> Any:
    return DEFAULT.read(payload)


def _hints_of(app: App, handler: str) -> dict[str, Any]:
    """The handler's parameters that are texts or bytes; others are read by what their values say."""
    found: dict[str, Any] = {}
    for name, hint in app.handlers[handler].signature.hints.items():
        if typing.get_origin(hint) in (typing.Union, types.UnionType):
            kinds = [one for one in typing.get_args(hint) if one is not type(None)]
            hint = kinds[0] if len(kinds) == 1 else None
        if hint in (str, bytes):
            found[name] = hint
    return found


def _readable(method: Callable[[bytes], Any]) -> Callable[[bytes, Context], Any]:
    """A unary method of raw bytes; those that are no request are refused."""

    async def call(data: bytes, context: Context) -> bytes:
        try:
            answer = method(data)
            found: bytes = await answer
        except InvalidArguments as error:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, error.message)
        return found

    return call


async def _read_or_abort(read: Callable[[bytes, float], Order], data: bytes, context: Context) -> Order:
    try:
        return read(data, STREAM_TIMEOUT)
    except InvalidArguments as error:
        await context.abort(grpc.StatusCode.INVALID_ARGUMENT, error.message)
    raise AssertionError("abort always raises")


def _bind(server: grpc.aio.Server, port: int, port_range: int) -> int:
    for one in range(port, min(port + port_range, 65535) + 1):
        if not _is_free(one):
            continue
        with contextlib.suppress(RuntimeError):  # somebody took it in this moment
            return server.add_insecure_port(f"{HOST}:{one}")
    ports = f"no port from {port} to {port + port_range} is free" if port_range else f"port {port} is taken"
    raise Unavailable(f"can't listen: {ports}; --port and --port-range take others", retryable=False)


def _is_free(port: int) -> bool:
    """Whether nobody listens there; gRPC writes a complaint to stderr where it finds that out itself."""
    with socket.socket() as tried:
        tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            tried.bind((HOST, port))
        except OSError:
            return False
    return True
