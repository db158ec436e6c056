"""Durable jobs in this process's memory: for tests, trials and `farhand dev`. They end with the process."""

from __future__ import annotations

import heapq
import time
from bisect import bisect_left, bisect_right, insort
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from itertools import islice

from msgspec.structs import replace

from farhand.engines.memory import fitting
from farhand.engines.memory.records import MemoryRecords
from farhand.errors import FarhandError, JobNotFound
from farhand.model.durable import FOREVER, DurableJob, Entry, KeptJob, Said
from farhand.model.event import Event, Fault, Kind
from farhand.model.state import ENDS, LEASED, State
from farhand.ports.store import (
    READ_SIZE,
    Added,
    Change,
    Claim,
    Declared,
    Filter,
    History,
    Lease,
    Mark,
    News,
    Prune,
    Pruned,
    Schedule,
)

Rank = tuple[int, float, str]
"""Which of the due jobs is claimed first: priority (negated), `run_at`, id."""


class MemoryStore(MemoryRecords):
    """`ports.store.Store`. One event loop uses it; each method runs to its end without waiting, so it is atomic."""

    shared = False

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        super().__init__()
        self._clock = clock
        self._jobs: dict[str, KeptJob] = {}
        self._logs: dict[str, list[Entry]] = {}
        self._children: dict[str, dict[str, None]] = defaultdict(dict)
        self._keys: dict[str, str] = {}
        self._cached: dict[str, str] = {}
        self._due: dict[str, list[Rank]] = defaultdict(list)
        self._later: dict[str, list[tuple[float, str]]] = defaultdict(list)
        self._unfinished: dict[str, None] = {}
        self._ended: dict[str, list[Mark]] = defaultdict(list)
        self._declared: dict[tuple[str, str], Declared] = {}
        self._schedules: dict[str, Schedule] = {}

    def now(self) -> float:
        """Seconds since 1970."""
        return self._clock()

    def listen(self, hear: Callable[[News], None]) -> None:
        """As `Store.listen`: nobody else is here."""

    async def close(self) -> None:
        """Nothing is held."""

    # -- jobs --------------------------------------------------------------------------------------------------------

    async def add(self, job: DurableJob, now: float) -> Added:
        """As `Jobs.add`."""
        if (found := self._found(job, now)) is not None:
            return found
        missing = [parent for parent in job.after if parent not in self._jobs]
        if missing:
            raise JobNotFound(f"there is no durable job {missing[0][:80]!r} to come after")
        states = {parent: self._jobs[parent].state for parent in job.after}
        waits = any(state not in ENDS for state in states.values())
        self._jobs[job.id] = KeptJob(job=job, state=State.WAITING if waits else State.QUEUED, run_at=job.run_at)
        self._logs[job.id] = []
        self._unfinished[job.id] = None
        if job.key:
            self._keys[job.key] = job.id
        if job.cache_key:
            self._cached[job.cache_key] = job.id
        for parent in states:
            self._children[parent][job.id] = None
        self._say(job.id, (Said(Event(Kind.QUEUED, text=job.id)),), now)
        failed = [parent for parent, state in states.items() if state in ENDS and state is not State.SUCCEEDED]
        if failed:
            self._fail_with(job.id, failed[0], now)
        elif not waits:
            self._queue(self._jobs[job.id])
        return Added(self._jobs[job.id], "new")

    async def add_all(self, jobs: Sequence[DurableJob], now: float) -> list[Added | FarhandError]:
        """As `Jobs.add_all`."""
        added: list[Added | FarhandError] = []
        for job in jobs:
            try:
                added.append(await self.add(job, now))
            except JobNotFound as error:
                added.append(error)
        return added

    async def get(self, id: str) -> KeptJob | None:
        """As `Jobs.get`."""
        return self._jobs.get(id)

    async def find(self, wanted: Filter) -> list[KeptJob]:
        """As `Jobs.find`."""
        jobs: Iterable[KeptJob] = self._jobs.values()
        if wanted.cache_key:
            id = self._cached.get(wanted.cache_key)
            jobs = () if id is None else (self._jobs[id],)
        found = (kept for kept in jobs if fitting.fits(kept, wanted))
        return heapq.nlargest(wanted.limit, found, key=lambda kept: kept.job.id)

    async def claim(self, wanted: Claim, now: float) -> list[KeptJob]:
        """As `Jobs.claim`."""
        taken = [
            replace(
                kept,
                state=State.ASSIGNED,
                epoch=kept.epoch + 1,
                attempt=kept.attempt + 1,
                worker=wanted.worker,
                lease_until=wanted.lease_until,
            )
            for kept in self._take(wanted, now)
        ]
        self._jobs |= {kept.job.id: kept for kept in taken}
        return taken

    async def due(self, wanted: Claim, now: float) -> list[KeptJob]:
        """As `Queues.due`."""
        found = self._take(wanted, now)
        for kept in () if wanted.only else found:
            heapq.heappush(self._due[wanted.group], (-kept.job.priority, kept.run_at, kept.job.id))
        return found

    async def tally(self, group: str) -> dict[State, int]:
        """As `Queues.tally`."""
        return dict(Counter(kept.state for kept in self._jobs.values() if kept.job.group == group))

    def _take(self, wanted: Claim, now: float) -> list[KeptJob]:
        """What can be claimed, out of the queue."""
        if wanted.only:
            one = self._jobs.get(wanted.only)  # its place in the queue goes when its turn comes
            can = one is not None and one.state is State.QUEUED and one.run_at <= now and fitting.can_take(one, wanted)
            return [one] if one is not None and can else []
        self._ripen(wanted.group, now)
        due, passed = self._due[wanted.group], list[Rank]()
        taken: dict[str, KeptJob] = {}
        while due and len(taken) < wanted.count:
            rank = heapq.heappop(due)
            kept = self._jobs.get(rank[2])
            if kept is None or kept.state is not State.QUEUED or kept.run_at != rank[1] or rank[2] in taken:
                continue
            if fitting.can_take(kept, wanted):
                taken[rank[2]] = kept
            else:
                passed.append(rank)
        for rank in passed:
            heapq.heappush(due, rank)
        return list(taken.values())

    async def change(self, change: Change, now: float) -> KeptJob | None:
        """As `Jobs.change`."""
        kept = self._jobs.get(change.id)
        if kept is None or kept.state not in change.sources or change.epoch not in (None, kept.epoch):
            return None
        self._say(change.id, change.said, now)
        if change.worker:
            self._jobs[change.id] = replace(self._jobs[change.id], worker=change.worker)
        if change.to in ENDS:
            last = change.said[-1].event if change.said else None
            self._end(change.id, change.to, last, now, answers=change.answers)
            return self._jobs[change.id]
        kept = replace(self._jobs[change.id], state=change.to)
        if change.to is State.QUEUED:
            run_at = kept.run_at if change.run_at is None else change.run_at
            kept = replace(kept, run_at=run_at, worker="", lease_until=0.0)
            self._queue(kept)
        self._jobs[change.id] = kept
        return kept

    async def change_all(self, changes: Sequence[Change], now: float) -> list[KeptJob | FarhandError | None]:
        """As `Jobs.change_all`."""
        return [await self.change(change, now) for change in changes]

    async def renew(self, leases: Sequence[Lease], until: float) -> list[bool]:
        """As `Jobs.renew`."""
        held = [self._holds(lease) for lease in leases]
        for lease, is_held in zip(leases, held, strict=True):
            if is_held:
                self._jobs[lease.id] = replace(self._jobs[lease.id], lease_until=until)
        return held

    async def adopt(self, lease: Lease, worker: str, until: float) -> KeptJob | None:
        """As `Jobs.adopt`."""
        if not self._holds(lease):
            return None
        kept = replace(self._jobs[lease.id], epoch=lease.epoch + 1, worker=worker, lease_until=until)
        self._jobs[lease.id] = kept
        return kept

    async def overdue(self, now: float, limit: int) -> list[KeptJob]:
        """As `Jobs.overdue`."""
        unfinished = (self._jobs[id] for id in self._unfinished)
        return heapq.nsmallest(
            limit,
            (kept for kept in unfinished if fitting.due_at(kept) <= now),
            key=lambda kept: (fitting.due_at(kept), kept.job.id),
        )

    async def wake_at(self, now: float) -> float | None:
        """As `Jobs.wake_at`."""
        times: list[float] = []
        for id in self._unfinished:
            kept = self._jobs[id]
            begins = [kept.run_at] if kept.state is State.QUEUED else []
            times += [at for at in (*fitting.decisions(kept), *begins) if at > now]
        first = min(times, default=FOREVER)
        return None if first == FOREVER else first

    async def waiting(self) -> dict[str, int]:
        """As `Queues.waiting`."""
        counts: dict[str, int] = defaultdict(int)
        for id in self._unfinished:
            kept = self._jobs[id]
            if kept.state in (State.QUEUED, State.WAITING):
                counts[kept.job.group] += 1
        return dict(counts)

    async def uncache(self, handler: str, cache_key: str = "") -> int:
        """As `Jobs.uncache`."""
        gone = [
            key
            for key, id in self._cached.items()
            if self._jobs[id].state in ENDS and self._jobs[id].job.handler == handler and cache_key in ("", key)
        ]
        for key in gone:
            del self._cached[key]
        return len(gone)

    # -- logs --------------------------------------------------------------------------------------------------------

    async def append(self, lease: Lease, said: Sequence[Said], now: float) -> int | None:
        """As `Logs.append`."""
        if not self._holds(lease):
            return None
        first = self._jobs[lease.id].offset
        self._say(lease.id, said, now)
        return first

    async def read(self, id: str, offset: int, limit: int, size: int = READ_SIZE) -> list[Entry]:
        """As `Logs.read`. An event takes what its payload and its text do, about."""
        entries: list[Entry] = []
        begin = max(0, offset - self._jobs[id].first) if id in self._jobs else 0
        for entry in islice(self._logs.get(id, ()), begin, begin + limit):
            if size <= 0:
                break
            entries.append(entry)
            size -= len(entry.event.payload.data) + len(entry.event.text)
        return entries

    async def trim(self, id: str, upto: int, cut: int) -> bool:
        """As `Logs.trim`."""
        kept = self._jobs.get(id)
        if kept is None or not kept.first < upto < kept.offset:
            return False
        del self._logs[id][: upto - kept.first]
        self._jobs[id] = replace(kept, first=upto, cut=cut)
        return True

    # -- how long they are kept --------------------------------------------------------------------------------------

    async def declare(self, declared: Sequence[Declared]) -> None:
        """As `Keeping.declare`."""
        self._declared |= {(one.group, one.handler): one for one in declared}

    async def declared(self) -> list[Declared]:
        """As `Keeping.declared`."""
        return [one for _, one in sorted(self._declared.items())]

    async def history(self) -> list[History]:
        """As `Keeping.history`."""
        return [History(name, marks[0].ended, marks[-1].ended) for name, marks in sorted(self._ended.items()) if marks]

    async def surplus(self, handler: str, keep: int) -> Mark | None:
        """As `Keeping.surplus`."""
        marks = self._ended.get(handler, [])
        return marks[-keep - 1] if keep < len(marks) else None

    async def prune(self, wanted: Prune) -> Pruned:
        """As `Keeping.prune`."""
        marks = self._ended.get(wanted.handler, [])
        begin = bisect_right(marks, wanted.after)
        looked = marks[begin : min(begin + wanted.jobs, bisect_right(marks, wanted.upto))]
        jobs = entries = 0
        size, after = wanted.size, wanted.after
        for mark in looked:
            kept = self._jobs[mark.id]
            if self._is_needed(kept):
                after = mark
                continue
            if entries >= wanted.entries or size <= 0:
                return Pruned(jobs, entries, after)
            size -= len(kept.job.args.data)
            upto = kept.first
            for entry in islice(self._logs[mark.id], wanted.entries - entries):
                upto, size = upto + 1, size - len(entry.event.payload.data) - len(entry.event.text)
                if size <= 0:
                    break
            entries += upto - kept.first
            if upto < kept.offset:
                await self.trim(mark.id, upto, kept.cut)
                return Pruned(jobs, entries, after)
            self._forget(kept)
            jobs, after = jobs + 1, mark
        return Pruned(jobs, entries, after if len(looked) == wanted.jobs else None)

    # -- schedules ---------------------------------------------------------------------------------------------------

    async def put_schedule(self, schedule: Schedule) -> None:
        """As `Schedules.put_schedule`."""
        old = self._schedules.get(schedule.name)
        if old is not None:
            same = (old.cron, old.timezone) == (schedule.cron, schedule.timezone)
            next_at = old.next_at if same else schedule.next_at
            schedule = replace(schedule, next_at=next_at, fired=old.fired, last=old.last)
        self._schedules[schedule.name] = schedule

    async def drop_schedule(self, name: str) -> bool:
        """As `Schedules.drop_schedule`."""
        return self._schedules.pop(name, None) is not None

    async def schedules(self) -> list[Schedule]:
        """As `Schedules.schedules`."""
        return [self._schedules[name] for name in sorted(self._schedules)]

    async def fire(self, name: str, fired: int, next_at: float, job: DurableJob | None, now: float) -> bool:
        """As `Schedules.fire`."""
        schedule = self._schedules.get(name)
        if schedule is None or schedule.fired != fired:
            return False
        last = schedule.last if job is None else (await self.add(job, now)).kept.job.id
        self._schedules[name] = replace(schedule, fired=fired + (job is not None), next_at=next_at, last=last)
        return True

    # -- steps -------------------------------------------------------------------------------------------------------

    def _found(self, job: DurableJob, now: float) -> Added | None:
        kept = self._jobs.get(self._keys.get(job.key, "")) if job.key else None
        if kept is not None and kept.job.key_until > now:
            return Added(kept, "key")
        kept = self._jobs.get(self._cached.get(job.cache_key, "")) if job.cache_key else None
        if kept is None:
            return None
        if kept.ended is None:
            return Added(kept, "twin")
        return Added(kept, "cached") if kept.ended + kept.job.cache_ttl > now else None

    def _say(self, id: str, said: Iterable[Said], now: float) -> None:
        log, kept = self._logs[id], self._jobs[id]
        for one in said:
            log.append(Entry(kept.first + len(log), now, one.event, one.number))
        self._jobs[id] = replace(kept, offset=kept.first + len(log))

    def _holds(self, lease: Lease) -> bool:
        kept = self._jobs.get(lease.id)
        return kept is not None and kept.state in LEASED and kept.epoch == lease.epoch

    def _queue(self, kept: KeptJob) -> None:
        heapq.heappush(self._later[kept.job.group], (kept.run_at, kept.job.id))

    def _ripen(self, group: str, now: float) -> None:
        later, due = self._later[group], self._due[group]
        while later and later[0][0] <= now:
            run_at, id = heapq.heappop(later)
            kept = self._jobs.get(id)
            if kept is not None and kept.state is State.QUEUED and kept.run_at == run_at:
                heapq.heappush(due, (-kept.job.priority, run_at, id))

    def _end(self, id: str, state: State, last: Event | None, now: float, *, answers: bool = False) -> None:
        kept = replace(self._jobs[id], state=state, last=last, ended=now, lease_until=0.0)
        self._jobs[id] = kept
        self._unfinished.pop(id, None)
        insort(self._ended[kept.job.handler], Mark(now, id))
        if not answers and self._cached.get(kept.job.cache_key) == id:
            del self._cached[kept.job.cache_key]
        for parent in kept.job.after:
            self._children[parent].pop(id, None)
            if not self._children[parent]:
                del self._children[parent]
        for child in list(self._children.get(id, ())):
            waiting = self._jobs.get(child)
            if waiting is None or waiting.state is not State.WAITING:
                continue
            if state is not State.SUCCEEDED:
                self._fail_with(child, id, now)
            elif all(self._jobs[parent].state is State.SUCCEEDED for parent in waiting.job.after):
                self._jobs[child] = waiting = replace(waiting, state=State.QUEUED)
                self._queue(waiting)

    def _fail_with(self, id: str, parent: str, now: float) -> None:
        text = f"job {parent}, which this one was to come after, ended as {self._jobs[parent].state}"
        event = Event(Kind.FAILED, fault=Fault("PARENT_FAILED", text, False, {"parent": parent}))
        self._say(id, (Said(event),), now)
        self._end(id, State.FAILED, event, now)

    def _is_needed(self, kept: KeptJob) -> bool:
        id, now = kept.job.id, self.now()
        if self._children.get(id):
            return True
        if self._keys.get(kept.job.key) == id and kept.job.key_until > now:
            return True
        cached = self._cached.get(kept.job.cache_key) == id
        return cached and now < (kept.ended or 0.0) + kept.job.cache_ttl < FOREVER

    def _forget(self, kept: KeptJob) -> None:
        job = kept.job
        del self._jobs[job.id], self._logs[job.id]
        marks = self._ended[job.handler]
        del marks[bisect_left(marks, Mark(kept.ended or 0.0, job.id))]
        for index, key in ((self._keys, job.key), (self._cached, job.cache_key)):
            if index.get(key) == job.id:
                del index[key]
