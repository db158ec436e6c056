"""Schedules: kept for handlers whose workers ask for them, and fired when their time has come.

Each hub on a store looks after all its schedules. Who sets the next time first adds the job; the others come too late.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from datetime import UTC, tzinfo
from functools import partial
from zoneinfo import ZoneInfo

import structlog

from farhand.core.scheduling import BadCron, check_cron, decide, firing_id, next_time, schedule_name
from farhand.errors import FarhandError, ScheduleNotFound, Unavailable
from farhand.model.durable import FOREVER, DurableJob, KeptJob, Retries
from farhand.model.handler import HandlerSpec
from farhand.model.state import State
from farhand.model.worker import WorkerInfo
from farhand.ports.store import Schedule, Store

LOOK_EVERY = 1.0
"""Seconds between looks at what other hubs on the store have done to the schedules."""
FIRE_TRIES = 20

_UNBEGUN = frozenset({State.WAITING, State.QUEUED})


class Schedules:
    """The schedules of a hub's store. All calls belong to the hub's event loop."""

    def __init__(self, store: Store, added: Callable[[], None]) -> None:
        """`added` is called when a job has been added."""
        self._store = store
        self._added = added
        self._wake = asyncio.Event()
        self._joined: list[WorkerInfo] = []
        self._odd: set[str] = set()
        self._log = structlog.get_logger("farhand.schedules")

    def hear(self, info: WorkerInfo) -> None:
        """A worker introduced itself; what it says of schedules is kept soon."""
        self._joined.append(info)
        self._wake.set()

    async def run(self) -> None:
        """Keep what workers ask for, and fire what is due, for as long as the hub lives."""
        while True:
            self._wake.clear()
            try:
                pause = await self._look()
            except FarhandError as error:
                self._log.warning("schedules can't be looked after; trying again", why=error.message)
                pause = LOOK_EVERY
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._wake.wait()

    async def all(self) -> list[Schedule]:
        """Every schedule, by name."""
        return await self._store.schedules()

    async def drop(self, name: str) -> None:
        """Forget one; a worker that asks for it again brings it back.

        Raises:
            ScheduleNotFound: there is none of this name.
        """
        if not await self._store.drop_schedule(name):
            raise _unknown(name)

    async def fire(self, name: str, id: str) -> KeptJob:
        """Add a job of a schedule now, whatever its time; it goes on as if nothing had been.

        Raises:
            ScheduleNotFound: there is none of this name.
            Unavailable: others fired it again and again meanwhile.
        """
        for _ in range(FIRE_TRIES):
            schedule = next((one for one in await self._store.schedules() if one.name == name), None)
            if schedule is None:
                raise _unknown(name)
            now = self._store.now()
            if await self._store.fire(name, schedule.fired, schedule.next_at, _job(schedule, id, now), now):
                self._added()
                kept = await self._store.get(id)
                assert kept is not None
                return kept
        raise Unavailable(f"schedule {name!r} is fired by others all the time; try again")

    # -- the chore ---------------------------------------------------------------------------------------------------

    async def _look(self) -> float:
        """Do what is to be done; seconds until the next look."""
        await self._register()
        soonest = FOREVER
        for schedule in await self._store.schedules():
            if schedule.next_at <= self._store.now():
                await self._due(schedule)
            else:
                soonest = min(soonest, schedule.next_at)
        return min(LOOK_EVERY, max(0.0, soonest - self._store.now()))

    async def _register(self) -> None:
        """Keep, change and drop schedules as the workers that came say; the last one's word counts."""
        if not self._joined:
            return
        kept = {one.name: one for one in await self._store.schedules()}
        while self._joined:
            info = self._joined[0]
            for spec in info.handlers:
                name = schedule_name(info.group, spec.name)
                wanted = self._wanted(name, info.group, spec)
                old = kept.get(name)
                if wanted is None:
                    if old is not None:
                        await self._store.drop_schedule(name)
                        del kept[name]
                        self._log.info("schedule dropped", schedule=name, worker=info.id)
                elif old is None or _terms(old) != _terms(wanted):
                    await self._store.put_schedule(wanted)
                    kept[name] = wanted
                    self._log.info("schedule kept", schedule=name, cron=wanted.cron, timezone=wanted.timezone)
            del self._joined[0]

    def _wanted(self, name: str, group: str, spec: HandlerSpec) -> Schedule | None:
        said = spec.durable
        if not said.schedule:
            return None
        zone = self._zone(name, said.timezone)
        try:
            at = None if zone is None else next_time(check_cron(said.schedule), zone, self._store.now())
        except BadCron as error:
            self._log.warning("a worker asks for a schedule that can't be", schedule=name, why=str(error))
            return None
        return Schedule(
            name=name,
            handler=spec.name,
            group=group,
            cron=said.schedule,
            timezone=said.timezone,
            missed=said.missed,
            retries=Retries(attempts=said.attempts, backoff=said.backoff, never=said.never),
            next_at=FOREVER if at is None else at,
        )

    async def _due(self, schedule: Schedule) -> None:
        zone = self._zone(schedule.name, schedule.timezone)
        if zone is None:
            return
        last = await self._store.get(schedule.last) if schedule.last else None
        begun = last is None or last.state not in _UNBEGUN or last.attempt > 0
        now = self._store.now()
        next_after = partial(next_time, schedule.cron, zone)
        firing = decide(schedule.next_at, schedule.missed, now, begun, next_after)
        if firing is None:
            return
        job = None
        if firing.due is not None:
            job = _job(schedule, firing_id(schedule.name, schedule.fired, firing.due), now)
        if await self._store.fire(schedule.name, schedule.fired, firing.next_at, job, now):
            if job is not None:
                self._added()
            else:
                why = "nobody was there in time" if begun else "its last job has not begun"
                self._log.info("a schedule's time is left out", schedule=schedule.name, why=why)

    def _zone(self, name: str, timezone: str) -> tzinfo | None:
        """The clocks of a timezone; None where this machine doesn't know it, which is said once."""
        if timezone == "UTC":
            return UTC
        try:
            return ZoneInfo(timezone)
        except (KeyError, ValueError, OSError):  # no such name, a name that is a path, a folder
            if name not in self._odd:
                self._odd.add(name)
                why = f"there is no timezone {timezone!r} on this machine: install tzdata, or correct the name"
                self._log.warning("a schedule can't be kept by this hub", schedule=name, why=why)
            return None


def _terms(schedule: Schedule) -> tuple[object, ...]:
    """What a worker says of a schedule."""
    named = (schedule.handler, schedule.group, schedule.cron, schedule.timezone)
    return (*named, schedule.missed, schedule.retries)


def _job(schedule: Schedule, id: str, now: float) -> DurableJob:
    """The job of a firing. It is work of its own whatever was done before, so it has no cache key."""
    return DurableJob(
        id=id,
        handler=schedule.handler,
        group=schedule.group,
        created=now,
        run_at=now,
        retries=schedule.retries,
        schedule=schedule.name,
    )


def _unknown(name: str) -> ScheduleNotFound:
    return ScheduleNotFound(f"there is no schedule {name[:80]!r}; `farhand schedules` lists them")
