"""Pulling: runners that ask for work instead of being given it, and say what they do by requests of their own.

A claim is a lease like any other, whose holder is the runner and not this hub: it is extended by each word of the
runner's, and one that runs out is given back by `leases`. What a runner says is written only while it holds the lease,
guarded by its epoch, so that two runners never hold one job.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

import msgspec

from farhand.core import console
from farhand.core.retrying import judge
from farhand.hub.attempts import Attempts, move_of
from farhand.hub.service import Hub
from farhand.model.durable import Entry, KeptJob, Said
from farhand.model.event import Event, Fault, Kind, Progress
from farhand.model.limits import INLINE_LIMIT, TEXT_LIMIT
from farhand.model.payload import Payload, format_of
from farhand.model.ref import as_payload
from farhand.model.state import LEASED, State
from farhand.ports.store import Change, Claim, Lease, Store

PULLED = "pull:"
"""Before a runner's id, where a store names who has a job."""
REMEMBERED = 10_000
"""Jobs of which is known what their runners told last; of another, the log is read."""
PAGE = 256
LAST = 16
"""Entries that are looked at first for a job's last word."""


class Told(msgspec.Struct, frozen=True):
    """What a runner told last of its attempt, as this hub knows it. `offset` is where the log ended then: behind it
    another hub has heard more. `at` is by the store's clock."""

    epoch: int
    offset: int
    console: console.Heard = console.NOTHING
    progress: Progress | None = None
    at: float = 0.0


class Word(msgspec.Struct, frozen=True, kw_only=True):
    """What a runner says of a job: its whole console text until now, and how far it is (None: it doesn't say)."""

    job: str
    runner: str
    console: str
    progress: Progress | None = None


