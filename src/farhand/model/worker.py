"""A worker as it introduces itself, and as the hub shows it."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

import msgspec

from farhand.model.handler import HandlerSpec


class WorkerInfo(msgspec.Struct, frozen=True, kw_only=True):
    """What a worker says of itself when it connects."""

    id: str
    group: str = "default"
    slots: int = 1
    labels: Mapping[str, str] = msgspec.field(default_factory=dict)
    handlers: tuple[HandlerSpec, ...] = ()
    version: str = ""
    host: str = ""
    pid: int = 0
    data: str = ""
    """``HOST:PORT`` of its data port; empty: it has none."""


class Hold(msgspec.Struct, frozen=True, kw_only=True):
    """A leased job that a worker has gone on with while it had no hub. `job` is what hub and worker call the attempt,
    `left` the seconds to its deadline (None for none), `window` its bytes of chunks without credit, `chunks` how many
    it has sent."""

    job: str
    left: float | None = None
    window: int = 0
    chunks: int = 0


class WorkerState(StrEnum):
    """READY gets work; STALLED is connected but silent; DRAINING finishes what it has and takes nothing new."""

    READY = "ready"
    STALLED = "stalled"
    DRAINING = "draining"


class WorkerView(msgspec.Struct, frozen=True, kw_only=True):
    """A connected worker as listed to callers. `silent_for` and `connected_for` are in seconds."""

    info: WorkerInfo
    state: WorkerState
    running: int
    sessions: int
    connected_for: float
    silent_for: float
