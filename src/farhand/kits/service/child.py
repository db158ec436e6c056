"""A service's handlers in the process of an isolated one: `app` is made when it is asked for."""

from __future__ import annotations

import os
from typing import Any

import msgspec


def __getattr__(name: str) -> Any:
    if name != "app":
        raise AttributeError(name)
    from pathlib import Path

    from farhand.engines.files.spool import FileSpool, SpoolLimits
    from farhand.kits.service.loading import VARIABLE, Parts, Service

    parts = msgspec.json.decode(os.environ[VARIABLE], type=Parts)
    spool = FileSpool(Path(parts.folder), SpoolLimits(memory=0, disk=parts.disk))
    return Service(parts, spool).wrapped
