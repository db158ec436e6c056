"""taskiq's broker and task, for both of its ends. Redis lists were as fast as Redis streams; results go once read."""

from __future__ import annotations

from importlib import import_module
from typing import Any


async def echo(text: str) -> str:
    """Answer with what came."""
    return text


def make(url: str, prefix: str) -> tuple[Any, Any]:
    """The broker, and the task on it."""
    redis: Any = import_module("taskiq_redis")
    results = redis.RedisAsyncResultBackend(url, keep_results=False, result_ex_time=60, prefix_str=f"{prefix}:result")
    broker = redis.ListQueueBroker(url, queue_name=f"{prefix}:queue").with_result_backend(results)
    return broker, broker.task(task_name="echo")(echo)
