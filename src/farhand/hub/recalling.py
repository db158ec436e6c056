"""Equal work found again: who asks for work that was done gets its end, unless that is no longer good.

Whether an end is still good is the caller's to say, for instance because what it names is gone from the network. One
that isn't is outdated: it is still found, once, and whoever submits the same after that begins it anew.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import msgspec

from farhand.errors import InvalidArguments, JobNotFound
from farhand.hub.chores import Troubles
from farhand.hub.ids import Ids
from farhand.hub.pruning import forget
from farhand.model.durable import DurableJob, KeptJob
from farhand.model.state import State
from farhand.ports.store import Added, Filter, Store

OUTDATED = "outdated"
"""The kind of record that says so of a job."""
TIDY_EVERY = 3_600.0
"""Seconds between looks at what such records are of."""

Good = Callable[[KeptJob], Awaitable[bool]]
"""Whether a job's success still answers for equal work."""
Submit = Callable[[DurableJob], Awaitable[Added]]


class Recalled(msgspec.Struct, frozen=True):
    """A job that stands for equal work. `new`: it was submitted just now; `outdated`: its success isn't good any
    more."""

    kept: KeptJob
    new: bool = False
    outdated: bool = False


class Recalling:
    """The finding of one hub; `submit` keeps a new job."""

    def __init__(self, store: Store, submit: Submit) -> None:
        self._store = store
        self._submit = submit
        self._new_id = Ids()

    def new_id(self) -> str:
        """An id that is a version 4 UUID in form, which some clients ask for, and is ordered by time as all ids are."""
        id = self._new_id()
        return f"{id[:14]}4{id[15:]}"

    async def find(self, cache_key: str, good: Good) -> Recalled | None:
        """The job that stands for this work; None if there is none."""
        for kept in await self._store.find(Filter(cache_key=cache_key, limit=1)):
            if kept.ended is None or kept.ended + kept.job.cache_ttl > self._store.now():
                return await self._judged(kept, good)
        return None

    async def submit(self, job: DurableJob, good: Good, *, anew: bool = False) -> Recalled:
        """The job that stands for this work, or a new one. `anew`: one that failed is not enough.

        Raises:
            FarhandError: it isn't kept, as the class says.
        """
        found = await self._known(job.cache_key)
        if (found is not None and found.kept.state is State.FAILED and anew) or (found is not None and found.outdated):
            await self._let_go(found.kept)
        elif found is not None:
            return await self._judged(found.kept, good)
        added = await self._submit(job)
        return Recalled(added.kept, added.how == "new")

    async def outdated(self) -> frozenset[str]:
        """The jobs that are outdated."""
        return frozenset(await self._store.records(OUTDATED))

    async def is_outdated(self, kept: KeptJob) -> bool:
        """Whether a job is."""
        return kept.state is State.SUCCEEDED and await self._store.record(OUTDATED, kept.job.id) is not None

    async def begin_anew(self, kept: KeptJob) -> KeptJob:
        """Submit the work of an ended job again, whatever its end was.

        Raises:
            InvalidArguments: it has not ended.
        """
        if kept.ended is None:
            raise InvalidArguments(f"job {kept.job.id} is {kept.state}: only what has ended can be begun anew")
        await self._let_go(kept)
        now = self._store.now()
        job = msgspec.structs.replace(kept.job, id=self.new_id(), created=now, run_at=now, retry_of=kept.job.id)
        return (await self._submit(job)).kept

    async def forget(self, kept: KeptJob) -> None:
        """Delete a job that has ended, with its log.

        Raises:
            JobNotFound: it can't be deleted now, because a job that has not ended comes after it.
        """
        await self._let_go(kept)
        if not await forget(self._store, kept):
            raise JobNotFound(f"job {kept.job.id} can't be deleted: something that has not ended needs it")
        await self._store.drop_record(OUTDATED, kept.job.id)

    async def tidying(self, troubles: Troubles) -> None:
        """Tidy, again and again."""
        while True:
            await asyncio.sleep(TIDY_EVERY)
            with troubles.excused("what is remembered of deleted jobs can't be looked up; trying again"):
                await self.tidy()

    async def tidy(self) -> None:
        """Forget what is remembered of jobs that are not there any more."""
        for id in await self.outdated():
            if await self._store.get(id) is None:
                await self._store.drop_record(OUTDATED, id)

    async def _known(self, cache_key: str) -> Recalled | None:
        for kept in await self._store.find(Filter(cache_key=cache_key, limit=1)):
            return Recalled(kept, outdated=await self.is_outdated(kept))
        return None

    async def _judged(self, kept: KeptJob, good: Good) -> Recalled:
        if kept.state is not State.SUCCEEDED:
            return Recalled(kept)
        if await self.is_outdated(kept):
            return Recalled(kept, outdated=True)
        if await good(kept):
            return Recalled(kept)
        await self._store.put_record(OUTDATED, kept.job.id, b"")
        return Recalled(kept, outdated=True)

    async def _let_go(self, kept: KeptJob) -> None:
        """Let a job answer for equal work no more, unless another does by now."""
        key = kept.job.cache_key
        if key and [one.job.id for one in await self._store.find(Filter(cache_key=key, limit=1))] == [kept.job.id]:
            await self._store.uncache(kept.job.handler, key)
