"""A bare grpc.aio server: raw bytes in, raw bytes out. Arguments: HOST:PORT."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from typing import Any

import grpc

from bench.roles.obeying import until_told
from bench.timing import CHUNK


async def unary(request: bytes, context: Any) -> bytes:
    """Echo."""
    return request


async def ping_pong(requests: Any, context: Any) -> None:
    """Echo each message of a stream."""
    while (message := await context.read()) is not grpc.aio.EOF:
        await context.write(message)


async def chunks(request: bytes, context: Any) -> AsyncIterator[bytes]:
    """As many messages as the request says, and of how many bytes if it says that too."""
    count, _, size = request.decode().partition(" ")
    chunk = b"x" * int(size or CHUNK)
    for _ in range(int(count)):
        yield chunk


async def main(address: str) -> None:
    """Serve until told to stop."""
    server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
    methods: dict[str, Any] = {
        "Unary": grpc.unary_unary_rpc_method_handler(unary),
        "PingPong": grpc.stream_stream_rpc_method_handler(ping_pong),
        "Chunks": grpc.unary_stream_rpc_method_handler(chunks),
    }
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("bench.Echo", methods),))
    server.add_insecure_port(address)
    await server.start()
    await until_told()
    await server.stop(None)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
