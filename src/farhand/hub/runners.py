"""Pull runners, as they introduced themselves: known again after a restart."""

from __future__ import annotations

import asyncio
import uuid

import msgspec

from farhand.ports.store import Store

RUNNERS = "runners"
"""Their kind of record."""
ACTIVE = 300.0
"""Seconds after its last word for which a runner counts as active."""
WRITE_EVERY = 60.0
"""Seconds between two records of when one was last heard."""
RUNNERS_LIMIT = 1_000
"""Most that are known."""

_encode = msgspec.msgpack.Encoder().encode


class Runner(msgspec.Struct, kw_only=True):
    """One of them. Times are in seconds since 1970."""

    id: str
    name: str
    capabilities: tuple[str, ...] = ()
    registered: float = 0.0
    seen: float = 0.0


_decode = msgspec.msgpack.Decoder(Runner).decode


class Runners:
    """Those of one store. Another hub's are read when they are asked for."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._seen: dict[str, float] = {}
        self._written: dict[str, float] = {}
        self._one = asyncio.Lock()

    async def register(self, name: str, capabilities: tuple[str, ...]) -> Runner:
        """Take a new one in; of too many, the one that was not heard for the longest time is forgotten."""
        now = self._store.now()
        if len(known := await self.all()) >= RUNNERS_LIMIT:
            await self._store.drop_record(RUNNERS, min(known, key=lambda one: one.seen).id)
        runner = Runner(id=str(uuid.uuid4()), name=name, capabilities=capabilities, registered=now, seen=now)
        await self._put(runner)
        return runner

    async def get(self, id: str) -> Runner | None:
        """One of them; None where it isn't known."""
        found = await self._store.record(RUNNERS, id)
        return None if found is None else self._read(found)

    async def all(self) -> list[Runner]:
        """All, by when they came."""
        found = [self._read(one) for one in (await self._store.records(RUNNERS)).values()]
        return sorted(found, key=lambda runner: (runner.registered, runner.id))

    async def heard(self, id: str) -> None:
        """One has asked for something; it is recorded now and then, if it is known."""
        now = self._store.now()
        if now - self._written.get(id, 0.0) < WRITE_EVERY:
            self._seen[id] = now
            return
        async with self._one:
            runner = await self.get(id)
            if runner is not None:
                runner.seen = now
                await self._put(runner)

    def is_active(self, runner: Runner) -> bool:
        """Whether it was heard a short time ago."""
        return self._store.now() - runner.seen < ACTIVE

    async def _put(self, runner: Runner) -> None:
        self._seen[runner.id] = self._written[runner.id] = runner.seen
        await self._store.put_record(RUNNERS, runner.id, _encode(runner))

    def _read(self, data: bytes) -> Runner:
        runner = _decode(data)
        runner.seen = max(runner.seen, self._seen.get(runner.id, 0.0))
        return runner
