"""The event loop of a process of ours: uvloop's where there is one, which costs about a fifth less than asyncio's."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable, Coroutine
from typing import Any

COLLECT_AFTER = (20_000, 20, 50)
"""Allocations before a collection, and collections of one generation before one of the next. Python's own 700 would
look through all of a busy hub's calls many times a second, none of which are cycles."""


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
    with asyncio.Runner(loop_factory=new_loop) as runner:
        return runner.run(work)
