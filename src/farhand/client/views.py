"""What a hub shows of itself, as the clients give it."""

from __future__ import annotations

import msgspec


class GroupInfo(msgspec.Struct, frozen=True):
    """A group as listed. `waiting_for` is how long its oldest waiting job has waited, in seconds."""

    name: str
    workers: int
    running: int
    waiting: int
    waiting_for: float


class HubInfo(msgspec.Struct, frozen=True):
    """A hub as it describes itself; `up_for` in seconds."""

    id: str
    version: str
    protocol: int
    up_for: float
    draining: bool
    workers: int
    running: int
    waiting: int
    groups: tuple[GroupInfo, ...]
