"""Pruning: jobs that ended long ago, or of which there are many newer ones, are deleted with their logs, and logs that
grow too long are cut at their beginning.

What workers declare is remembered in the store, so that a hub that was started anew knows it before they are back. What
is deleted at once is little, and the pauses are longer than the work, so that whoever writes hardly waits.
"""

from __future__ import annotations

import asyncio
import time

import msgspec
import structlog

from farhand.core.keeping import chunks_before, combined
from farhand.errors import FarhandError
from farhand.hub import chores
from farhand.hub.attempts import Attempt, Attempts
from farhand.hub.chores import Troubles
from farhand.model.durable import FOREVER, Keep, KeptJob
from farhand.model.worker import WorkerInfo
from farhand.ports.store import Declared, History, Mark, Prune, Store

KEEP = Keep(jobs=1_000_000, seconds=30 * 86_400.0, entries=0)
"""What is kept of handlers that declare nothing, unless the hub is told otherwise."""
LOOK_EVERY = 60.0
"""Seconds between looks at what has ended, and before the first one: workers that come back may declare something."""
TRIM_EVERY = 1.0
"""Seconds between looks at the logs of what runs here."""
REST = 4.0
"""How much longer than a batch the pause after it is."""
COUNT_REST = 1_000.0
"""The same after a count of a handler's ended jobs, which passes over as many as are kept of it."""
PAGE = 1_000


class Counted(msgspec.Struct, frozen=True):
    """What a count of a handler's ended jobs found: which was the `newest`, and the `mark` up to which they are not
    among the `keep` newest, nor will be. The next one may be made at `again` of this process's clock."""

    keep: int = 0
    newest: float = -FOREVER
    mark: Mark | None = None
    again: float = -FOREVER


NEVER = Counted()


