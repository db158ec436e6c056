"""What to say to who names a job or a handler that isn't there."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from difflib import get_close_matches

from farhand.client.aio import AsyncClient
from farhand.errors import FarhandError, JobNotFound

NEWEST = 1_000
"""Jobs among which a near one is looked for."""
_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@asynccontextmanager
async def known(client: AsyncClient, id: str) -> AsyncIterator[None]:
    """Add to a `JobNotFound` of this job what may have been meant."""
    try:
        yield
    except JobNotFound as error:
        near: list[str] = []
        with suppress(FarhandError):
            near = similar(id, [one.id for one in await client.jobs(limit=NEWEST)])
        raise JobNotFound(f"{error.message}; {hint(id, near)}", **{**error.details, "similar": near}) from None


def similar(id: str, ids: list[str]) -> list[str]:
    """Up to three of these that are nearly this one: it is a part of them, or some characters differ."""
    word = id.strip().lower()
    if not word:
        return []
    parts = [one for one in ids if word in one] if len(word) >= 6 else []
    return parts[:3] or get_close_matches(word, ids, n=3, cutoff=0.9)


def hint(id: str, near: list[str]) -> str:
    """What to do now."""
    if near:
        return f"did you mean {' or '.join(near)}?"
    if not _ID.fullmatch(id):
        return "a job's id has 36 characters, as `farhand submit` prints it; `farhand jobs` lists them"
    return "it was forgotten, or is another hub's; `farhand jobs` lists those of this one"


def unserved(handler: str, group: str, served: list[str]) -> str:
    """What to say of a job that nobody can run yet; `served` are the group's handlers."""
    near = get_close_matches(handler, served, n=3, cutoff=0.5)
    meant = f"; if you meant {' or '.join(near)}, cancel it" if near else ""
    return f"for a worker: none of group {group!r} serves {handler!r} now{meant}"
