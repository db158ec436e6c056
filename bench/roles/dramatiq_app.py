"""dramatiq's broker and actor, for both of its ends."""

from __future__ import annotations

from importlib import import_module
from typing import Any


def echo(text: str) -> str:
    """Answer with what came."""
    return text


def make(url: str, prefix: str) -> tuple[Any, Any]:
    """The broker, and the actor on it."""
    dramatiq: Any = import_module("dramatiq")
    brokers: Any = import_module("dramatiq.brokers.redis")
    results: Any = import_module("dramatiq.results")
    backends: Any = import_module("dramatiq.results.backends")
    broker = brokers.RedisBroker(url=url, namespace=f"{prefix}:queue")
    backend = backends.RedisBackend(url=url, namespace=f"{prefix}:result", use_namespace_prefix_keys=True)
    broker.add_middleware(results.Results(backend=backend, result_ttl=60_000))
    dramatiq.set_broker(broker)
    return broker, dramatiq.actor(echo, actor_name="echo", store_results=True)