class Pruning:
    """The chores of one hub. `default` is what is kept of handlers that declare nothing."""

    def __init__(self, store: Store, attempts: Attempts, default: Keep, troubles: Troubles) -> None:
        self._store = store
        self._attempts = attempts
        self._default = default
        self._troubles = troubles
        self._joined: list[WorkerInfo] = []
        self._heard = asyncio.Event()
        self._one = asyncio.Lock()
        self._known: dict[tuple[str, str], Keep] = {}
        self._keeps: dict[str, list[Keep]] = {}
        self._logs: dict[str, int] = {}
        self._firsts: dict[str, int] = {}
        self._over: dict[str, int] = {}
        self._counted: dict[str, Counted] = {}
        self._log = structlog.get_logger("farhand.durable")
        attempts.on_drop = self._dropped

    def hear(self, info: WorkerInfo) -> None:
        """A worker introduced itself; what it declares is remembered soon."""
        self._joined.append(info)
        self._learn(self._known | _said([info]))
        self._heard.set()

    async def declaring(self) -> None:
        """Remember what workers declare, for as long as the hub lives."""
        while True:
            self._heard.clear()
            done = False
            with self._troubles.excused("what handlers declare to be kept can't be remembered; trying again"):
                await self._remember()
                done = True
            if done:
                await self._heard.wait()
            else:
                await asyncio.sleep(chores.LOOK_EVERY)

    async def pruning(self) -> None:
        """Delete what is old, again and again."""
        while True:
            await asyncio.sleep(LOOK_EVERY)
            with self._troubles.excused("old jobs can't be deleted; trying again"):
                for found in await self._store.history():
                    await self._prune(found)

    async def trimming(self) -> None:
        """Cut the logs of what runs here, and of what has just ended here, again and again."""
        while True:
            await asyncio.sleep(TRIM_EVERY)
            with self._troubles.excused("long logs can't be cut; trying again"):
                for id, most in self._long():
                    self._over.pop(id, None)  # before: it may end meanwhile, and is then to be looked at again
                    try:
                        self._firsts[id] = await self._trim(id, most)
                    except FarhandError:
                        self._over[id] = most
                        raise

    # -- what is declared --------------------------------------------------------------------------------------------

    async def _remember(self) -> None:
        """Take in what the store has, and keep what the workers that came say besides."""
        async with self._one:
            known = {(one.group, one.handler): one.keep for one in await self._store.declared()}
            joined = list(self._joined)
            said = _said(joined)
            if new := [Declared(*name, keep) for name, keep in said.items() if known.get(name) != keep]:
                await self._store.declare(new)
            del self._joined[: len(joined)]
            self._learn(known | said | _said(self._joined))

    def _learn(self, known: dict[tuple[str, str], Keep]) -> None:
        self._known, self._keeps = known, {}
        for (_, handler), keep in known.items():
            self._keeps.setdefault(handler, []).append(keep)
        logs = ((handler, self._keep(handler).entries) for handler in self._keeps)
        self._logs = {handler: most for handler, most in logs if most}

    def _keep(self, handler: str) -> Keep:
        """What is kept of a handler, with every bound said."""
        return combined(self._keeps.get(handler, ()), self._default)

    # -- jobs that have ended ----------------------------------------------------------------------------------------

    async def _prune(self, found: History) -> None:
        await self._remember()  # another hub may have heard more meanwhile
        keep = self._keep(found.handler)
        marks = [Mark(self._store.now() - keep.seconds)] if keep.seconds else []
        if keep.jobs and (mark := await self._surplus(found, keep.jobs)):
            marks.append(mark)
        upto = max(marks, default=None)
        if upto is not None and found.oldest <= upto.ended:
            await self._delete(found.handler, upto)

    async def _surplus(self, found: History, keep: int) -> Mark | None:
        """Up to where a handler's ended jobs are too many, counted only where more have ended since."""
        last = self._counted.get(found.handler, NEVER)
        began = time.monotonic()
        if last.keep == keep and (found.newest <= last.newest or began < last.again):
            return last.mark
        mark = await self._store.surplus(found.handler, keep)
        ended = time.monotonic()
        self._counted[found.handler] = Counted(keep, found.newest, mark, ended + COUNT_REST * (ended - began))
        return mark

    async def _delete(self, handler: str, upto: Mark) -> None:
        """Delete the ended jobs of a handler up to this mark that nothing needs."""
        jobs, after = 0, Mark(-FOREVER)
        while True:
            began = time.monotonic()
            pruned = await self._store.prune(Prune(handler=handler, upto=upto, after=after))
            jobs += pruned.jobs
            if pruned.after is None:
                break
            after = pruned.after
            await asyncio.sleep(REST * (time.monotonic() - began))
        if jobs:
            self._log.info("old jobs deleted", handler=handler, jobs=jobs)

    # -- logs --------------------------------------------------------------------------------------------------------

    def _dropped(self, attempt: Attempt) -> None:
        """An attempt is over here."""
        most = self._logs.get(attempt.kept.job.handler)
        if most and attempt.offset - self._firsts.get(attempt.kept.job.id, attempt.kept.first) > most:
            self._over[attempt.kept.job.id] = most

    def _long(self) -> list[tuple[str, int]]:
        """Jobs whose logs are longer than their handlers declare, and how long they may be."""
        found = list(self._over.items())
        running = self._attempts.by_job
        self._firsts = {id: first for id, first in self._firsts.items() if id in running}
        if self._logs:
            for id, attempt in running.items():
                most = self._logs.get(attempt.kept.job.handler)
                if most and attempt.offset - self._firsts.get(id, attempt.kept.first) > most:
                    found.append((id, most))
        return found

    async def _trim(self, id: str, most: int) -> int:
        """Cut a log to its newest entries, `most` of them; where it begins then."""
        kept = await self._store.get(id)
        if kept is None:
            return 0
        first, cut, upto = kept.first, kept.cut, kept.offset - most
        while first < upto:
            began = time.monotonic()
            entries = await self._store.read(id, first, min(PAGE, upto - first))
            if not entries or entries[0].offset != first:
                break  # another hub was first, or the job is gone
            cut = chunks_before(entries, cut)
            if not await self._store.trim(id, entries[-1].offset + 1, cut):
                break
            first = entries[-1].offset + 1
            await asyncio.sleep(REST * (time.monotonic() - began))
        return first


def _said(joined: list[WorkerInfo]) -> dict[tuple[str, str], Keep]:
    """What workers declare, by group and handler."""
    return {(info.group, spec.name): spec.durable.keep for info in joined for spec in info.handlers}


async def forget(store: Store, kept: KeptJob) -> bool:
    """Delete one job that has ended, with its log; whether it is gone, which it isn't while something needs it."""
    id = kept.job.id
    before = id[:-1] + chr(ord(id[-1]) - 1) + "~"  # no other id is between them
    wanted = Prune(
        handler=kept.job.handler,
        after=Mark(kept.ended or 0.0, before),
        upto=Mark(kept.ended or 0.0, id),
        jobs=1,
    )
    while (pruned := await store.prune(wanted)).entries and not pruned.jobs:
        pass
    return await store.get(id) is None
