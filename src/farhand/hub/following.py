"""Those who follow durable jobs: some read a log from any offset, some wait for the end only.

Both see what the store has kept, never what a call said: what is seen stays.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections import deque
from collections.abc import AsyncGenerator, Callable, Container, Coroutine
from typing import Any

from farhand.errors import FarhandError, JobNotFound, LogPruned
from farhand.hub import chores
from farhand.hub.service import Sink
from farhand.model.durable import Entry, KeptJob
from farhand.model.event import Event, Kind, to_fault
from farhand.model.payload import chunk_cost
from farhand.ports.store import News, Store

LOOKED_AT = 2_000
"""Jobs looked at each time, those first whose turn is longest ago."""
PAGE = 256
FRESH = 10_000
"""Jobs just added that are known not to have ended."""


def pruned(id: str, first: int, what: str = "the log of") -> LogPruned:
    """The error of who wants more of a job's log than is kept."""
    whole = "" if what == "the log of" else "is not whole any more: its log "
    text = f"{what} job {id} {whole}begins at offset {first} by now, what was before is not kept; watch it from there"
    return LogPruned(text, job=id, first=first)


class Follow:
    """One who waits for a job's end. `left` is how many bytes of chunks may still be sent."""

    __slots__ = ("gone", "id", "left", "room", "sink", "tag")

    def __init__(self, id: str, sink: Sink, tag: int, window: int) -> None:
        self.id = id
        self.sink = sink
        self.tag = tag
        self.left = window
        self.room = asyncio.Event()
        self.gone = False

    def grant(self, amount: int) -> None:
        """It takes this many more bytes of chunks."""
        self.left += amount
        self.room.set()

    def leave(self) -> None:
        """It wants nothing more."""
        self.gone = True
        self.room.set()


class _Watched:
    """A job whose log is followed, by however many: they share what is read of it, and one look at it a second."""

    __slots__ = ("_id", "_reads", "_store", "changed", "followers", "looking")

    def __init__(self, store: Store, id: str) -> None:
        self._store = store
        self._id = id
        self._reads: dict[int, asyncio.Task[list[Entry]]] = {}
        self.changed = asyncio.Event()
        self.followers = 0
        self.looking = asyncio.get_running_loop().create_task(self._look())

    def wake(self) -> None:
        """Something was kept of it."""
        self.changed.set()
        self.changed = asyncio.Event()
        self._reads = {}  # what is being read may lack it

    async def read(self, offset: int) -> list[Entry]:
        """A page from `offset` on. Who asks while it is read gets the same list."""
        reads = self._reads
        if (task := reads.get(offset)) is None:
            task = reads[offset] = asyncio.get_running_loop().create_task(self._store.read(self._id, offset, PAGE))
            task.add_done_callback(lambda done: _read(reads, offset, done))
        return await asyncio.shield(task)  # who leaves doesn't end it for the others

    async def _look(self) -> None:
        """See what was not told: what other hubs did, and what became of a job by the end of another."""
        seen: int | None = None
        while True:
            try:
                kept = await self._store.get(self._id)
                now = None if kept is None else kept.offset
            except FarhandError:
                now = None
            if now is None or now != seen:
                self.wake()
            seen = now
            await asyncio.sleep(chores.LOOK_EVERY)


def _read(reads: dict[int, asyncio.Task[list[Entry]]], offset: int, task: asyncio.Task[list[Entry]]) -> None:
    """Whoever asks from now on reads anew; an error that came after all have left is nobody's."""
    reads.pop(offset, None)
    if not task.cancelled():
        task.exception()


async def _within(event: asyncio.Event, seconds: float) -> bool:
    """Whether the event comes within so many seconds."""
    if seconds == math.inf:
        return await event.wait()
    try:
        async with asyncio.timeout(seconds):
            return await event.wait()
    except TimeoutError:
        return False


