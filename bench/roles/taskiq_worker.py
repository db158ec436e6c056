"""A taskiq worker. Arguments: Redis's URL and a prefix of keys."""

from __future__ import annotations

import asyncio
import sys
from importlib import import_module
from typing import Any

from bench.roles.obeying import until_told
from bench.roles.taskiq_app import make


async def main(url: str, prefix: str) -> None:
    """Work until told to stop."""
    api: Any = import_module("taskiq.api")
    broker, _ = make(url, prefix)
    await broker.startup()
    work = asyncio.ensure_future(api.run_receiver_task(broker, max_async_tasks=256, max_prefetch=256))
    await until_told()
    work.cancel()
    await asyncio.wait({work}, timeout=2)
    await broker.shutdown()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
