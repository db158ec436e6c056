"""Deterministic simulation: callers, workers and a clock made of one seed drive the core's machine for many steps.

It checks at every step what must always hold, and at the end that nothing was lost: each job has exactly one end,
no worker ever holds more jobs than slots, a job goes only where it may, and a session's calls stay on one worker.
Workers that are lost may be back with their leased jobs, which go on from there or are disowned.
"""

from __future__ import annotations

import random
from collections.abc import Callable

from farhand.core import effects as do
from farhand.core import events as on
from farhand.core.machine import Limits, Machine
from farhand.errors import FarhandError
from farhand.model.event import Event, Fault, Kind
from farhand.model.handler import HandlerSpec
from farhand.model.job import Job
from farhand.model.payload import Payload
from farhand.model.session import OnLoss, Session
from farhand.model.worker import WorkerInfo

HANDLERS = ("add", "train", "read")
GROUPS = ("default", "gpu")
LIMITS = Limits(queue=12, queue_total=18, jobs=60, sessions=6)


class Violation(AssertionError):
    """Something that must never happen did."""


class _Worker:
    def __init__(self, info: WorkerInfo) -> None:
        self.info = info
        self.handlers = {spec.name for spec in info.handlers}
        self.jobs: dict[str, int] = {}
        self.begun: set[str] = set()
        self.presented: set[str] = set()
        self.draining = False


