"""A bare litestar application that echoes JSON, on uvicorn set as the hub sets it. Arguments: HOST:PORT."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

from litestar import Litestar, post
from uvicorn import Config, Server

from bench.roles.obeying import until_told


@post("/echo", status_code=200)
async def echo(data: dict[str, Any]) -> dict[str, Any]:
    """Answer with what came."""
    return data


async def main(address: str) -> None:
    """Serve until told to stop."""
    host, _, port = address.rpartition(":")
    config = Config(
        Litestar([echo], openapi_config=None, logging_config=None),
        host=host,
        port=int(port),
        loop="none",
        http="httptools",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=75,
    )
    server = Server(config)
    serving = asyncio.ensure_future(server.serve())
    while not server.started:  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    await until_told()
    server.should_exit = True
    await serving


if __name__ == "__main__":
    import uvloop

    uvloop.run(main(sys.argv[1]))
