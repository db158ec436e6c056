"""A worker's data port: whoever may fetch what is held here takes it directly, not by way of the hub."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from typing import Any

import grpc

from farhand.carriage.keeper import Keeper
from farhand.carriage.sending import send
from farhand.core.refs import check_held
from farhand.errors import FarhandError, InvalidArguments, PermissionDenied, Unavailable
from farhand.model.addresses import check_address
from farhand.model.limits import MESSAGE_LIMIT
from farhand.wire.farhand import incoming
from farhand.wire.farhand._pb import data_pb2
from farhand.wire.farhand.options import SERVE_OPTIONS

SERVICE = "farhand.v1.DataService"
FIRST_TIMEOUT = 10.0
PULLS_LIMIT = 64
"""Fetches at once; more are refused, and go by way of the hub."""


class _Unwanted(Exception):
    """The reader needs no more, or has left."""


class DataPort:
    """Serves `DataService.Pull` for what `keeper` holds. Its verbs belong to one event loop."""

    def __init__(self, keeper: Keeper, now: Callable[[], float] = time.time) -> None:
        """`now` is in seconds since 1970."""
        self._keeper = keeper
        self._now = now
        self._server: grpc.aio.Server | None = None

    async def start(self, address: str) -> str:
        """Listen on ``HOST:PORT`` (port 0: a free one); the address it has.

        Raises:
            Unavailable: the address is taken.
        """
        host, _, _ = address.rpartition(":")
        server = grpc.aio.server(options=SERVE_OPTIONS, maximum_concurrent_rpcs=PULLS_LIMIT)
        methods: dict[str, Any] = {"Pull": grpc.stream_stream_rpc_method_handler(self._pull)}
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, methods),))
        try:
            port = server.add_insecure_port(address)
        except RuntimeError as error:
            raise Unavailable(
                f"can't listen on {address}: another program has the port, or it isn't allowed", retryable=False
            ) from error
        await server.start()
        self._server = server
        return f"{host}:{port}"

    async def stop(self) -> None:
        """Close it."""
        if self._server is not None:
            await self._server.stop(0.5)

    async def _pull(self, requests: Any, context: Any) -> None:
        try:
            async with asyncio.timeout(FIRST_TIMEOUT):
                first = await context.read()
            if first is grpc.aio.EOF:
                return
            asked = incoming.parse(data_pb2.PullRequest, first)
            if not self._keeper.key:
                raise PermissionDenied("this worker has no hub yet, and holds nothing")
            check_held(self._keeper.key, self._keeper.holder, asked.id, asked.token, self._now())
            held = self._keeper.get(asked.id)
            said = asyncio.ensure_future(said_taken(context))

            async def write(part: bytes) -> None:
                if said.done():
                    raise _Unwanted
                await context.write(part)

            with contextlib.suppress(_Unwanted):
                await send(held, asked.offset, write)
            if await said:
                self._keeper.drop(asked.id)
        except TimeoutError:
            await context.abort(grpc.StatusCode.DEADLINE_EXCEEDED, "a pull begins with what is wanted")
        except FarhandError as error:
            await context.abort(getattr(grpc.StatusCode, error.grpc_status), error.message)


async def said_taken(context: Any) -> bool:
    """Whether the reader of a pull says that it needs the ref no more; not if it leaves without a word."""
    try:
        second = await context.read()
        if second is grpc.aio.EOF or len(second) > MESSAGE_LIMIT:
            return False
        return incoming.parse(data_pb2.PullRequest, second).taken
    except (FarhandError, grpc.aio.BaseError, asyncio.CancelledError):
        return False


def check_port(address: str) -> str:
    """An address that a worker may advertise for its data port; port 0 is for a free one.

    Raises:
        InvalidArguments: it isn't one.
    """
    host, _, port = address.rpartition(":")
    with contextlib.suppress(InvalidArguments):
        check_address(f"{host}:1" if port == "0" else address)
        return address
    raise InvalidArguments(
        f"{address!r} can't be a data port: name the host as clients reach it, as in 10.0.0.7:50060 or gpu1:50060; "
        "port 0 takes a free one"
    )
