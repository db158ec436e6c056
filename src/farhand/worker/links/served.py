"""Runs handlers for callers that are connected to this very process: the executor, its children and sessions as behind
the farhand link, with no hub between. What a protocol makes of that is the matter of a file beside this one."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import socket
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from concurrent.futures import Future

import msgspec

from farhand.errors import Overloaded
from farhand.model.event import Event, Fault, Kind, to_error
from farhand.model.limits import CREDIT_WINDOW
from farhand.model.payload import Payload, chunk_cost
from farhand.ports.runner import Processes, Threads
from farhand.wire.codecs.base import Encoded
from farhand.wire.farhand import bodies
from farhand.wire.farhand.incoming import Assignment
from farhand.worker.app import App
from farhand.worker.children import Children
from farhand.worker.executor import Executor
from farhand.worker.outbox import Outbox, Speaker

SESSIONS_LIMIT = 10_000
"""Sessions kept at once; the one that was idle longest goes for a new one."""
SESSION_TTL = 3600.0
"""Seconds after which a session that nobody used is forgotten."""
SLOTS = 100
"""Jobs that may run at once."""

WINDOW = CREDIT_WINDOW
"""Bytes of a stream's chunks that may wait for its reader."""

_CHUNK = int(Kind.CHUNK)


class ServedOptions(msgspec.Struct, frozen=True, kw_only=True):
    """`reference` is how a child process loads the app (``MODULE:APP`` or ``FILE.py``), needed for handlers with
    ``isolate="process"``. `slots` is how many jobs run at once; more are refused. `session_ttl` in seconds."""

    reference: str = ""
    slots: int = SLOTS
    sessions: int = SESSIONS_LIMIT
    session_ttl: float = SESSION_TTL


class Running:
    """A job that was begun, for the one who asked for it. All of it belongs to the executor's loop."""

    __slots__ = ("_chunks", "_done", "_executor", "_timer", "_waiter", "end", "job")

    def __init__(self, job: str, executor: Executor) -> None:
        self.job = job
        self.end: Event | None = None
        self._executor = executor
        self._chunks: deque[Payload] = deque()
        self._waiter: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._done = False

    async def result(self) -> Payload:
        """What the handler answered.

        Raises:
            FarhandError: it failed, or was stopped.
        """
        while self.end is None:
            await self._wait()
        return _answer(self.end)

    async def next(self) -> Payload | None:
        """Its next chunk, None once there is none left: `result` then has what it answered, or its error."""
        while not self._chunks:
            if self.end is not None:
                return None
            await self._wait()
        chunk = self._chunks.popleft()
        self._executor.credit(self.job, chunk_cost(chunk))
        return chunk

    def expire_after(self, seconds: float) -> None:
        """Stop it then. Its caller is told at once, however long the handler takes to stop."""
        self._timer = asyncio.get_running_loop().call_later(seconds, self._expire, seconds)

    def leave(self) -> None:
        """Nobody waits for it any more: stop it if it still runs."""
        if self._timer is not None:
            self._timer.cancel()
        if self.end is None:
            self._executor.cancel(self.job, "CANCELLED")
        self._done = True
        self._chunks.clear()

    def tell(self, kind: int, body: bytes, media: int) -> None:
        """What the job has said."""
        if self._done or self.end is not None:
            return
        if kind == _CHUNK:
            self._chunks.append(Payload(body, media))
        else:
            self.end = bodies.event_of(kind, body, media)
        self._wake()

    def _expire(self, seconds: float) -> None:
        if self.end is None:
            self._executor.cancel(self.job, "DEADLINE_EXCEEDED")
            text = f"not done within its {seconds:g} s: it was stopped"
            self.end = Event(Kind.EXPIRED, fault=Fault("DEADLINE_EXCEEDED", text))
            self._wake()

    async def _wait(self) -> None:
        self._waiter = waiter = asyncio.get_running_loop().create_future()
        await waiter

    def _wake(self) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_result(None)


def _answer(end: Event) -> Payload:
    if end.fault is None:
        return end.payload
    raise to_error(end.fault, end.outcome)


class Served:
    """An app's handlers, run for whoever asks here."""

    def __init__(self, app: App, threads: Threads, processes: Processes, options: ServedOptions) -> None:
        self.app = app
        self.worker_id = f"{socket.gethostname()[:60]}-{os.getpid()}-{secrets.token_hex(3)}"
        self._slots = options.slots
        self._outbox = _Ears()
        children = Children(processes, options.reference, self.worker_id)
        self._executor = Executor(app, self._outbox, threads, children, self.worker_id, _InPlace())
        self._sessions = _Book(options, self._executor)
        self._count = 0
        self._sweeper: asyncio.Task[None] | None = None

    @property
    def running(self) -> int:
        """Jobs that haven't ended."""
        return self._executor.running

    @property
    def draining(self) -> bool:
        """Whether it takes nothing new."""
        return self._executor.draining

    @property
    def sessions(self) -> int:
        """Sessions that are kept."""
        return len(self._sessions)

    async def start(self) -> None:
        """Run the app's lifespan up to its `yield`. What it raises passes through."""
        self._outbox.begin()
        await self._executor.start()
        self._sweeper = asyncio.ensure_future(self._sessions.sweep())

    def drain(self) -> None:
        """Take nothing new."""
        self._executor.draining = True

    async def quiet(self) -> None:
        """Wait until no job is left."""
        await self._executor.quiet()

    async def close(self) -> None:
        """End what runs, and the lifespan."""
        if self._sweeper is not None:
            self._sweeper.cancel()
        await self._executor.close()

    def begin(self, handler: str, args: Payload, timeout: float, session: str = "", window: int = 0) -> Running:
        """Begin a job. `timeout` in seconds; `window` is how many bytes of chunks may wait to be read, 0 for a caller
        that takes none. Whoever begins it calls `leave` in the end.

        Raises:
            Overloaded: too many run already, or no session can go for a new one.
        """
        if self._executor.draining:
            raise Overloaded("this worker ends: it takes nothing new", retry_after=1.0)
        if self._executor.running >= self._slots:
            raise Overloaded(f"this worker runs {self._slots} commands already", retry_after=0.1)
        if session:
            self._sessions.use(session)
        self._count += 1
        job = f"served-{self._count}"
        running = Running(job, self._executor)
        self._outbox.listen(job, running, (lambda: self._sessions.leave(session)) if session else None)
        assignment = Assignment(job, handler, args, time.monotonic() + timeout, window)
        assignment.session = session
        running.expire_after(timeout)
        self._executor.assign([assignment], self._outbox.generation)
        return running


