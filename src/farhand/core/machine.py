"""The machine: every decision of a hub, as one function of (event, now) → effects.

It owns the jobs' records and joins the deciders, which don't know each other. Time comes in with each event; the
caller sends `Ticked` at `wake_at()`. An event that is refused raises before anything has changed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import inf
from typing import Any

import msgspec

from farhand.core import effects as do
from farhand.core import events as on
from farhand.core.deadlines import Deadlines
from farhand.core.dispatch import Dispatch, GroupView, Offer
from farhand.core.lifecycle import BY_END, ENDS, Move, State, after
from farhand.core.presence import Presence
from farhand.core.sessions import Sessions
from farhand.core.streams import Stream
from farhand.errors import JobNotFound, Overloaded, ProtocolViolation, Unavailable
from farhand.model.event import Event, Fault, Kind, Outcome
from farhand.model.job import ATTEMPT_MARK, Job
from farhand.model.limits import CANCEL_TIMEOUT, SILENCE, STALL_TIMEOUT, START_TIMEOUT
from farhand.model.payload import NOTHING, chunk_cost
from farhand.model.session import Session
from farhand.model.worker import WorkerInfo, WorkerState, WorkerView

CHECK_EVERY = 1.0
"""Seconds between looks at who is silent, what never started, and which sessions are unused."""


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """Bounds and times of a machine; seconds and counts. The defaults are the product's."""

    queue: int = 10_000
    queue_total: int = 100_000
    jobs: int = 200_000
    sessions: int = 10_000
    silence: float = SILENCE
    stall_timeout: float = STALL_TIMEOUT
    start_timeout: float = START_TIMEOUT
    cancel_timeout: float = CANCEL_TIMEOUT


# Looking up an enum's member costs 0.1 µs, so the hot path holds them.
_QUEUED, _ASSIGNED, _RUNNING, _CANCELLING = State.QUEUED, State.ASSIGNED, State.RUNNING, State.CANCELLING
_ASSIGN, _START = Move.ASSIGN, Move.START
_SUCCEEDED = Kind.SUCCEEDED


BEGUN = inf
"""In place of the time a job was assigned, once its worker has begun it."""


class _Record:
    """A job that hasn't ended. `due` is when its cancel is given up, or else its deadline."""

    __slots__ = ("due", "job", "link", "state", "stream")

    def __init__(self, job: Job) -> None:
        self.job = job
        self.state = _QUEUED
        self.link: int | None = None
        self.due = job.deadline
        self.stream: Stream | None = None


class _Worker:
    """A connected worker. `held` are the jobs whose slots it holds, oldest first, with the time each was assigned, or
    BEGUN; `recalled` those it was asked to give back, and when (never again once that was given up)."""

    __slots__ = ("draining", "held", "info", "joined", "recalled")

    def __init__(self, info: WorkerInfo, now: float) -> None:
        self.info = info
        self.joined = now
        self.draining = False
        self.held: dict[str, float] = {}
        self.recalled: dict[str, float] = {}


