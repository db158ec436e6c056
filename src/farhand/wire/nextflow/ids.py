"""Random UUIDs (version 4), made many at a time: asking the system for random bytes lets go of the GIL, which gRPC's
threads then take."""

from __future__ import annotations

import os
import secrets
import uuid
from typing import Final

BATCH: Final = 128

_ready: list[str] = []


def new_id() -> str:
    """A new UUID4, as text. From any thread."""
    while True:
        try:
            return _ready.pop()
        except IndexError:
            data = secrets.token_bytes(16 * BATCH)
            _ready.extend(str(uuid.UUID(bytes=data[at : at + 16], version=4)) for at in range(0, len(data), 16))


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_ready.clear)
