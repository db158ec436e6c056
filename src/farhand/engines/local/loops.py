"""The event loop of a process of ours: uvloop's where there is one, which costs about a fifth less than asyncio's."""

from __future__ import annotations

import asyncio
import ctypes
import gc
import sys
from collections.abc import Callable, Coroutine
from typing import Any

COLLECT_AFTER = (20_000, 20, 50)
"""Allocations before a collection, and collections of one generation before one of the next. Python's own 700 would
look through all of a busy hub's calls many times a second, none of which are cycles."""


KEPT_FREE = 32 * 1024 * 1024
"""Bytes of free memory that a process keeps for what comes next. glibc's own measure makes each part of a large payload
take its memory anew from the system, which costs a hub a tenth of what it could pass on."""
SMALL = 4 * 1024 * 1024
"""Bytes up to which memory is taken from what is kept."""
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # of glibc's malloc.h


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    try:
        import uvloop
    except ImportError:  # Windows
        return asyncio.new_event_loop
    return uvloop.new_event_loop


new_loop = _loop_factory()


def run_process(work: Coroutine[Any, Any, int]) -> int:
    """Run `work` as a process's main thing; its exit status."""
    gc.set_threshold(*COLLECT_AFTER)
    _keep_memory()
    with asyncio.Runner(loop_factory=new_loop) as runner:
        return runner.run(work)


def _keep_memory() -> None:
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:  # musl has none
        mallopt(_TRIM_THRESHOLD, KEPT_FREE)
        mallopt(_MMAP_THRESHOLD, SMALL)