class _Ears(Outbox):
    """An outbox whose jobs are heard one by one, in this process, in place of being put into frames."""

    def __init__(self) -> None:
        super().__init__(lambda soon: None)
        self._listeners: dict[str, tuple[Running, Callable[[], None] | None]] = {}
        self._thread = 0
        self._loop: asyncio.AbstractEventLoop

    def begin(self) -> None:
        """To be called on the loop that the listeners belong to."""
        self._loop, self._thread = asyncio.get_running_loop(), threading.get_ident()

    def listen(self, job: str, running: Running, at_end: Callable[[], None] | None) -> None:
        """Tell what this job says; call `at_end` once it has ended, whether or not anybody still listens."""
        self._listeners[job] = running, at_end

    def started(self, speaker: Speaker) -> None:
        """Nobody asks."""
        speaker.said_start = True

    def chunk(self, speaker: Speaker, body: bytes, media: int, number: int) -> None:
        """Tell a chunk."""
        if not speaker.ended:
            self._tell(speaker.job, _CHUNK, body, media)

    def end(self, speaker: Speaker, kind: int, body: bytes, media: int, number: int) -> None:
        """Tell a job's end."""
        with self._lock:
            said, speaker.ended = speaker.ended, True
        if not said:
            self._tell(speaker.job, kind, body, media)

    def chatter(self, speaker: Speaker, event: Event) -> None:
        """Progress and printed text have no place in what is answered."""

    def cork(self) -> None:
        """What is said isn't framed."""

    def uncork(self) -> None:
        """As `cork`."""

    def _tell(self, job: str, kind: int, body: bytes, media: int) -> None:
        if threading.get_ident() == self._thread:
            self._hear(job, kind, body, media)
        else:
            with contextlib.suppress(RuntimeError):  # the loop has closed: the worker has stopped
                self._loop.call_soon_threadsafe(self._hear, job, kind, body, media)

    def _hear(self, job: str, kind: int, body: bytes, media: int) -> None:
        running, at_end = self._listeners[job] if kind == _CHUNK else self._listeners.pop(job)
        running.tell(kind, body, media)
        if at_end is not None and kind != _CHUNK:
            at_end()


class _InPlace:
    """`Carrier` where no payload goes over a stream of its own: whatever its size, it is handed on as it is."""

    def carry(self, found: Encoded, job: str) -> Payload | Future[Payload]:
        """As `Carrier`."""
        return found.payload()

    def resolve(self, payload: Payload) -> Future[Payload]:
        """As `Carrier`: nothing here stands for anything else."""
        done: Future[Payload] = Future()
        done.set_result(payload)
        return done


class _Book:
    """The sessions there are, the one that was used last at the end; how many of its jobs run, and when it was used."""

    def __init__(self, options: ServedOptions, executor: Executor) -> None:
        self._limit, self._ttl = options.sessions, options.session_ttl
        self._executor = executor
        self._used: OrderedDict[str, tuple[int, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._used)

    def use(self, session: str) -> None:
        """A job of it begins.

        Raises:
            Overloaded: there are too many, and all are in use.
        """
        if session not in self._used and len(self._used) >= self._limit:
            idle = next((one for one, (jobs, _) in self._used.items() if not jobs), None)
            if idle is None:
                raise Overloaded(f"all of {self._limit:,} sessions are in use", retry_after=1.0)
            self._forget(idle)
        jobs, _ = self._used.pop(session, (0, 0.0))
        self._used[session] = jobs + 1, time.monotonic()

    def leave(self, session: str) -> None:
        """A job of it has ended."""
        jobs, _ = self._used.pop(session)
        self._used[session] = jobs - 1, time.monotonic()

    async def sweep(self) -> None:
        """Forget those that nobody has used for long, for ever."""
        while True:
            await asyncio.sleep(min(60.0, self._ttl / 2))
            since = time.monotonic() - self._ttl
            for session in [one for one, (jobs, used) in self._used.items() if not jobs and used < since]:
                self._forget(session)

    def _forget(self, session: str) -> None:
        del self._used[session]
        self._executor.close_session(session)
