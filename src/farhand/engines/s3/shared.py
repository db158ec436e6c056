"""What a store's writers and readers share."""

from __future__ import annotations

import asyncio
from typing import Protocol
from weakref import WeakValueDictionary

from farhand.engines.s3.bucket import Bucket
from farhand.errors import Unavailable

SETTLE = 0.1
"""Seconds after the last answer until the process may end: obstore's threads, which nobody can join, still hold the
interpreter for a moment then, and one that does when it ends aborts the process."""


class Held(Protocol):
    """A writer or a reader, which ends with its store."""

    async def let_go(self) -> None:
        """End it."""


class Shared:
    """The bucket, and who is at work in it."""

    def __init__(self, bucket: Bucket) -> None:
        self.bucket = bucket
        self.held: set[Held] = set()
        self._naming: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._closed = False

    def check_open(self) -> None:
        """Whether it may still be used.

        Raises:
            Unavailable: it is closed.
        """
        if self._closed:
            raise Unavailable("the blob store is closed", retryable=False)

    def naming(self, id: str) -> asyncio.Lock:
        """Held from the look whether an id is taken until it is, by those of this process."""
        lock = self._naming.get(id)
        if lock is None:
            lock = self._naming[id] = asyncio.Lock()
        return lock

    async def close(self) -> None:
        """End all that is at work."""
        if self._closed:
            return
        self._closed = True
        await asyncio.gather(*(one.let_go() for one in tuple(self.held)))
        await asyncio.sleep(SETTLE)
