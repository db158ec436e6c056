"""Clearing the hot table of the rows of jobs that have ended.

Each claim passes over what the queue's index still has of jobs that were claimed since the last vacuum. The server's
own vacuum comes at most once a minute, a hundred thousand jobs too late, and may be off; so a hub that claimed many
asks for one.
"""

from __future__ import annotations

import asyncio
import contextlib

from farhand.engines.postgres.database import LONG, Database
from farhand.engines.postgres.sql import queries
from farhand.errors import FarhandError

EVERY = 5_000
"""Jobs that a hub takes off the queue between two vacuums."""


class Tidying:
    """Counts, and tidies in the background."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._left = 0
        self._work: asyncio.Task[None] | None = None

    def count(self, rows: int) -> None:
        """So many rows were left behind."""
        self._left += rows
        if self._left >= EVERY and (self._work is None or self._work.done()):
            self._left = 0
            self._work = asyncio.create_task(self._tidy())

    async def close(self) -> None:
        """Wait for what runs."""
        if self._work is not None:
            await self._work

    async def _tidy(self) -> None:
        sql, schema = queries("schema"), self._database.schema
        with contextlib.suppress(FarhandError):  # the next one does it
            async with self._database.connection() as connection:
                if await connection.fetchval(sql["one_tidies"], schema):
                    try:
                        await connection.execute(sql["tidy"], timeout=LONG)
                    finally:
                        await connection.execute(sql["tidied"], schema)