class Simulation:
    """One run. `ends` holds each accepted job's last event; `steps` counts what was done."""

    def __init__(self, seed: int, machine: Machine | None = None) -> None:
        self.random = random.Random(seed)
        self.machine = machine or Machine(LIMITS)
        self.now = 100.0
        self.steps = 0
        self.jobs: dict[str, Job] = {}
        self.ends: dict[str, Event] = {}
        self.homes: dict[str, int] = {}
        self.moves: dict[str, OnLoss] = {}
        self.workers: dict[int, _Worker] = {}
        self.away: list[_Worker] = []
        self._links = 0
        self._ids = 0

    def run(self, steps: int = 150) -> None:
        """Take `steps` random steps, then stop the hub, and check.

        Raises:
            Violation: what went wrong, in words.
        """
        actions: list[tuple[int, Callable[[], None]]] = [
            (30, self._submit),
            (35, self._work),
            (8, self._join),
            (3, self._leave),
            (6, self._cancel),
            (3, self._open),
            (2, self._close),
            (12, self._pass_time),
            (1, self._drain_worker),
            (4, self._grant),
            (4, self._come_back),
            (6, self._take_up),
        ]
        weights = [weight for weight, _ in actions]
        for _ in range(steps):
            self.random.choices(actions, weights)[0][1]()
            self.steps += 1
            self._check()
        self._tell(on.DrainBegan())
        self._tell(on.Stopped())
        lost = [job for job in self.jobs if job not in self.ends]
        if lost:
            raise Violation(f"{len(lost)} jobs never ended: {lost[:3]}")

    # -- steps -------------------------------------------------------------------------------------------------------

    def _submit(self) -> None:
        pick = self.random
        self._ids += 1
        session = pick.choice([*self.moves, "unknown"]) if self.moves and pick.random() < 0.3 else ""
        leased = not session and pick.random() < 0.4
        job = Job(
            f"job-{self._ids}{'#1' if leased else ''}",
            pick.choice((*HANDLERS, "nothing")),
            Payload(b"{}"),
            pick.choice(GROUPS),
            self.now + pick.choice((0.5, 5.0, 60.0)) if pick.random() < 0.8 else None,
            pick.choice((0, 0, 0, 1, -1)),
            {"zone": "a"} if pick.random() < 0.2 else {},
            session,
            pick.choice((0, 500, 1_000_000)),
            pick.random() < 0.5,
            self.now,
            leased=leased,
        )
        self.jobs[job.id] = job
        try:
            self._tell(on.Submitted(job))
        except FarhandError:
            if job.id in self.ends:
                raise Violation(f"{job.id} was refused and ended") from None
            del self.jobs[job.id]

    def _join(self) -> None:
        pick = self.random
        if len(self.workers) > 5:
            return
        self._links += 1
        names = pick.sample(HANDLERS, pick.randint(1, 3))
        info = WorkerInfo(
            id=f"w{pick.randint(1, 6)}",
            group=pick.choice(GROUPS),
            slots=pick.randint(1, 3),
            labels={"zone": pick.choice("ab")},
            handlers=tuple(HandlerSpec(name=name) for name in names),
        )
        self.workers[self._links] = _Worker(info)
        self._tell(on.WorkerJoined(self._links, info))

    def _leave(self) -> None:
        if self.workers:
            link = self.random.choice(list(self.workers))
            self._gone(link)
            self._tell(on.WorkerLeft(link, self.random.random() < 0.3))

    def _gone(self, link: int) -> None:
        worker = self.workers.pop(link)
        worker.jobs = {job: chunks for job, chunks in worker.jobs.items() if self.jobs[job].leased}
        self.away.append(worker)
        self.homes = {session: home for session, home in self.homes.items() if home != link}

    def _come_back(self) -> None:
        """A lost worker presents its leased jobs."""
        if self.away and len(self.workers) <= 5:
            old = self.away.pop(self.random.randrange(len(self.away)))
            self._links += 1
            self.workers[self._links] = worker = _Worker(old.info)
            worker.jobs, worker.begun, worker.presented = old.jobs, set(old.jobs), set(old.jobs)
            self._tell(on.WorkerJoined(self._links, old.info, tuple(old.jobs)))

    def _take_up(self) -> None:
        """The hub adopts a job that was presented, or disowns it; the worker may have left meanwhile."""
        links = {job: link for link, worker in self.workers.items() for job in worker.presented}
        if not links:
            return
        job = self.random.choice(list(links))
        link, chunks = links[job], self.random.randint(0, self.workers[links[job]].jobs[job])
        end = self.ends.get(job)
        may_return = end is not None and end.fault is not None and "may_return" in end.fault.details
        if not may_return or self.random.random() < 0.3:
            self._tell(on.JobDisowned(link, job))
            return
        del self.ends[job]
        self.workers[link].presented.discard(job)
        self.workers[link].jobs[job] = chunks
        self._tell(on.JobAdopted(link, self.jobs[job], chunks))

    def _work(self) -> None:
        held = [(link, job) for link, worker in self.workers.items() for job in worker.jobs]
        if not held:
            return
        link, job = self.random.choice(held)
        worker = self.workers[link]
        self._tell(on.WorkerHeard(link))
        if link not in self.workers or job not in worker.jobs:
            return
        if job in worker.presented:
            if self.random.random() < 0.2:
                self._finish(link, worker, job)
            return
        if job not in worker.begun:
            if worker.draining and self.random.random() < 0.7:
                del worker.jobs[job]
                self._tell(on.JobRejected(link, job))
                return
            worker.begun.add(job)
            self._tell(on.JobStarted(link, job))
            return
        window = self.jobs[job].window
        choice = self.random.random()
        if choice < 0.3 and window:
            worker.jobs[job] += 1
            self._tell(on.JobChunk(link, job, Payload(b"x" * 50), worker.jobs[job]))
        elif choice < 0.4:
            self._tell(on.JobReported(link, job, Event(Kind.CONSOLE, text="hello")))
        else:
            self._finish(link, worker, job)

    def _finish(self, link: int, worker: _Worker, job: str) -> None:
        kind = self.random.choice((Kind.SUCCEEDED, Kind.SUCCEEDED, Kind.FAILED, Kind.CANCELLED, Kind.EXPIRED))
        fault = None if kind is Kind.SUCCEEDED else Fault("HANDLER_FAILED", "no")
        chunks = worker.jobs.pop(job)
        worker.begun.discard(job)
        worker.presented.discard(job)
        self._tell(on.JobEnded(link, job, Event(kind, fault=fault), chunks))

    def _cancel(self) -> None:
        alive = [job for job in self.jobs if job not in self.ends]
        if alive:
            self._tell(on.CancelAsked(self.random.choice(alive)))

    def _grant(self) -> None:
        if self.jobs:
            self._tell(on.Granted(self.random.choice(list(self.jobs)), 1000))

    def _open(self) -> None:
        self._ids += 1
        loss: OnLoss = self.random.choice(("fail", "move"))
        session = Session(id=f"s-{self._ids}", group=self.random.choice(GROUPS), ttl=20.0, on_loss=loss)
        try:
            self._tell(on.SessionOpened(session))
        except FarhandError:
            return
        self.moves[session.id] = loss

    def _close(self) -> None:
        if self.moves:
            session = self.random.choice(list(self.moves))
            self._tell(on.SessionClosed(session))
            self.moves.pop(session, None)
            self.homes.pop(session, None)

    def _drain_worker(self) -> None:
        if self.workers:
            link = self.random.choice(list(self.workers))
            self.workers[link].draining = True
            self._tell(on.WorkerDraining(link))

    def _pass_time(self) -> None:
        self.now += self.random.choice((0.01, 0.5, 3.0, 11.0, 40.0))
        at = self.machine.wake_at()
        if at is not None and at <= self.now:
            self._tell(on.Ticked())
        if self.random.random() < 0.8:
            for link in list(self.workers):
                if link in self.workers:
                    self._tell(on.WorkerHeard(link))

    # -- effects and checks ------------------------------------------------------------------------------------------

    def _tell(self, event: on.Input) -> None:
        for effect in self.machine.handle(event, self.now):
            self._perform(effect)

    def _perform(self, effect: do.Effect) -> None:
        if isinstance(effect, do.Assign):
            self._assigned(effect)
        elif isinstance(effect, do.Deliver):
            self._delivered(effect)
        elif isinstance(effect, do.CloseWorker):
            self._gone(effect.link)
        elif isinstance(effect, do.CancelJob):
            self._told_to_cancel(effect)
        elif effect.link not in self.workers:
            raise Violation(f"{effect} goes to a worker that is gone")

    def _assigned(self, effect: do.Assign) -> None:
        job, worker = effect.job, self.workers.get(effect.link)
        if worker is None or worker.draining:
            raise Violation(f"{job.id} was assigned to a worker that is gone or draining")
        if job.id in self.ends or any(job.id in other.jobs for other in self.workers.values()):
            raise Violation(f"{job.id} was assigned twice, or after its end")
        wanted = set(job.labels.items())
        if (
            job.handler not in worker.handlers
            or job.group != worker.info.group
            or not wanted <= set(worker.info.labels.items())
        ):
            raise Violation(f"{job.id} was assigned to a worker that can't run it")
        worker.jobs[job.id] = 0
        if job.session and self.homes.setdefault(job.session, effect.link) != effect.link:
            raise Violation(f"session {job.session} is on two workers")

    def _delivered(self, effect: do.Deliver) -> None:
        if effect.job not in self.jobs or effect.job in self.ends:
            raise Violation(f"{effect.job} got {effect.event.kind.name} after its end, or was never accepted")
        if effect.event.kind.final:
            self.ends[effect.job] = effect.event

    def _told_to_cancel(self, effect: do.CancelJob) -> None:
        worker = self.workers.get(effect.link)
        if worker is None or effect.job not in worker.jobs:
            raise Violation(f"a worker was told to cancel {effect.job}, which it doesn't have")

    def _check(self) -> None:
        for link, worker in self.workers.items():
            if len(worker.jobs) > worker.info.slots:
                raise Violation(f"worker {worker.info.id} on link {link} holds more jobs than slots")
        for view in self.machine.groups():
            if view.waiting > LIMITS.queue + 6:
                raise Violation(f"{view.waiting} jobs wait in group {view.name}")
