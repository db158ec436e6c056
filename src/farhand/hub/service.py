"""The verbs that every front calls, and the one place where the machine's effects are performed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Protocol

import structlog

from farhand.core import effects as do
from farhand.core import events as on
from farhand.core.dispatch import GroupView, Offer
from farhand.core.machine import Limits, Machine
from farhand.errors import InvalidArguments, JobNotFound, Unavailable
from farhand.hub.ids import Ids
from farhand.hub.metering import Meter
from farhand.hub.transfers import Transfers
from farhand.model.event import Event, Kind
from farhand.model.handler import HandlerView
from farhand.model.job import ATTEMPT_MARK, NO_LABELS, Input, Job
from farhand.model.limits import NAME_LIMIT, SESSION_TTL, WINDOW_LIMIT
from farhand.model.names import check_name
from farhand.model.payload import NOTHING, Payload
from farhand.model.session import OnLoss, Session
from farhand.model.worker import Hold, WorkerInfo, WorkerView

LABELS_LIMIT = 32

FOREVER = 1e9
"""Seconds; a longer timeout is none, so that its milliseconds fit a frame."""

_SUCCEEDED = int(Kind.SUCCEEDED)

_checked = lru_cache(maxsize=4096)(check_name)


class Sink(Protocol):
    """Where a caller's events go. Called on the hub's loop; it must not block or raise."""

    def deliver(self, tag: int, event: Event, number: int) -> None:
        """One event of the job submitted with `tag`; nothing follows a final one."""


class WorkerPort(Protocol):
    """How a connected worker is spoken to. Called on the hub's loop; it must not block or raise."""

    def assign(self, job: Job, session_data: Payload, moved: bool) -> None:
        """Give it a job whose slot is reserved."""

    def cancel(self, job: str, reason: str) -> None:
        """Ask it to end a job."""

    def credit(self, job: str, amount: int) -> None:
        """Let it send more chunks of a job, in bytes."""

    def adopt(self, job: str, chunks: int) -> None:
        """Let it say again what it said of a job it holds after so many chunks, and go on."""

    def release(self, job: str) -> None:
        """Let it forget a leased job's end."""

    def drop_session(self, session: str) -> None:
        """Let it forget a session's state."""

    def close(self, code: str, message: str) -> None:
        """Say goodbye and close."""


class _Nobody:
    """The sink of a caller who has left."""

    def deliver(self, tag: int, event: Event, number: int) -> None:
        """Nobody listens any more."""


_NOBODY = _Nobody()


