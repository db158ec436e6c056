"""A NATS responder. Arguments: the server's URL."""

from __future__ import annotations

import asyncio
import sys
from importlib import import_module
from typing import Any

from bench.roles.obeying import until_told


async def echo(message: Any) -> None:
    """Answer with what came."""
    await message.respond(message.data)


async def main(url: str) -> None:
    """Respond until told to stop."""
    nats: Any = import_module("nats")
    connection = await nats.connect(url)
    await connection.subscribe("echo", cb=echo)
    await connection.flush()
    await until_told()
    await connection.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
