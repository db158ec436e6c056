"""A local Ray of two CPUs with one async actor, and its driver. Arguments: a folder for Ray's files."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from importlib import import_module
from time import perf_counter
from typing import Any

from bench import timing
from bench.roles.obeying import obey

STORE = 128 * 1024 * 1024
TOGETHER = 64
"""Answers fetched at once: `ray.get` of a list is the fastest of Ray's ways (one by one, and awaiting, are slower)."""


class Echo:
    """The actor."""

    async def echo(self, text: str) -> str:
        """Answer with what came."""
        return text


def keep_in_flight(ray: Any, send: Callable[[], Any], in_flight: int, seconds: float) -> float:
    """Calls a second with as many in flight."""
    began = perf_counter()
    waiting = [send() for _ in range(in_flight)]
    done = 0
    while perf_counter() - began < seconds:
        done += take(ray, waiting[:TOGETHER])
        waiting = waiting[TOGETHER:] + [send() for _ in waiting[:TOGETHER]]
    done += take(ray, waiting)
    return done / (perf_counter() - began)


def take(ray: Any, answers: list[Any]) -> int:
    """Wait for these answers."""
    for text in ray.get(answers):
        timing.expect(text, timing.PAYLOAD)
    return len(answers)


async def main(folder: str) -> None:
    """Measure what is asked."""
    ray: Any = import_module("ray")
    ray.init(
        address="local",
        num_cpus=2,
        include_dashboard=False,
        object_store_memory=STORE,
        log_to_driver=False,
        logging_level="error",
        _temp_dir=folder,
    )
    actor = ray.remote(Echo).options(max_concurrency=256, enable_task_events=False).remote()
    echo = actor.echo.remote

    async def rate(in_flight: int, seconds: float) -> float:
        return keep_in_flight(ray, lambda: echo(timing.PAYLOAD), in_flight, seconds)

    async def latency(seconds: float) -> float:
        return await timing.latency(get_one, seconds)

    async def get_one() -> None:
        timing.expect(ray.get(echo(timing.PAYLOAD)), timing.PAYLOAD)

    await get_one()
    await obey({"rate": rate, "latency": latency})
    ray.shutdown()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