class Hub:
    """One hub. Not thread-safe: all calls on the event loop it was made in.

    A front that tells many things in a row calls `settle()` once after them.
    """

    def __init__(
        self,
        limits: Limits | None = None,
        now: Callable[[], float] = time.monotonic,
        transfers: Transfers | None = None,
    ) -> None:
        self.now = now
        self.transfers = transfers or Transfers()
        self.id = Ids()()
        self.started = now()
        self.new_id = Ids()
        self._machine = Machine(limits)
        self._sinks: dict[str, tuple[Sink, int, Job]] = {}
        self._ports: dict[int, WorkerPort] = {}
        self._ended: dict[str, int] = {}
        self._links = 0
        self._armed: tuple[float, asyncio.TimerHandle] | None = None
        self._quiet: asyncio.Event | None = None
        self.on_room: Callable[[], None] | None = None
        """Called when slots have become free."""
        self.on_join: Callable[[WorkerInfo], None] | None = None
        """Called with what a worker says of itself when it connects."""
        self.on_hold: Callable[[int, WorkerInfo, Sequence[Hold]], None] | None = None
        """Called with the leased jobs that a worker holds when it connects on a link."""
        self.lease = 0.0
        """Seconds that leased jobs are a worker's after it last heard the hub; 0: none are."""
        self.meter: Meter | None = None
        """Told of assignments and ends, where somebody wants to know."""
        self._log = structlog.get_logger("farhand.hub")
        self._perform: dict[type, Callable[[Any], None]] = {
            do.Assign: self._do_assign,
            do.CancelJob: self._do_cancel,
            do.GiveCredit: self._do_credit,
            do.DropSession: self._do_drop,
            do.CloseWorker: self._do_close,
            do.Deliver: self._do_deliver,
            do.Adopt: self._do_adopt,
            do.Release: self._do_release,
        }

    # -- for callers -------------------------------------------------------------------------------------------------

    def submit(
        self,
        sink: Sink,
        tag: int,
        handler: str,
        args: Payload,
        *,
        timeout: float | None,
        group: str = "",
        priority: int = 0,
        labels: Mapping[str, str] = NO_LABELS,
        session: str = "",
        window: int = 0,
        events: bool = False,
        durable: tuple[str, int] | None = None,
        inputs: tuple[Input, ...] = (),
    ) -> str:
        """Take on a job; its id. `timeout` in seconds; `window` and `events` as in `Job`; of `window`,
        4 MiB count. `durable` is the id and attempt of the durable job that this is a try of, `inputs` what it takes
        from others.

        Raises:
            FarhandError: it is refused, as the class says; the sink gets nothing.
        """
        now = self.now()
        id = self.new_id() if durable is None else f"{durable[0]}{ATTEMPT_MARK}{durable[1]}"
        job = Job(
            id,
            _checked("handler", handler),
            args,
            _checked("group", group) if group else "default",
            self.deadline(timeout),
            priority,
            _check_labels(labels) if labels else NO_LABELS,
            session,
            window if window <= WINDOW_LIMIT else WINDOW_LIMIT,
            events,
            now,
            1 if durable is None else durable[1],
            inputs,
            durable is not None,
        )
        self._sinks[id] = (sink, tag, job)
        try:
            effects = self._machine.handle(on.Submitted(job), now)
        except BaseException:
            del self._sinks[id]
            raise
        self._do(effects)
        return id

    def cancel(self, job: str) -> None:
        """Ask for a job's end; the receipt is its last event.

        Raises:
            JobNotFound: it isn't unfinished on this hub.
        """
        self.tell(on.CancelAsked(job))

    def abandon(self, job: str) -> None:
        """Its caller has left: cancel it and tell nobody."""
        if job in self._sinks:
            self._sinks[job] = (_NOBODY, 0, self._sinks[job][2])
            self.tell(on.CancelAsked(job))

    def adopt(self, link: int, sink: Sink, job: Job, chunks: int) -> None:
        """Take on a leased job that the worker on `link` held when it joined, and of which `chunks` are kept.

        Raises:
            JobNotFound: it holds it no more, or somebody else has it here.
        """
        if job.id in self._sinks:
            raise JobNotFound(f"job {job.id} is another's at this hub")
        self._sinks[job.id] = (sink, 0, job)
        try:
            self.tell(on.JobAdopted(link, job, chunks))
        except BaseException:
            del self._sinks[job.id]
            raise

    def deadline(self, timeout: float | None) -> float | None:
        """When so many seconds from now are over; None for never."""
        return None if timeout is None or timeout > FOREVER else self.now() + timeout

    def holds(self, link: int, job: str) -> bool:
        """Whether the worker on `link` has a slot taken by this job."""
        return self._machine.holds(link, job)

    def disown(self, link: int, job: str) -> None:
        """Tell the worker on `link` that a leased job it held when it joined is another's, or over."""
        self.tell(on.JobDisowned(link, job))

    def release(self, job: str) -> None:
        """Tell the worker on which a leased job ended that the end is kept, or won't be."""
        link = self._ended.pop(job, None)
        port = self._ports.get(link) if link is not None else None
        if port is not None:
            port.release(job)

    def watch_end(self, job: str, sink: Sink) -> None:
        """Let `sink` also see the job's events from now on, with tag 0.

        Raises:
            JobNotFound: it isn't unfinished on this hub.
        """
        if job not in self._sinks:
            raise JobNotFound(f"no unfinished job {job[:NAME_LIMIT]!r}: it has ended, or never was on this hub")
        first, tag, noun = self._sinks[job]
        self._sinks[job] = (_Both(first, sink), tag, noun)

    def open_session(self, group: str, ttl: float, on_loss: str, labels: Mapping[str, str], data: Payload) -> str:
        """Open a session; its id. `ttl` in seconds, 0 for 3600; `on_loss` is "fail" (also when empty) or "move".

        Raises:
            FarhandError: it is refused, as the class says.
        """
        if on_loss not in ("", "fail", "move"):
            raise InvalidArguments(f"on_loss must be 'fail' or 'move', not {on_loss[:40]!r}")
        if not 0 <= ttl <= 31_536_000:
            raise InvalidArguments(f"ttl must be 0 to 31,536,000 seconds, not {ttl:g}")
        loss: OnLoss = "move" if on_loss == "move" else "fail"
        session = Session(
            id=self.new_id(),
            group=_checked("group", group or "default"),
            ttl=ttl or SESSION_TTL,
            on_loss=loss,
            labels=_check_labels(labels) if labels else NO_LABELS,
            data=data,
        )
        self.tell(on.SessionOpened(session))
        self.settle()
        return session.id

    def close_session(self, session: str) -> None:
        """Close a session; one that isn't open is closed already."""
        self.tell(on.SessionClosed(session))

    # -- for workers -------------------------------------------------------------------------------------------------

    def join(self, info: WorkerInfo, port: WorkerPort, holds: Sequence[Hold] = (), *, in_turn: bool = True) -> int:
        """A worker connected, which holds these leased jobs; the number of its link, by which its front names it from
        now on. `in_turn` as in `core.events.WorkerJoined`. A hub without leases has nothing to do with what is held,
        and its worker lets it go.

        Raises:
            ProtocolViolation: it holds more than it has slots.
        """
        self._links += 1
        link = self._links
        self._ports[link] = port
        held = tuple([hold.job for hold in holds]) if self.on_hold is not None else ()
        try:
            self.tell(on.WorkerJoined(link, info, held, in_turn))
        except BaseException:
            del self._ports[link]
            raise
        self.settle()
        if self.on_hold is not None:
            self.on_hold(link, info, holds)
        if self.on_join is not None:
            self.on_join(info)
        if self.on_room is not None:
            self.on_room()
        self._log.info("worker joined", worker=info.id, group=info.group, slots=info.slots, handlers=len(info.handlers))
        return link

    def leave(self, link: int, *, clean: bool) -> None:
        """A worker's connection is over."""
        if self._ports.pop(link, None) is not None:
            self.tell(on.WorkerLeft(link, clean))
            self._log.info("worker left", link=link, clean=clean)

    def tell(self, event: on.Input) -> None:
        """Let the machine decide on an event, and do what it says.

        Raises:
            FarhandError: the event is refused; nothing has changed.
        """
        effects = self._machine.handle(event, self.now())
        if effects:
            self._do(effects)

    def settle(self) -> None:
        """Set the timer for what the machine waits for; call it after a frame's events were told."""
        at = self._machine.wake_at()
        if at is None or (self._armed is not None and self._armed[0] <= at):
            return
        if self._armed is not None:
            self._armed[1].cancel()
        delay = max(0.0, at - self.now())
        self._armed = (at, asyncio.get_running_loop().call_later(delay, self._tick))

    def check_open(self) -> None:
        """See that it takes new work.

        Raises:
            Unavailable: it is stopping.
        """
        if self._machine.draining:
            raise Unavailable("the hub is stopping and takes no new work: retry in a moment, or elsewhere")

    # -- what is here ------------------------------------------------------------------------------------------------

    def workers(self, group: str = "") -> list[WorkerView]:
        """The connected workers, of one group or of all."""
        return [view for view in self._machine.workers(self.now()) if not group or view.info.group == group]

    def handlers(self, group: str = "") -> list[HandlerView]:
        """What can be called, in one group or in all: one entry a group and name, in their order, as the newest worker
        describes it."""
        found: dict[tuple[str, str], HandlerView] = {}
        for view in self.workers(group):
            free = max(0, view.info.slots - view.running)
            for spec in view.info.handlers:
                key = (view.info.group, spec.name)
                before = found.get(key)
                workers, slots = (before.workers, before.slots_free) if before is not None else (0, 0)
                found[key] = HandlerView(view.info.group, spec, workers + 1, slots + free)
        return [found[key] for key in sorted(found)]

    def serves(self, group: str, handler: str) -> bool:
        """Whether a connected worker of the group serves this handler."""
        return self._machine.serves(group, handler)

    def groups(self) -> list[GroupView]:
        """The groups that have workers or waiting jobs."""
        return list(self._machine.groups())

    def offers(self) -> list[Offer]:
        """Free slots that no waiting job wants."""
        return list(self._machine.offers())

    def knows(self, job: str) -> bool:
        """Whether this job hasn't ended yet."""
        return self._machine.knows(job)

    @property
    def draining(self) -> bool:
        """Whether it takes no new work."""
        return self._machine.draining

    @property
    def running(self) -> int:
        """Slots taken, over all workers."""
        return self._machine.running

    # -- the end -----------------------------------------------------------------------------------------------------

    async def drain(self, grace: float) -> bool:
        """Take nothing new and wait up to `grace` seconds for what runs; whether all of it finished."""
        self._quiet = asyncio.Event()
        self.tell(on.DrainBegan())
        if not self._sinks:
            return True
        try:
            async with asyncio.timeout(grace):
                await self._quiet.wait()
        except TimeoutError:
            return False
        return True

    def stop(self) -> None:
        """Tell every caller whose job is left that the hub stops, and take nothing new."""
        self.tell(on.Stopped())
        if self._armed is not None:
            self._armed[1].cancel()
            self._armed = None

    # -- effects -----------------------------------------------------------------------------------------------------

    def _do(self, effects: list[do.Effect]) -> None:
        perform = self._perform
        for effect in effects:
            perform[effect.__class__](effect)

    def _do_deliver(self, effect: do.Deliver) -> None:
        event = effect.event
        if event.kind >= _SUCCEEDED:
            sink, tag, job = self._sinks.pop(effect.job)
            if self.meter is not None:
                self.meter.ended(job, event.kind)
            if effect.link is not None:
                self._ended[effect.job] = effect.link
            sink.deliver(tag, event, effect.number)
            if sink is _NOBODY:
                self.release(effect.job)
            if self._quiet is not None and not self._sinks:
                self._quiet.set()
        else:
            sink, tag, job = self._sinks[effect.job]
            if self.meter is not None and event.kind is Kind.CHUNK and effect.number == 1:
                self.meter.chunk(job)
            sink.deliver(tag, event, effect.number)

    def _do_assign(self, effect: do.Assign) -> None:
        if self.meter is not None:
            self.meter.assigned(effect.job)
        self._ports[effect.link].assign(effect.job, effect.session_data, effect.moved)

    def _do_cancel(self, effect: do.CancelJob) -> None:
        self._ports[effect.link].cancel(effect.job, effect.reason)

    def _do_credit(self, effect: do.GiveCredit) -> None:
        self._ports[effect.link].credit(effect.job, effect.amount)

    def _do_adopt(self, effect: do.Adopt) -> None:
        self._ports[effect.link].adopt(effect.job, effect.chunks)

    def _do_release(self, effect: do.Release) -> None:
        self._ports[effect.link].release(effect.job)

    def _do_drop(self, effect: do.DropSession) -> None:
        self._ports[effect.link].drop_session(effect.session)

    def _do_close(self, effect: do.CloseWorker) -> None:
        self._ports.pop(effect.link).close(effect.code, effect.message)
        self._log.warning("worker closed", link=effect.link, code=effect.code, why=effect.message)

    def _tick(self) -> None:
        self._armed = None
        self.tell(on.Ticked())
        self.settle()


class _Both:
    """Two sinks of one job; the second sees tag 0."""

    def __init__(self, first: Sink, second: Sink) -> None:
        self._first = first
        self._second = second

    def deliver(self, tag: int, event: Event, number: int) -> None:
        self._first.deliver(tag, event, number)
        self._second.deliver(0, event, number)


def _check_labels(labels: Mapping[str, str]) -> dict[str, str]:
    """The labels, if they are few and short.

    Raises:
        InvalidArguments: there are more than 32, or one is longer than 200 characters.
    """
    if len(labels) > LABELS_LIMIT or any(len(key) + len(value) > 2 * NAME_LIMIT for key, value in labels.items()):
        raise InvalidArguments(f"at most {LABELS_LIMIT} labels, each key and value of at most {NAME_LIMIT} characters")
    return dict(labels)


__all__ = ["NOTHING", "Hub", "Sink", "WorkerPort"]
