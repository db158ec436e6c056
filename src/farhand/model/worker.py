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
