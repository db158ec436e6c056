"""Watchers that don't read: waited for, but not for ever.

HTTP/2's flow control holds back who sends to a reader that doesn't take. One that has taken nothing for so long is told
from where to go on, which it sees once it reads again; until then, the stream costs the hub one message.
"""

from __future__ import annotations

import asyncio
from typing import Any

from farhand.errors import Overloaded
from farhand.fronts.grpc.guard import Context

PATIENCE = 60.0
"""Seconds that a watcher may take for one entry."""


async def write(context: Context, message: Any, job: str, offset: int) -> None:
    """Send the entry of a job's log that is at `offset`; wait until the reader has taken most of what came before.

    Raises:
        Overloaded: it has not for 60 s. `details["offset"]` is where it is to go on.
    """
    writing = asyncio.ensure_future(context.write(message))
    try:
        done, _ = await asyncio.wait({writing}, timeout=PATIENCE)
    except asyncio.CancelledError:
        writing.cancel()
        raise
    if not done:
        writing.add_done_callback(_forget)
        raise Overloaded(
            f"this watcher took nothing for {PATIENCE:g} s: read faster, and go on from offset {offset + 1}",
            retry_after=0.0,
            job=job,
            offset=offset + 1,  # this entry is on its way, and comes before the error
        )
    writing.result()


def _forget(writing: asyncio.Future[None]) -> None:
    """What becomes of it is nobody's concern any more."""
    if not writing.cancelled():
        writing.exception()