class Following:
    """All who follow on one hub. `track` runs what nobody waits for."""

    def __init__(self, store: Store, track: Callable[[Coroutine[Any, Any, None]], None]) -> None:
        self._store = store
        self._track = track
        self._watched: dict[str, _Watched] = {}
        self._follows: dict[str, list[Follow]] = {}
        self._turns: deque[str] = deque()
        self._fresh: dict[str, None] = {}

    # -- what others tell --------------------------------------------------------------------------------------------

    def adding(self, id: str) -> None:
        """This job is being added, and `ended` will be told of its end: who follows it soon needn't look for that."""
        self._fresh[id] = None
        if len(self._fresh) > FRESH:
            del self._fresh[next(iter(self._fresh))]

    def not_added(self, id: str) -> None:
        """It wasn't."""
        self._fresh.pop(id, None)

    def changed(self, id: str) -> None:
        """Something was kept of this job."""
        if (watched := self._watched.get(id)) is not None:
            watched.wake()

    def ended(self, kept: KeptJob, chunks: int) -> None:
        """This job's end was kept, after so many chunks."""
        self._fresh.pop(kept.job.id, None)
        for follow in self._follows.pop(kept.job.id, ()):
            self._tell(follow, kept, chunks)

    def hear(self, news: News) -> None:
        """Another hub has changed jobs."""
        for id in list(self._watched) if news.missed else self._watched.keys() & news.jobs:
            self.changed(id)
        if not news.missed:  # else the chore looks at them all in turn
            for id in self._follows.keys() & news.jobs:
                self._track(self._look_soon(id))

    # -- for callers -------------------------------------------------------------------------------------------------

    async def pages(self, id: str, offset: int, idle: float = math.inf) -> AsyncGenerator[list[Entry], None]:
        """A job's log from `offset` on, in pages of what the store gives at once: what is there, then what comes, up to
        its end. An empty page says that nothing has come for `idle` seconds.

        Raises:
            JobNotFound: there is none.
            LogPruned: the log begins later by now; from the beginning, or because the reader is slower than the job.
        """
        kept: KeptJob | None = await self._get(id)
        watched = self._watched.get(id)
        if watched is None:
            watched = self._watched[id] = _Watched(self._store, id)
        watched.followers += 1
        try:
            while True:
                changed = watched.changed
                if entries := await watched.read(offset):
                    if entries[0].offset > offset:
                        raise pruned(id, entries[0].offset)
                    yield entries
                    offset = entries[-1].offset + 1
                    if entries[-1].event.kind.final:
                        return
                    continue
                kept = kept or await self._get(id)
                if kept.ended is not None and offset >= kept.offset:
                    return
                kept = None
                if not await _within(changed, idle):
                    yield []
        finally:
            watched.followers -= 1
            if not watched.followers:
                watched.looking.cancel()
                self._watched.pop(id, None)

    async def log(self, id: str, offset: int) -> AsyncGenerator[Entry, None]:
        """As `pages`, entry by entry.

        Raises:
            JobNotFound: there is none.
        """
        async with contextlib.aclosing(self.pages(id, offset)) as pages:
            async for entries in pages:
                for entry in entries:
                    yield entry

    def end(self, id: str, sink: Sink, tag: int, window: int, runs_here: bool) -> Follow:
        """Tell `sink` of the job's end, after the chunks of its last attempt. `runs_here`: its end is sure to be told
        by `ended`, and needn't be looked for."""
        follow = Follow(id, sink, tag, window)
        found = self._follows.get(id)
        if found is None:
            self._follows[id] = [follow]
            self._turns.append(id)
        else:
            found.append(follow)
        if not runs_here and id not in self._fresh:
            self._track(self._look_soon(id))
        return follow

    # -- looking -----------------------------------------------------------------------------------------------------

    async def look(self, sure: Container[str]) -> None:
        """Look at jobs that are followed: one round of the chore. The ends of those in `sure` are told by `ended`.

        Raises:
            FarhandError: the store is away.
        """
        for _ in range(min(LOOKED_AT, len(self._turns))):
            id = self._turns.popleft()
            follows = [follow for follow in self._follows.get(id, ()) if not follow.gone]
            if follows:
                self._turns.append(id)
                if id not in sure:
                    await self._look_at(id)
            else:
                self._follows.pop(id, None)

    async def _look_soon(self, id: str) -> None:
        with contextlib.suppress(FarhandError):  # the chore looks again
            await self._look_at(id)

    async def _look_at(self, id: str) -> None:
        try:
            kept = await self._get(id)
        except JobNotFound as error:
            fault = to_fault(error)
            for follow in self._follows.pop(id, ()):
                if not follow.gone:
                    follow.sink.deliver(follow.tag, Event(Kind.FAILED, fault=fault), 0)
            return
        if kept.ended is not None:
            last = await self._store.read(id, kept.offset - 1, 1)
            self.ended(kept, last[0].number if last else 0)

    async def _get(self, id: str) -> KeptJob:
        kept = await self._store.get(id)
        if kept is None:
            raise JobNotFound(f"there is no durable job {id[:80]!r}, or not any more")
        return kept

    # -- telling -----------------------------------------------------------------------------------------------------

    def _tell(self, follow: Follow, kept: KeptJob, chunks: int) -> None:
        assert kept.last is not None, "a job that has ended has a last event"
        if follow.gone:
            return
        if chunks and kept.last.kind is Kind.SUCCEEDED:
            self._track(self._replay(follow, kept, chunks))
        else:
            follow.sink.deliver(follow.tag, kept.last, 0)

    async def _replay(self, follow: Follow, kept: KeptJob, chunks: int) -> None:
        """Send the chunks of the last attempt, as far as credit goes, and the end; if some are gone, that they are."""
        number = 0
        try:
            async for entry in self._last_attempt(kept):
                number += 1
                if entry.number != (number if entry.event.kind is Kind.CHUNK else number - 1):
                    raise pruned(follow.id, (await self._get(follow.id)).first, "the result of")
                if entry.event.kind is Kind.CHUNK:
                    while follow.left <= 0 and not follow.gone:
                        follow.room.clear()
                        await follow.room.wait()
                    follow.left -= chunk_cost(entry.event.payload)
                if follow.gone:
                    return
                follow.sink.deliver(follow.tag, entry.event, entry.number)
        except FarhandError as error:
            fault = to_fault(error)
            follow.sink.deliver(follow.tag, Event(Kind.FAILED, fault=fault), 0)

    async def _last_attempt(self, kept: KeptJob) -> AsyncGenerator[Entry, None]:
        """The chunks of a job's last attempt, and its end."""
        begin = kept.first
        if kept.attempt > 1:
            async for entry in self._entries(kept, begin):
                if entry.event.kind is Kind.STARTED:
                    begin = entry.offset
        async for entry in self._entries(kept, begin):
            if entry.event.kind is Kind.CHUNK or entry.event.kind.final:
                yield entry

    async def _entries(self, kept: KeptJob, offset: int) -> AsyncGenerator[Entry, None]:
        while offset < kept.offset:
            entries = await self._store.read(kept.job.id, offset, PAGE)
            if not entries:
                raise JobNotFound(f"the log of job {kept.job.id} is not kept any more")
            if entries[0].offset > offset:
                raise pruned(kept.job.id, entries[0].offset)
            for entry in entries:
                yield entry
            offset = entries[-1].offset + 1