class Pulling:
    """The pull runners' claims at one hub. `wake` is called when a job may be claimed anew."""

    def __init__(self, hub: Hub, store: Store, attempts: Attempts, wake: Callable[[], None]) -> None:
        self._hub = hub
        self._store = store
        self._attempts = attempts
        self._wake = wake
        self._told: dict[str, Told] = {}

    # -- for runners -------------------------------------------------------------------------------------------------

    async def due(self, group: str, handlers: frozenset[str], count: int) -> list[KeptJob]:
        """Jobs of these handlers that a runner may claim, those first that are claimed first."""
        now = self._store.now()
        wanted = Claim(group=group, handlers=handlers, labels={}, worker="", count=count, lease_until=0.0)
        return [kept for kept in await self._store.due(wanted, now) if can_pull(kept)]

    async def claim(self, id: str, group: str, runner: str, lease: float) -> KeptJob | None:
        """Give a job to a runner for so many seconds; None where it isn't to be had."""
        before = await self._store.get(id)
        if before is None or self._hub.draining or before.job.group != group or not can_pull(before):
            return None
        now = self._store.now()
        wanted = Claim(
            group=group,
            handlers=frozenset({before.job.handler}),
            labels={},
            worker=PULLED + runner,
            count=1,
            lease_until=now + lease,
            only=id,
        )
        for kept in await self._store.claim(wanted, now):
            self._remember(id, Told(kept.epoch, kept.offset, at=now))
            if self._hub.meter is not None:
                self._hub.meter.claimed(kept.job.handler, group, now - kept.run_at)
            return kept
        return None

    async def go_on(self, word: Word, lease: float) -> bool:
        """Keep what a runner says of its job, and extend its claim; whether it still has it."""
        kept = await self._held(word)
        if kept is None:
            return False
        now = self._store.now()
        said, told = await self._news(kept, word, now)
        mine = Lease(kept.job.id, kept.epoch)
        if kept.state is State.ASSIGNED:
            to_running = Change(
                id=mine.id, sources=frozenset({State.ASSIGNED}), to=State.RUNNING, epoch=mine.epoch, said=said
            )
            written = await self._attempts.change(to_running, now) is not None
        else:
            written = not said or await self._attempts.append(mine, said, now)
        if not written or not (await self._store.renew([mine], now + lease))[0]:
            return False
        self._remember(mine.id, told)
        return True

    async def succeed(self, word: Word, result: Payload) -> bool:
        """A runner's job has this result; whether the runner still had it. A large one is kept where large ones are."""
        if len(result.data) > INLINE_LIMIT and await self._held(word) is not None:
            transfers = self._hub.transfers
            async with await transfers.begin(word.job, "", "") as writer:
                await writer.write(result.data)
                blob = await writer.commit(len(result.data), "")
            result = as_payload(transfers.kept(blob, format_of(result.media)))
        return await self._end(word, Event(Kind.SUCCEEDED, result))

    async def fail(self, word: Word, message: str) -> bool:
        """A runner's job failed, in its own words; whether the runner still had it."""
        fault = Fault("HANDLER_FAILED", message, False, {"reported": True})
        return await self._end(word, Event(Kind.FAILED, fault=fault))

    async def _end(self, word: Word, end: Event) -> bool:
        kept = await self._held(word)
        if kept is None:
            return False
        now = self._store.now()
        said, _ = await self._news(kept, word, now)
        verdict = judge(kept.job.retries, kept.attempt, end, now, random.random())
        done = await self._attempts.change(move_of(kept, verdict, (*said, Said(end))), now)
        self._told.pop(word.job, None)
        self._wake()
        return done is not None

    # -- for whoever asks after a job --------------------------------------------------------------------------------

    async def cancelled(self, kept: KeptJob) -> None:
        """A job that is being cancelled is a runner's, which can't be told but by its next word: it ends now."""
        fault = Fault("CANCELLED", f"{kept.job.handler!r} was cancelled; its runner hears of it when it next asks")
        stopped = Said(Event(Kind.CANCELLED, fault=fault, outcome="unconfirmed"))
        only = frozenset({State.CANCELLING})
        await self._attempts.change(
            Change(id=kept.job.id, sources=only, to=State.CANCELLED, epoch=kept.epoch, said=(stopped,))
        )
        self._told.pop(kept.job.id, None)

    async def progress(self, kept: KeptJob) -> tuple[Progress | None, float]:
        """How far a job's attempt said that it is, and when something was last said of the job."""
        if (told := self._known(kept)) is not None and kept.ended is None:
            return told.progress, told.at
        end, at, size = kept.offset, kept.ended or kept.job.created, LAST
        while end > kept.first:
            begin = max(kept.first, end - size)
            entries = await self._store.read(kept.job.id, begin, end - begin)
            if entries and end == kept.offset:
                at = entries[-1].at
            for entry in reversed(entries):
                if entry.event.kind is Kind.PROGRESS:
                    return entry.event.progress, at
                if entry.event.kind is Kind.STARTED:
                    return None, at
            end = begin
        return None, at

    def last_word(self, kept: KeptJob) -> float:
        """When a job that has not ended was last heard of here."""
        told = self._told.get(kept.job.id)
        return kept.job.created if told is None else told.at

    def holds(self, kept: KeptJob, runner: str) -> bool:
        """Whether a runner has a job."""
        return kept.state in LEASED and kept.worker == PULLED + runner

    async def console(self, kept: KeptJob, limit: int) -> str:
        """The console text of a job's last attempt, as it was told last; at most its last `limit` characters."""
        return console.last_text(await self._texts(kept, limit))[-limit:]

    # -- steps -------------------------------------------------------------------------------------------------------

    async def _held(self, word: Word) -> KeptJob | None:
        """The job, if the runner has it."""
        kept = await self._store.get(word.job)
        if kept is None or not self.holds(kept, word.runner):
            return None
        if kept.state is State.CANCELLING:
            await self.cancelled(kept)
            return None
        return kept

    async def _news(self, kept: KeptJob, word: Word, now: float) -> tuple[tuple[Said, ...], Told]:
        """What of a runner's words goes into the log, and what is then to be remembered."""
        before = self._known(kept)
        if before is None:
            text = console.last_text(await self._texts(kept)) if kept.state is not State.ASSIGNED else ""
            before = Told(kept.epoch, kept.offset, console.heard(text))
        new, heard = console.news(before.console, word.console)
        said = [Said(Event(Kind.STARTED, worker=kept.worker))] if kept.state is State.ASSIGNED else []
        said += [Said(Event(Kind.CONSOLE, text=piece)) for piece in console.pieces(new, TEXT_LIMIT)]
        if word.progress is not None and word.progress != before.progress:
            said.append(Said(Event(Kind.PROGRESS, progress=word.progress)))
        offset = kept.offset + len(said)
        return tuple(said), Told(kept.epoch, offset, heard, word.progress or before.progress, now)

    def _known(self, kept: KeptJob) -> Told | None:
        """What its runner told last, if this hub has heard all of it."""
        told = self._told.get(kept.job.id)
        heard_all = told is not None and (told.epoch, told.offset) == (kept.epoch, kept.offset)
        return told if heard_all else None

    async def _texts(self, kept: KeptJob, limit: int = 0) -> list[str]:
        """The texts in the log since the last attempt began, of which the last `limit` characters are wanted."""
        texts, size, offset = list[str](), 0, kept.first
        while offset < kept.offset:
            entries: Sequence[Entry] = await self._store.read(kept.job.id, offset, PAGE)
            if not entries:
                break
            for entry in entries:
                if entry.event.kind is Kind.STARTED:
                    texts, size = [], 0
                elif entry.event.kind is Kind.CONSOLE:
                    texts.append(entry.event.text)
                    size += len(entry.event.text)
            while limit and texts and size - len(texts[0]) > limit:
                size -= len(texts.pop(0))
            offset = entries[-1].offset + 1
        return texts

    def _remember(self, id: str, told: Told) -> None:
        self._told.pop(id, None)
        self._told[id] = told
        if len(self._told) > REMEMBERED:
            del self._told[next(iter(self._told))]


def can_pull(kept: KeptJob) -> bool:
    """Whether a runner can be given a job: one without labels, which it has none of, and without other jobs' results
    for arguments."""
    return not kept.job.labels and not kept.job.inputs


def holder_of(kept: KeptJob) -> str:
    """Who has or had a job: a runner's id without what a store puts before it, or a worker's."""
    return kept.worker.removeprefix(PULLED)


def is_pulled(kept: KeptJob) -> bool:
    """Whether a runner has it."""
    return kept.worker.startswith(PULLED) and kept.state in LEASED