class Machine:
    """All the state of one hub's ephemeral work."""

    def __init__(self, limits: Limits | None = None) -> None:
        self.limits = limits or Limits()
        self.draining = False
        self._dispatch = Dispatch(self.limits.queue, self.limits.queue_total)
        self._presence = Presence(self.limits.silence, self.limits.stall_timeout)
        self._sessions = Sessions(self.limits.sessions)
        self._deadlines: Deadlines[str] = Deadlines()
        self._jobs: dict[str, _Record] = {}
        self._workers: dict[int, _Worker] = {}
        self._links: dict[str, int] = {}
        self._check_at: float | None = None
        self._out: list[do.Effect] = []
        self._verbs: dict[type, Callable[[Any, float], None]] = {
            on.Submitted: self._submitted,
            on.CancelAsked: self._cancel_asked,
            on.Granted: self._granted,
            on.WorkerJoined: self._worker_joined,
            on.WorkerHeard: self._worker_heard,
            on.WorkerDraining: self._worker_draining,
            on.WorkerLeft: self._worker_left,
            on.JobStarted: self._job_started,
            on.JobRejected: self._job_rejected,
            on.JobReported: self._job_reported,
            on.JobChunk: self._job_chunk,
            on.JobEnded: self._job_ended,
            on.JobAdopted: self._job_adopted,
            on.JobDisowned: self._job_disowned,
            on.SessionOpened: self._session_opened,
            on.SessionClosed: self._session_closed,
            on.Ticked: self._ticked,
            on.DrainBegan: self._drain_began,
            on.Stopped: self._stopped,
        }

    def handle(self, event: on.Input, now: float) -> list[do.Effect]:
        """Decide what follows from `event`; perform the effects in order.

        Raises:
            FarhandError: the event is refused, as its class says; nothing has changed.
        """
        out: list[do.Effect] = []
        self._out = out
        self._verbs[event.__class__](event, now)
        return out

    def wake_at(self) -> float | None:
        """When to send `Ticked` next; None: not before something else happens."""
        first = self._deadlines.wake_at()
        if self._check_at is None:
            return first
        return self._check_at if first is None else min(first, self._check_at)

    # -- what can be asked -------------------------------------------------------------------------------------------

    def workers(self, now: float) -> Iterator[WorkerView]:
        """Every connected worker."""
        for link, worker in self._workers.items():
            yield WorkerView(
                info=worker.info,
                state=self._state_of(link, worker),
                running=len(worker.held),
                sessions=self._sessions.on(link),
                connected_for=now - worker.joined,
                silent_for=self._presence.silent_for(link, now),
            )

    def groups(self) -> Iterator[GroupView]:
        """Every group with workers or waiting jobs."""
        return self._dispatch.groups()

    def serves(self, group: str, handler: str) -> bool:
        """Whether a connected worker of the group serves this handler."""
        return self._dispatch.serves(group, handler)

    def offers(self) -> Iterator[Offer]:
        """Free slots that no waiting job wants."""
        return self._dispatch.offers()

    @property
    def running(self) -> int:
        """Slots taken, over all workers."""
        return sum(len(worker.held) for worker in self._workers.values())

    @property
    def unfinished(self) -> int:
        """Jobs that haven't ended."""
        return len(self._jobs)

    def knows(self, job: str) -> bool:
        """Whether this job hasn't ended yet."""
        return job in self._jobs

    def holds(self, link: int, job: str) -> bool:
        """Whether the worker on `link` holds a slot for this job."""
        worker = self._workers.get(link)
        return worker is not None and job in worker.held

    # -- jobs, from their callers ------------------------------------------------------------------------------------

    def _submitted(self, event: on.Submitted, now: float) -> None:
        job = event.job
        if self.draining:
            raise Unavailable("the hub is stopping and takes no new work: retry in a moment, or elsewhere")
        if len(self._jobs) >= self.limits.jobs:
            raise Overloaded(f"the hub has {self.limits.jobs:,} unfinished jobs: retry later", retry_after=1.0)
        pinned = None
        if job.session:
            job = _in_session(job, self._sessions.get(job.session))
            pinned = self._sessions.link_of(job.session)
        link = self._dispatch.place(job, pinned)
        self._jobs[job.id] = record = _Record(job)
        if job.session:
            self._sessions.begin(job.session, now)
        if job.deadline is not None:
            self._deadlines.add(job.id, job.deadline)
        if job.events and not job.leased:  # the log of a durable job says so already
            self._out.append(do.Deliver(job.id, Event(Kind.QUEUED, text=job.id)))
        if link is not None:
            self._assign(record, link, now)

    def _cancel_asked(self, event: on.CancelAsked, now: float) -> None:
        record = self._jobs.get(event.job)
        if record is None:
            raise JobNotFound(f"no unfinished job {event.job}: it has ended, or never was on this hub")
        if record.link is None:
            self._dispatch.withdraw(record.job)
            self._end(record, _cancelled("the job was cancelled before any worker had it", "not_started"), 0, now)
        elif record.state is not State.CANCELLING:
            record.state = after(record.state, Move.CANCEL)
            self._out.append(do.CancelJob(record.link, record.job.id, "CANCELLED"))
            self._set_due(record, now + self.limits.cancel_timeout)

    def _granted(self, event: on.Granted, now: float) -> None:
        record = self._jobs.get(event.job)
        if record is not None and record.link is not None:
            amount = self._stream(record).grant(event.amount)
            self._out.append(do.GiveCredit(record.link, event.job, amount))

    # -- jobs, from their workers ------------------------------------------------------------------------------------

    def _job_started(self, event: on.JobStarted, now: float) -> None:
        worker = self._holder(event.link, event.job)
        worker.held[event.job] = BEGUN
        if worker.recalled:
            worker.recalled.pop(event.job, None)
        record = self._jobs.get(event.job)
        if record is not None and record.link == event.link:
            if record.state is _RUNNING:
                raise ProtocolViolation(f"job {event.job} was started twice")
            record.state = after(record.state, _START)
            if record.job.events:
                self._out.append(do.Deliver(event.job, Event(Kind.STARTED, worker=worker.info.id)))

    def _job_rejected(self, event: on.JobRejected, now: float) -> None:
        worker = self._holder(event.link, event.job)
        waits = worker.held[event.job] != BEGUN and worker.draining
        if not waits and event.job not in worker.recalled:
            raise ProtocolViolation(f"job {event.job} was rejected by a worker that is not draining, or had begun it")
        self._free(worker, event.link, event.job)
        record = self._jobs.get(event.job)
        if record is not None and record.link == event.link:
            if record.state is State.CANCELLING:
                self._end(record, _cancelled("the job was cancelled before it began", "not_started"), 0, now)
            else:
                self._requeue(record, now)
        self._fill(event.link, now)

    def _job_reported(self, event: on.JobReported, now: float) -> None:
        """Progress or text; what comes late, of a job that this worker has ended, is nobody's."""
        record = self._jobs.get(event.job)
        if record is not None and record.link == event.link and record.job.events:
            self._out.append(do.Deliver(event.job, event.event))

    def _job_chunk(self, event: on.JobChunk, now: float) -> None:
        self._holder(event.link, event.job)
        record = self._jobs.get(event.job)
        if record is not None and record.link == event.link:
            self._stream(record).take(event.number, chunk_cost(event.payload))
            self._out.append(do.Deliver(event.job, Event(Kind.CHUNK, event.payload), event.number))

    def _job_ended(self, event: on.JobEnded, now: float) -> None:
        """A job's last event. A success may come without `started` before it, and means it."""
        link, job = event.link, event.job
        worker = self._holder(link, job)
        record = self._jobs.get(job)
        if record is not None and record.link == link:
            if event.chunks or record.stream is not None:
                self._stream(record).end(event.chunks if record.job.window else 0)
            if record.job.events and record.state is _ASSIGNED and event.event.kind is _SUCCEEDED:
                self._out.append(do.Deliver(job, Event(Kind.STARTED, worker=worker.info.id)))
            self._end(record, event.event, event.chunks, now, link if record.job.leased else None)
        elif ATTEMPT_MARK in job:
            self._out.append(do.Release(link, job))
        self._free(worker, link, job)
        self._fill(link, now)

    def _job_adopted(self, event: on.JobAdopted, now: float) -> None:
        link, job = event.link, event.job
        worker = self._workers.get(link)
        if worker is None or job.id not in worker.held or job.id in self._jobs:
            raise JobNotFound(f"job {job.id} isn't held by that worker any more, or is another's")
        self._jobs[job.id] = record = _Record(job)
        record.state, record.link = _RUNNING, link
        record.stream = Stream(job.window, event.chunks)
        if job.deadline is not None:
            self._deadlines.add(job.id, job.deadline)
        self._out.append(do.Adopt(link, job.id, event.chunks))

    def _job_disowned(self, event: on.JobDisowned, now: float) -> None:
        worker, record = self._workers.get(event.link), self._jobs.get(event.job)
        mine = record is not None and record.link == event.link
        if worker is not None and event.job in worker.held and not mine:
            self._out.append(do.CancelJob(event.link, event.job, "LEASE_LOST"))

    # -- workers -----------------------------------------------------------------------------------------------------

    def _worker_joined(self, event: on.WorkerJoined, now: float) -> None:
        link, info = event.link, event.info
        if len(event.held) > info.slots or len(set(event.held)) < len(event.held):
            raise ProtocolViolation(
                f"worker {info.id!r} has {info.slots} slots, and says it holds {len(event.held)} jobs"
            )
        older = self._links.get(info.id)
        if older is not None:
            self._out.append(do.CloseWorker(older, "REPLACED", f"a newer worker registered as {info.id!r}"))
            self._gone(older, now, f"worker {info.id!r} was replaced by a newer one of the same id")
        self._workers[link] = worker = _Worker(info, now)
        self._links[info.id] = link
        self._presence.join(link, now)
        self._dispatch.join(link, info, in_turn=event.in_turn)
        if event.held:
            worker.held = dict.fromkeys(event.held, BEGUN)
            self._dispatch.occupy(link, len(event.held))
        if self._check_at is None:
            self._check_at = now + CHECK_EVERY
        self._fill(link, now)

    def _worker_heard(self, event: on.WorkerHeard, now: float) -> None:
        if event.link in self._workers and self._presence.heard(event.link, now):
            self._set_open(event.link)
            self._fill(event.link, now)

    def _worker_draining(self, event: on.WorkerDraining, now: float) -> None:
        worker = self._workers.get(event.link)
        if worker is not None:
            worker.draining = True
            self._set_open(event.link)

    def _worker_left(self, event: on.WorkerLeft, now: float) -> None:
        worker = self._workers.get(event.link)
        if worker is not None:
            how = "said goodbye" if event.clean else "was lost"
            self._gone(event.link, now, f"worker {worker.info.id!r} {how} while it had the job", clean=event.clean)

    # -- sessions ----------------------------------------------------------------------------------------------------

    def _session_opened(self, event: on.SessionOpened, now: float) -> None:
        if self.draining:
            raise Unavailable("the hub is stopping and opens no sessions: retry in a moment, or elsewhere")
        self._sessions.open(event.session, now)
        if self._check_at is None:
            self._check_at = now + CHECK_EVERY

    def _session_closed(self, event: on.SessionClosed, now: float) -> None:
        active = self._sessions.active(event.session)
        link = self._sessions.close(event.session)
        if active:
            self._settle_waiting({event.session: False}, "the session was closed before this call began", now)
        if link is not None:
            self._out.append(do.DropSession(link, event.session))

    # -- the hub -----------------------------------------------------------------------------------------------------

    def _ticked(self, event: on.Ticked, now: float) -> None:
        for job in list(self._deadlines.due(now)):
            self._overdue(self._jobs[job], now)
        if self._check_at is not None and now >= self._check_at:
            self._check(now)

    def _drain_began(self, event: on.DrainBegan, now: float) -> None:
        self.draining = True

    def _stopped(self, event: on.Stopped, now: float) -> None:
        self.draining = True
        for record in list(self._jobs.values()):
            if record.link is None:
                self._dispatch.withdraw(record.job)
                self._end(record, _lost_before("the hub stopped before any worker had the job"), 0, now)
            else:
                lost = _outcome_unknown("the hub stopped while a worker had the job", may_return=record.job.leased)
                self._end(record, lost, 0, now)

    # -- steps shared by the verbs -----------------------------------------------------------------------------------

    def _assign(self, record: _Record, link: int, now: float) -> None:
        job = record.job
        record.state = after(record.state, _ASSIGN)
        record.link = link
        worker = self._workers[link]
        worker.held[job.id] = now
        if not job.session:
            self._out.append(do.Assign(link, job))
            return
        new, moved = self._sessions.pin(job.session, link)
        data = self._sessions.get(job.session).data if new else NOTHING
        self._out.append(do.Assign(link, job, data, moved))

    def _fill(self, link: int, now: float) -> None:
        """Give a worker's free slots to waiting jobs."""
        if not self._dispatch.waiting:
            return
        while (job := self._dispatch.next_for(link)) is not None:
            record = self._jobs[job.id]
            home = self._sessions.link_of(job.session) if job.session else None
            if home is None or home == link:
                self._assign(record, link, now)
                continue
            self._dispatch.release(link)
            self._place_again(record, now)

    def _requeue(self, record: _Record, now: float) -> None:
        """A worker refused the job without having begun it: give it to another, ahead of the rest."""
        record.state = after(record.state, Move.REJECT)
        record.link = None
        self._place_again(record, now)

    def _place_again(self, record: _Record, now: float) -> None:
        job = record.job
        link = self._dispatch.put_back(job, self._sessions.link_of(job.session) if job.session else None)
        if link is not None:
            self._assign(record, link, now)

    def _end(self, record: _Record, event: Event, chunks: int, now: float, link: int | None = None) -> None:
        """Record a job's one end and tell its caller. Its slot is freed by the worker's own word, not here. `link` is
        where it ended, if its worker holds the end until it is kept."""
        record.state = after(record.state, BY_END[event.kind])
        job = record.job
        del self._jobs[job.id]
        if record.due is not None:
            self._deadlines.remove(job.id, record.due)
        if job.session:
            self._sessions.finish(job.session, now)
        self._out.append(do.Deliver(job.id, event, chunks, link))

    def _overdue(self, record: _Record, now: float) -> None:
        """The job's deadline has passed, or the time its cancel may take."""
        job = record.job
        if record.state is State.CANCELLING:
            text = f"the worker did not confirm the cancel within {self.limits.cancel_timeout:g} s: it may still run"
            self._end(record, _cancelled(text, "unconfirmed"), self._chunks(record), now)
            return
        waited = round(now - job.submitted, 3)
        if record.link is None:
            why = self._dispatch.why_waiting(job)
            groups = {view.name: view.workers for view in self._dispatch.groups() if view.workers}
            self._dispatch.withdraw(job)
            text = f"{job.handler!r} waited {waited:g} s and never began: {why}"
            fault = Fault("DEADLINE_EXCEEDED", text, True, {"dispatched": False, "waited": waited, "groups": groups})
            self._end(record, Event(Kind.EXPIRED, fault=fault, outcome="not_started"), 0, now)
            return
        worker = self._workers[record.link].info.id
        fault = Fault(
            "DEADLINE_EXCEEDED",
            f"{job.handler!r} did not finish within {waited:g} s; worker {worker!r} was told to stop it",
            False,
            {"dispatched": True, "waited": waited, "worker": worker},
        )
        self._out.append(do.CancelJob(record.link, job.id, "DEADLINE_EXCEEDED"))
        self._end(record, Event(Kind.EXPIRED, fault=fault), self._chunks(record), now)

    def _gone(self, link: int, now: float, why: str, *, clean: bool = False) -> None:
        """A worker is not there any more: end or move on what it had. Unless it went clean, it may be back with its
        leased jobs."""
        worker = self._workers.pop(link)
        del self._links[worker.info.id]
        self._presence.leave(link)
        self._dispatch.leave(link)
        fates = self._sessions.leave(link)
        for job in worker.held:
            record = self._jobs.get(job)
            if record is not None and record.link == link:
                may_return = record.job.leased and not clean
                lost = _outcome_unknown(f"{why}: it may or may not have finished", may_return=may_return)
                self._end(record, lost, self._chunks(record), now)
        if fates:
            self._settle_waiting(fates, f"{why.partition(' while ')[0]}, and the session's state with it", now)

    def _settle_waiting(self, fates: dict[str, bool], why: str, now: float) -> None:
        """Waiting calls of sessions that are lost fail; those of sessions that move go to the next worker."""
        for record in [one for one in self._jobs.values() if one.link is None and one.job.session in fates]:
            self._dispatch.withdraw(record.job)
            if not fates[record.job.session]:
                self._end(record, _session_lost(why), 0, now)
                continue
            self._place_again(record, now)

    def _check(self, now: float) -> None:
        """The chores that may be up to a second late."""
        stalled, lost = self._presence.check(now)
        for link in stalled:
            self._set_open(link)
        for link in lost:
            text = f"silent for more than {self.limits.stall_timeout:g} s"
            self._out.append(do.CloseWorker(link, "UNAVAILABLE", text))
            self._gone(link, now, f"worker {self._workers[link].info.id!r} was {text} while it had the job")
        for link, worker in self._workers.items():
            if worker.held:
                self._check_started(link, worker, now)
        for session in self._sessions.expired(now):
            self._session_closed(on.SessionClosed(session), now)
        busy = self._workers or self._sessions
        self._check_at = now + CHECK_EVERY if busy else None

    def _check_started(self, link: int, worker: _Worker, now: float) -> None:
        """Take back what a worker has not begun in time; give up what it doesn't even give back, unless it is stalled:
        it may have begun, and hold the GIL so that it can't say so."""
        late = now - self.limits.start_timeout
        for job, since in worker.held.items():
            if since > late:
                if since == BEGUN:
                    continue
                break
            if job not in worker.recalled:
                worker.recalled[job] = now
                self._out.append(do.CancelJob(link, job, "TAKE_BACK"))
        for job, since in list(worker.recalled.items()):
            if now - since < self.limits.cancel_timeout or self._presence.stalled(link):
                continue
            worker.recalled[job] = inf
            record = self._jobs.get(job)
            if record is not None and record.link == link:
                text = f"worker {worker.info.id!r} neither began the job nor gave it back"
                self._end(record, _outcome_unknown(text), 0, now)

    def _set_open(self, link: int) -> None:
        state = self._state_of(link, self._workers[link])
        self._dispatch.set_open(link, state is WorkerState.READY)

    def _state_of(self, link: int, worker: _Worker) -> WorkerState:
        if worker.draining:
            return WorkerState.DRAINING
        return WorkerState.STALLED if self._presence.stalled(link) else WorkerState.READY

    def _set_due(self, record: _Record, at: float) -> None:
        if record.due is not None:
            self._deadlines.remove(record.job.id, record.due)
        record.due = at
        self._deadlines.add(record.job.id, at)

    def _holder(self, link: int, job: str) -> _Worker:
        """The worker on `link`, which must hold the job's slot.

        Raises:
            ProtocolViolation: it doesn't.
        """
        worker = self._workers.get(link)
        if worker is None or job not in worker.held:
            raise ProtocolViolation(f"an event of job {job!r}, which this worker doesn't have")
        return worker

    def _free(self, worker: _Worker, link: int, job: str) -> None:
        del worker.held[job]
        if worker.recalled:
            worker.recalled.pop(job, None)
        self._dispatch.release(link)

    @staticmethod
    def _stream(record: _Record) -> Stream:
        if record.stream is None:
            record.stream = Stream(record.job.window)
        return record.stream

    @staticmethod
    def _chunks(record: _Record) -> int:
        return record.stream.chunks if record.stream is not None else 0


def _in_session(job: Job, session: Session) -> Job:
    """The job in its session's group, with the session's labels too."""
    if job.group == session.group and not session.labels:
        return job
    return msgspec.structs.replace(job, group=session.group, labels={**session.labels, **job.labels})


def _cancelled(text: str, outcome: Outcome) -> Event:
    return Event(Kind.CANCELLED, fault=Fault("CANCELLED", text), outcome=outcome)


def _outcome_unknown(text: str, *, may_return: bool = False) -> Event:
    """With `may_return`, of a leased job: its worker may go on with it and present it again."""
    return Event(Kind.FAILED, fault=Fault("OUTCOME_UNKNOWN", text, False, {"may_return": True} if may_return else {}))


def _lost_before(text: str) -> Event:
    return Event(Kind.FAILED, fault=Fault("NEVER_DISPATCHED", text, True))


def _session_lost(text: str) -> Event:
    return Event(Kind.FAILED, fault=Fault("SESSION_LOST", text))


__all__ = ["CHECK_EVERY", "ENDS", "Limits", "Machine"]
