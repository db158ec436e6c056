"""A dramatiq worker. Arguments: Redis's URL and a prefix of keys."""

from __future__ import annotations

import asyncio
import sys
from importlib import import_module
from typing import Any

from bench.roles.dramatiq_app import make
from bench.roles.obeying import until_told

THREADS = 16
"""The fastest of 1, 4, 8, 16, 32 and 64."""


def main(url: str, prefix: str) -> None:
    """Work until told to stop."""
    dramatiq: Any = import_module("dramatiq")
    broker, _ = make(url, prefix)
    worker = dramatiq.Worker(broker, worker_threads=THREADS)
    worker.start()
    asyncio.run(until_told())
    worker.stop(timeout=2000)


if __name__ == "__main__":
    main(*sys.argv[1:])
