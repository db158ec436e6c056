"""Which job goes to which worker. Choosing and reserving is one move, so a slot is never promised twice.

A job goes to the least busy worker of its group that serves its handler, has its labels and a free slot; among equals
to the one idle longest, or of those that ask for it to the one that joined first. Where there is none it waits, FIFO
within its priority, in a queue bounded per group.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from difflib import get_close_matches

import msgspec

from farhand.core.queues import NO_LABELS, Labels, Lane, Need
from farhand.core.seats import Pool, Seat
from farhand.errors import HandlerNotFound, Overloaded
from farhand.model.job import Job
from farhand.model.worker import WorkerInfo

QUEUE_LIMIT = 10_000
TOTAL_LIMIT = 100_000
KNOWN_LIMIT = 10_000


class GroupView(msgspec.Struct, frozen=True):
    """A group as listed. `oldest` is when its longest-waiting job was submitted."""

    name: str
    workers: int
    running: int
    waiting: int
    oldest: float | None


class Offer(msgspec.Struct, frozen=True):
    """Free slots of workers that serve the same handlers with the same labels."""

    group: str
    handlers: frozenset[str]
    labels: Mapping[str, str]
    free: int


class _Group:
    __slots__ = ("known", "lanes", "name", "pools", "seats", "waiting")

    def __init__(self, name: str) -> None:
        self.name = name
        self.seats: dict[int, Seat] = {}
        self.pools: dict[tuple[frozenset[str], Labels], Pool] = {}
        self.lanes: dict[Need, Lane] = {}
        self.known: dict[str, None] = {}
        self.waiting = 0


class Dispatch:
    """The groups, their workers' slots and their queues."""

    __slots__ = ("_groups", "_limit", "_order", "_seats", "_total", "_total_limit", "_turn", "_waiting")

    def __init__(self, queue_limit: int = QUEUE_LIMIT, total_limit: int = TOTAL_LIMIT) -> None:
        self._limit = queue_limit
        self._total_limit = total_limit
        self._groups: dict[str, _Group] = {}
        self._seats: dict[int, Seat] = {}
        self._waiting: dict[str, Need] = {}
        self._order = 0
        self._turn = 0
        self._total = 0

    def join(self, link: int, info: WorkerInfo, *, in_turn: bool = True) -> None:
        """A worker offers its slots. `in_turn` as in `events.WorkerJoined`."""
        group = self._groups.setdefault(info.group, _Group(info.group))
        key = (frozenset(spec.name for spec in info.handlers), frozenset(info.labels.items()))
        pool = group.pools.get(key)
        if pool is None:
            pool = group.pools[key] = Pool(*key)
        seat = Seat(link, info, pool, in_turn)
        self._seats[link] = group.seats[link] = pool.seats[link] = seat
        pool.offer(seat)
        for name in sorted(pool.handlers):
            group.known.pop(name, None)
            group.known[name] = None
        while len(group.known) > KNOWN_LIMIT:
            del group.known[next(iter(group.known))]

    def occupy(self, link: int, count: int) -> None:
        """So many of its slots are taken already."""
        seat = self._seats[link]
        for _ in range(count):
            self._occupy(seat)

    def leave(self, link: int) -> None:
        """It is gone; its slots with it."""
        seat = self._seats.pop(link)
        group = self._groups[seat.info.group]
        del seat.pool.seats[link]
        if not seat.pool.seats:
            del group.pools[seat.pool.handlers, seat.pool.labels]
        del group.seats[link]

    def set_open(self, link: int, is_open: bool) -> None:
        """Whether it takes new work."""
        seat = self._seats[link]
        seat.open = is_open
        if is_open:
            seat.pool.offer(seat)

    def place(self, job: Job, pinned: int | None = None) -> int | None:
        """The link whose slot is now the job's; None: it waits.

        Raises:
            HandlerNotFound: the group has workers, and none of them ever served this handler.
            Overloaded: the group's queue is full.
        """
        group = self._groups.get(job.group)
        if group is None:
            group = self._groups[job.group] = _Group(job.group)
        elif group.seats and job.handler not in group.known:
            raise self._unknown(job, group)
        labels = frozenset(job.labels.items()) if job.labels else NO_LABELS
        if not group.lanes or Need(job.handler, labels, pinned) not in group.lanes:
            seat = self._free_seat(group, job.handler, labels, pinned)
            if seat is not None:
                self._occupy(seat)
                return seat.link
        self._wait(group, job, Need(job.handler, labels, pinned))
        return None

    def put_back(self, job: Job, pinned: int | None = None) -> int | None:
        """Place again a job that was refused or moved, ahead of those that came after it; always accepted."""
        group = self._groups[job.group]
        labels = frozenset(job.labels.items()) if job.labels else NO_LABELS
        seat = self._free_seat(group, job.handler, labels, pinned)
        if seat is not None:
            self._occupy(seat)
            return seat.link
        self._turn -= 1
        self._queue(group, job, Need(job.handler, labels, pinned), self._turn, front=True)
        return None

    def serves(self, group: str, handler: str) -> bool:
        """Whether a connected worker of the group serves this handler."""
        found = self._groups.get(group)
        return found is not None and any(handler in pool.handlers for pool in found.pools.values())

    @property
    def waiting(self) -> int:
        """Jobs that wait, over all groups."""
        return self._total

    def release(self, link: int) -> None:
        """A job on this worker is over: its slot is free."""
        seat = self._seats[link]
        seat.used -= 1
        self._touch(seat)
        seat.pool.offer(seat)

    def next_for(self, link: int) -> Job | None:
        """The waiting job that this worker is to take now, its slot reserved; None: nothing fits or is free."""
        seat = self._seats[link]
        group = self._groups[seat.info.group]
        if not group.waiting or seat.free <= 0:
            return None
        lanes = [lane for lane in group.lanes.values() if seat.fits(lane.need)]
        if not lanes:
            return None
        lane = min(lanes, key=Lane.head)
        job = lane.pop()
        self._forget(group, lane, job.id)
        self._occupy(seat)
        return job

    def withdraw(self, job: Job) -> None:
        """Take a waiting job out of its queue."""
        group = self._groups[job.group]
        lane = group.lanes[self._waiting[job.id]]
        lane.remove(job)
        self._forget(group, lane, job.id)

    def groups(self) -> Iterator[GroupView]:
        """Every group that has a worker or a waiting job."""
        for group in self._groups.values():
            if group.seats or group.waiting:
                oldest = min((lane.oldest() for lane in group.lanes.values()), default=None)
                running = sum(seat.used for seat in group.seats.values())
                yield GroupView(group.name, len(group.seats), running, group.waiting, oldest)

    def offers(self) -> Iterator[Offer]:
        """Free slots that no waiting job wants, by what they serve."""
        for group in self._groups.values():
            for pool in group.pools.values():
                free = sum(seat.free for seat in pool.seats.values()) - group.waiting
                if free > 0:
                    yield Offer(group.name, pool.handlers, dict(pool.labels), free)

    def why_waiting(self, job: Job) -> str:
        """What a job lacks, in words."""
        group = self._groups.get(job.group)
        if group is None or not group.seats:
            others = sorted(one.name for one in self._groups.values() if one.seats)
            known = f"groups with workers: {', '.join(others)}" if others else "no worker is connected at all"
            return f"group {job.group!r} has no worker ({known})"
        serving = [seat for seat in group.seats.values() if job.handler in seat.pool.handlers]
        if not serving:
            return f"no connected worker of group {job.group!r} serves {job.handler!r} any more"
        labels = frozenset(job.labels.items())
        fitting = [seat for seat in serving if labels <= seat.pool.labels]
        if not fitting:
            wanted = ", ".join(f"{key}={value}" for key, value in sorted(labels))
            return f"no worker of group {job.group!r} that serves {job.handler!r} has the labels {wanted}"
        if not any(seat.open for seat in fitting):
            return f"every worker of group {job.group!r} that serves {job.handler!r} is stalled or draining"
        return (
            f"all {sum(seat.info.slots for seat in fitting)} slots for {job.handler!r} in group {job.group!r} are taken"
        )

    def _free_seat(self, group: _Group, handler: str, labels: Labels, pinned: int | None) -> Seat | None:
        if pinned is not None:
            seat = group.seats.get(pinned)
            return seat if seat is not None and seat.free > 0 and seat.pool.fits(handler, labels) else None
        best: Seat | None = None
        for pool in group.pools.values():
            if pool.fits(handler, labels):
                seat = pool.best()
                if seat is not None and (best is None or seat.rank < best.rank):
                    best = seat
        return best

    def _occupy(self, seat: Seat) -> None:
        seat.used += 1
        self._touch(seat)

    def _touch(self, seat: Seat) -> None:
        """Note when, or of one that isn't taken in turn how busy: equals are then told apart by who joined first."""
        if seat.in_turn:
            self._order = seat.touched = self._order + 1
        else:
            seat.touched = seat.used

    def _wait(self, group: _Group, job: Job, need: Need) -> None:
        if group.waiting >= self._limit or self._total >= self._total_limit:
            full, limit = (
                (f"group {group.name!r}", self._limit)
                if group.waiting >= self._limit
                else ("the hub", self._total_limit)
            )
            if not group.seats and not group.waiting:
                del self._groups[group.name]
            raise Overloaded(
                f"{limit:,} jobs wait for {full} already: retry later, or add workers", retry_after=1.0, limit=limit
            )
        self._order += 1
        self._queue(group, job, need, self._order)

    def _queue(self, group: _Group, job: Job, need: Need, order: int, *, front: bool = False) -> None:
        lane = group.lanes.get(need)
        if lane is None:
            lane = group.lanes[need] = Lane(need)
        lane.add(job, order, front=front)
        self._waiting[job.id] = need
        group.waiting += 1
        self._total += 1

    def _forget(self, group: _Group, lane: Lane, job: str) -> None:
        if not lane:
            del group.lanes[lane.need]
        del self._waiting[job]
        group.waiting -= 1
        self._total -= 1
        if not group.waiting and not group.seats and not group.known:
            del self._groups[group.name]

    def _unknown(self, job: Job, group: _Group) -> HandlerNotFound:
        similar = get_close_matches(job.handler, group.known, n=3, cutoff=0.5)
        elsewhere = sorted(one.name for one in self._groups.values() if one is not group and job.handler in one.known)
        hint = f"; did you mean {' or '.join(similar)}?" if similar else ""
        if elsewhere:
            hint += f"; group {' and '.join(elsewhere)} serves it"
        served = len(group.known)
        return HandlerNotFound(
            f"no worker of group {group.name!r} serves {job.handler!r}{hint or f' (it serves {served} others)'}",
            handler=job.handler,
            group=group.name,
            similar=similar,
            elsewhere=elsewhere,
        )
