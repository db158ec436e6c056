"""What a worker says about a function it serves."""

from __future__ import annotations

from typing import Literal

import msgspec

from farhand.model.durable import Keep

Isolate = Literal["thread", "process", "none"]


class JobDefaults(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What holds for durable jobs of a handler where whoever submits one doesn't say.

    `attempts`, `backoff` and `never` as in `model.durable.Retries`. `cache_ttl` is how many seconds a success answers
    for the same work, None for not at all. `version` names what the handler does: a success of another version doesn't
    answer. `schedule` is a cron expression by which it runs, by the clocks of `timezone`, with `missed` as in
    `core.scheduling.decide`; empty for none. `keep` is how long they are kept.
    """

    attempts: int = 1
    backoff: float = 1.0
    never: tuple[str, ...] = ()
    cache_ttl: float | None = None
    version: str = ""
    schedule: str = ""
    timezone: str = "UTC"
    missed: Literal["skip", "once"] = "skip"
    keep: Keep = Keep()


class HandlerSpec(msgspec.Struct, frozen=True, kw_only=True):
    """A handler as the hub and clients see it.

    `parameters` and `result` are JSON Schemas (draft 2020-12) as JSON text; `result` describes one chunk when
    `streams`. `timeout` is in seconds, None for the caller's.
    """

    name: str
    doc: str = ""
    parameters: bytes = b"{}"
    result: bytes = b"{}"
    streams: bool = False
    isolate: Isolate = "none"
    timeout: float | None = None
    durable: JobDefaults = JobDefaults()


class HandlerView(msgspec.Struct, frozen=True):
    """A handler as listed: the group that serves it, how many workers do, and how many of their slots are free."""

    group: str
    handler: HandlerSpec
    workers: int
    slots_free: int
