"""A session: calls pinned to one worker, with state there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec

from farhand.model.job import NO_LABELS
from farhand.model.payload import NOTHING, Payload

OnLoss = Literal["fail", "move"]


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """What was asked for. `ttl` is seconds without a call after which it closes by itself.

    `data` is the JSON object its state starts from, on its first worker and again on each it moves to.
    """

    id: str
    group: str = "default"
    ttl: float = 3600.0
    on_loss: OnLoss = "fail"
    labels: Mapping[str, str] = NO_LABELS
    data: Payload = NOTHING
