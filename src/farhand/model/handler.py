"""What a worker says about a function it serves."""

from __future__ import annotations

from typing import Literal

import msgspec

Isolate = Literal["thread", "process", "none"]


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
