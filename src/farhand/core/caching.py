"""The key under which equal work is found again, and who answers for it."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

import msgspec

from farhand.model.durable import DurableJob
from farhand.model.state import State

_ENCODER = msgspec.json.Encoder(order="deterministic")


def cache_key(handler: str, group: str, args: Any, version: str = "") -> str:
    """SHA-256, as hex, over handler, group, version, and the arguments as canonical JSON (keys sorted, no spaces; a
    whole float is the integer it equals, so that 1 and 1.0 are one).

    Raises:
        TypeError: the arguments have no form in JSON.
        RecursionError: they hold themselves.
    """
    text = _ENCODER.encode([handler, group, version, _canonical(msgspec.to_builtins(args))])
    return sha256(text).hexdigest()


def answers(job: DurableJob, to: State) -> bool:
    """Whether a job that has come to this end by its own attempts answers for equal work."""
    return to is State.SUCCEEDED or (to is State.FAILED and job.cache_failures)


def _canonical(value: Any) -> Any:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, dict):
        return {key: _canonical(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_canonical(one) for one in value]
    return value
