"""Waiting inside a handler in a thread, without keeping a cancelled one."""

from __future__ import annotations

import time

from farhand.worker.context import Context, Stop

STEP = 0.05
"""Seconds after which a waiting handler looks whether it was cancelled."""


def check(ctx: Context) -> None:
    """
    Raises:
        BaseException: the job was cancelled; let it pass.
    """
    if ctx.cancelled:
        raise Stop


def pause(ctx: Context, seconds: float) -> None:
    """Wait.

    Raises:
        BaseException: the job was cancelled; let it pass.
    """
    until = time.monotonic() + seconds
    check(ctx)
    while (left := until - time.monotonic()) > 0:
        time.sleep(min(STEP, left))
        check(ctx)
