"""The sync client: one portal, a thread with its own event loop, over the async client."""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import os
import threading
import time
import weakref
from collections import deque
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator, Iterable, Iterator, Mapping
from concurrent.futures import CancelledError
from itertools import islice
from types import TracebackType
from typing import Any, Literal, TypeVar, Unpack

from farhand.client import aio
from farhand.client.aio import MAP_WINDOW
from farhand.client.deciding import DEADLINE, Decision
from farhand.client.jobs import Job as AsyncJob
from farhand.client.jobs import JobInfo
from farhand.client.schedules import ScheduleInfo
from farhand.client.stream import Receipt, raise_fault, report
from farhand.client.stream import Stream as AsyncStream
from farhand.client.submitting import JobFilter, SubmitOptions
from farhand.client.views import HubInfo
from farhand.client.window import Window
from farhand.errors import FarhandError, Unavailable
from farhand.model.durable import Entry
from farhand.model.event import Event, Kind, Progress
from farhand.model.handler import HandlerView
from farhand.model.limits import RUN_TIMEOUT, SESSION_TTL, STREAM_TIMEOUT
from farhand.model.ref import Ref
from farhand.model.worker import WorkerView
from farhand.wire.codecs.base import Codec
from farhand.wire.values import Codecs

T = TypeVar("T")

MOMENT = 0.02
"""Seconds that `map` reads ahead before it sends what it has."""

STOP_TIMEOUT = 5.0
LATE = 0.02
"""Seconds after a decision's deadline at which its caller goes on, whatever the portal's thread is at."""
_END = object()


class _Portal:
    """A daemon thread that runs an event loop, and a way in."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        self._loop = asyncio.new_event_loop()
        self._lock = threading.Lock()
        self._ended = False
        self._thread = threading.Thread(target=self._serve, name="farhand-client", daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        loop = self._loop
        asyncio.set_event_loop(loop)
        loop.run_forever()
        while left := asyncio.all_tasks(loop):
            for task in left:
                task.cancel()
            loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
        loop.run_until_complete(loop.shutdown_asyncgens())
        asyncio.set_event_loop(None)
        loop.close()

    def call(self, work: Coroutine[Any, Any, T], timeout: float | None = None) -> T:
        """Run `work` in the thread and wait; Ctrl-C cancels it.

        Raises:
            TimeoutError: `timeout` seconds have passed; it is cancelled.
        """
        if threading.current_thread() is self._thread:
            work.close()
            raise FarhandError("a sync client can't be used from a callback that runs in its own thread")
        with self._lock:
            if self._ended:
                work.close()
                raise Unavailable("this client was closed by another thread")
            future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result(timeout)
        except CancelledError:
            raise Unavailable("this client was closed while the call ran") from None
        except BaseException:
            future.cancel()
            raise

    def soon(self, function: Callable[[], object]) -> None:
        """Run a function in the thread, without waiting."""
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(function)

    def stop(self) -> None:
        """End the thread."""
        with self._lock:
            self._ended = True
        self.soon(self._loop.stop)
        self._thread.join(STOP_TIMEOUT)


class _SyncCalls:
    """run, stream and map, over an async caller in the portal."""

    def _enter(self) -> tuple[_Portal, aio.Calls]:
        raise AssertionError("each caller knows its portal")

    def run(
        self,
        handler: str,
        args: aio.Args = None,
        *,
        group: str = "default",
        timeout: float | None = RUN_TIMEOUT,
        priority: int = 0,
        labels: Mapping[str, str] | None = None,
        returns: Any = None,
    ) -> Any:
        """Run a handler and wait for its result, as `AsyncClient.run`."""
        portal, calls = self._enter()
        return portal.call(
            calls.run(handler, args, group=group, timeout=timeout, priority=priority, labels=labels, returns=returns)
        )

    def stream(
        self,
        handler: str,
        args: aio.Args = None,
        *,
        group: str = "default",
        timeout: float | None = STREAM_TIMEOUT,
        priority: int = 0,
        labels: Mapping[str, str] | None = None,
        progress: Callable[[Progress], object] | None = None,
        console: Callable[[str], object] | None = None,
        returns: Any = None,
    ) -> Stream:
        """Run a handler and iterate its chunks as they come, as `AsyncClient.stream`. The callbacks run in the thread
        that iterates."""
        portal, calls = self._enter()

        async def begin() -> AsyncStream:
            return calls.stream(
                handler, args, group=group, timeout=timeout, priority=priority, labels=labels, returns=returns
            )

        return Stream(portal, portal.call(begin()), progress, console)

    def map(
        self,
        handler: str,
        args: Iterable[aio.Args],
        *,
        group: str = "default",
        timeout: float | None = RUN_TIMEOUT,
        priority: int = 0,
        labels: Mapping[str, str] | None = None,
        window: int = MAP_WINDOW,
        return_exceptions: bool = False,
        returns: Any = None,
    ) -> Iterator[Any]:
        """Run a handler once for each of `args` and give the results in their order, as `AsyncClient.map`.

        `args` is read in this thread, a little ahead of the results.
        """
        portal, calls = self._enter()

        async def start() -> Window:
            return calls.window(handler, group, timeout, priority, labels, window, returns)

        async def step(block: list[aio.Args], more: bool) -> list[Any]:
            for one in block:
                await waiting.begin(one)
            return await waiting.take(wait=not more or not waiting.space)

        waiting = portal.call(start())
        source, more = iter(args), True
        try:
            while more or waiting:
                block, more = _block(source, waiting.space) if more else ([], False)
                for result in portal.call(step(block, more)):
                    if isinstance(result, FarhandError) and not return_exceptions:
                        raise result
                    yield result
        finally:
            portal.soon(waiting.close)


def _block(source: Iterator[aio.Args], most: int) -> tuple[list[aio.Args], bool]:
    """What `source` has to give within a moment, and whether there may be more."""
    found: list[aio.Args] = []
    until = time.monotonic() + MOMENT
    for one in islice(source, most):
        found.append(one)
        if time.monotonic() > until:
            return found, True
    return found, len(found) == most


class Stream:
    """Iterate it for the chunks; leaving the loop cancels the job. Attributes as of the async stream."""

    def __init__(
        self,
        portal: _Portal,
        stream: AsyncStream,
        progress: Callable[[Progress], object] | None,
        console: Callable[[str], object] | None,
    ) -> None:
        self._portal = portal
        self._stream = stream
        self._progress = progress
        self._console = console
        self._ready: deque[Event] = deque()

    def __iter__(self) -> Iterator[Any]:
        # Not kept: a generator that only the loop holds is closed as soon as the loop is left.
        return self._chunks()

    def __next__(self) -> Any:
        while (event := self._take()) is not None:
            raise_fault(event)
            if event.kind is Kind.CHUNK:
                return self._stream.read(event.payload)
        raise StopIteration

    def events(self) -> Iterator[Event]:
        """Every event as it comes, the last included; an end that isn't a success raises after it was given."""
        try:
            while (event := self._take()) is not None:
                yield event
                raise_fault(event)
        finally:
            self.close()

    def _chunks(self) -> Iterator[Any]:
        try:
            while (event := self._take()) is not None:
                raise_fault(event)
                if event.kind is Kind.CHUNK:
                    yield self._stream.read(event.payload)
        finally:
            self.close()

    def _take(self) -> Event | None:
        """The next event, from a batch that crossed between the threads at once; None once all were taken."""
        if not self._ready:
            self._ready.extend(self._portal.call(self._stream.batch()))
        if not self._ready:
            return None
        event = self._ready.popleft()
        report(event, self._progress, self._console)
        return event

    @property
    def job_id(self) -> str:
        """The job's id, once it is queued."""
        return self._stream.job_id

    @property
    def worker_id(self) -> str:
        """The worker's id, once it has started."""
        return self._stream.worker_id

    @property
    def result(self) -> Any:
        """What the handler returned, once it has ended."""
        return self._stream.result

    def cancel(self) -> Receipt:
        """Cancel the job and wait for the receipt. A loop over the stream gets what had come, then `Cancelled`."""
        return self._portal.call(self._stream.cancel())

    def close(self) -> None:
        """Leave: the job is cancelled if it hasn't ended."""
        self._ready.clear()
        self._portal.soon(self._stream.close)

    def __enter__(self) -> Stream:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


class Session(_SyncCalls):
    """Calls pinned to one worker, where `ctx.session` keeps their state. `id` is its id."""

    def __init__(self, portal: _Portal, session: aio.Session) -> None:
        self._portal = portal
        self._session = session
        self.id = session.id

    def _enter(self) -> tuple[_Portal, aio.Calls]:
        return self._portal, self._session

    def close(self) -> None:
        """Drop its state on the worker."""
        self._portal.call(self._session.close())

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *error: object) -> None:
        with contextlib.suppress(FarhandError):
            self.close()


class Job:
    """A durable job, as `AsyncClient`'s. It runs whether or not anyone holds this."""

    def __init__(self, portal: _Portal, job: AsyncJob) -> None:
        self._portal = portal
        self._job = job
        self.id = job.id
        self.how = job.how

    def __repr__(self) -> str:
        return repr(self._job)

    @property
    def cached(self) -> bool:
        """Whether it had been done before it was asked for."""
        return self._job.cached

    def info(self) -> JobInfo:
        """The job as it is now."""
        return self._portal.call(self._job.info())

    def ref(self, *, expires_in: float = 3600.0) -> Ref:
        """A ref to its result, as `AsyncClient.ref`."""
        return self._portal.call(self._job.ref(expires_in=expires_in))

    def status(self) -> str:
        """Where it is: "queued", "running", "succeeded" and others."""
        return self._portal.call(self._job.status())

    def watch(self, from_offset: int = 0) -> Iterator[Entry]:
        """Its log from any offset: what is there, then what comes, up to its end."""
        return self._iterate(self._job.watch(from_offset))

    def progress(self) -> Any:
        """Follow it with a live bar on a terminal or in a notebook, and give its result, as `AsyncClient`'s job. Ctrl-C
        leaves the job running and says how to follow it."""
        steps = contextlib.closing(self._iterate(self._job.steps()))
        with steps as entries, self._job.display(self.info()) as display:
            for entry in entries:
                display.take(entry)
        return display.result()

    def _iterate(self, entries: AsyncGenerator[T, None]) -> Generator[T, None, None]:
        steps: list[asyncio.Task[Any]] = []

        async def step() -> Any:
            steps[:] = [task] if (task := asyncio.current_task()) else []
            return await anext(entries, _END)

        async def close() -> None:
            if steps:
                await asyncio.wait(steps)  # one that Ctrl-C has cancelled may not be over yet
            await entries.aclose()

        try:
            while (entry := self._portal.call(step())) is not _END:
                yield entry
        finally:
            self._portal.call(close())

    def result(
        self,
        timeout: float | None = None,
        *,
        progress: Callable[[Progress], object] | None = None,
        console: Callable[[str], object] | None = None,
        returns: Any = None,
    ) -> Any:
        """Wait for its end and give its result, as `AsyncClient`'s job. The callbacks run in the client's own thread
        and must not call it."""
        return self._portal.call(self._job.result(timeout, progress=progress, console=console, returns=returns))

    def cancel(self) -> Receipt:
        """Ask for its end and wait for the receipt."""
        return self._portal.call(self._job.cancel())

    def retry(self) -> Job:
        """Start it anew once it has ended, as a job of its own."""
        return Job(self._portal, self._portal.call(self._job.retry()))


class Client(_SyncCalls):
    """A client of the hub at `address` (HOST:PORT), for code that isn't async; any number of threads may share it.

    Nothing happens until it is first used, so it may stand at module level of a program that forks later. It may be
    handed to spawned processes, where it dials anew. It also works inside a running event loop, which it blocks. The
    options are those of `AsyncClient`.
    """

    def __init__(
        self,
        address: str = "localhost:50051",
        *,
        api_key: str | None = None,
        connect_timeout: float = 10.0,
        codecs: Iterable[str | Codec] = (),
        json_up_to: int = 0,
    ) -> None:
        self.address = address
        self._codecs, self._json_up_to = tuple(codecs) if not isinstance(codecs, str) else codecs, json_up_to
        Codecs(self._codecs, json_up_to=json_up_to)  # what makes no sense fails here, not at the first call
        self._api_key = api_key
        self._connect_timeout = connect_timeout
        self._lock = threading.Lock()
        self._portal: _Portal | None = None
        self._client: aio.AsyncClient | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        return (_restore, (self.address, self._api_key, self._connect_timeout, self._codecs, self._json_up_to))

    def session(
        self,
        *,
        group: str = "default",
        on_loss: Literal["fail", "move"] = "fail",
        ttl: float = SESSION_TTL,
        labels: Mapping[str, str] | None = None,
        data: Mapping[str, Any] | None = None,
    ) -> Session:
        """Open a session, as `AsyncClient.session`; close it with ``with`` or `close`."""
        portal, client = self._open()

        async def begin() -> aio.Session:
            opened: aio.Session = await client.session(group=group, on_loss=on_loss, ttl=ttl, labels=labels, data=data)
            return opened

        return Session(portal, portal.call(begin()))

    def decide(
        self,
        handler: str,
        event: aio.Args = None,
        deadline: float = DEADLINE,
        default: Any = None,
        *,
        group: str = "default",
    ) -> Any:
        """Ask a handler what to do, and have an answer by the deadline, always, as `AsyncClient.decide`."""
        decision = Decision(handler, event, deadline, default)
        try:
            portal, client = self._open()
            return portal.call(
                decision.of(lambda: client.run(handler, event, group=group, timeout=deadline)), deadline + LATE
            )
        except (TimeoutError, Unavailable):  # the portal's thread is kept from running, or the client was closed
            return decision.late()

    def workers(self, group: str = "") -> list[WorkerView]:
        """The connected workers, of one group or of all."""
        portal, client = self._open()
        return portal.call(client.workers(group))

    def handlers(self, group: str = "") -> list[HandlerView]:
        """The handlers that connected workers serve, with their JSON Schemas."""
        portal, client = self._open()
        return portal.call(client.handlers(group))

    def hub(self) -> HubInfo:
        """What the hub says of itself."""
        portal, client = self._open()
        return portal.call(client.hub())

    def submit(self, handler: str, args: aio.Args = None, **options: Unpack[SubmitOptions]) -> Job:
        """Submit a durable job; it is committed when this returns. As `AsyncClient.submit`."""
        portal, client = self._open()
        return Job(portal, portal.call(client.submit(handler, args, **options)))

    def job(self, id: str) -> Job:
        """The durable job of this id; the hub is not asked yet."""
        portal, client = self._open()
        return Job(portal, client.job(id))

    def jobs(self, **wanted: Unpack[JobFilter]) -> list[JobInfo]:
        """Durable jobs that fit all that is given, newest first."""
        portal, client = self._open()
        return portal.call(client.jobs(**wanted))

    def uncache(self, handler: str, args: aio.Args = None, *, group: str = "default") -> int:
        """Let finished jobs stand for equal work no more, as `AsyncClient.uncache`; how many there were."""
        portal, client = self._open()
        return portal.call(client.uncache(handler, args, group=group))

    def schedules(self) -> list[ScheduleInfo]:
        """The handlers that run at times, by name."""
        portal, client = self._open()
        return portal.call(client.schedules())

    def drop_schedule(self, name: str) -> None:
        """Forget a schedule. A worker that asks for it brings it back when it connects."""
        portal, client = self._open()
        portal.call(client.drop_schedule(name))

    def fire_schedule(self, name: str) -> Job:
        """Add a job of a schedule now, beside its times."""
        portal, client = self._open()
        return Job(portal, portal.call(client.fire_schedule(name)))

    def fetch(self, ref: Ref, *, returns: Any = None, timeout: float | None = None) -> Any:
        """What a ref stands for, as `AsyncClient.fetch`."""
        portal, client = self._open()
        return portal.call(client.fetch(ref, returns=returns, timeout=timeout))

    def ref(self, job_id: str, *, expires_in: float = 3600.0) -> Ref:
        """A ref to a durable job's result, as `AsyncClient.ref`."""
        portal, client = self._open()
        return portal.call(client.ref(job_id, expires_in=expires_in))

    def cancel(self, job_id: str) -> Receipt:
        """Cancel a job by its id and wait for the receipt."""
        portal, client = self._open()
        return portal.call(client.cancel(job_id))

    def close(self) -> None:
        """Say goodbye and end the client's thread. Used again, it dials again."""
        if self._portal is not None and self._portal.pid != os.getpid():
            return
        with self._lock:
            portal, client = self._portal, self._client
            self._portal = self._client = None
        if portal is not None and client is not None:
            _open_clients.discard(self)
            with contextlib.suppress(Exception):
                portal.call(client.close())
            portal.stop()

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _enter(self) -> tuple[_Portal, aio.Calls]:
        return self._open()

    def _open(self) -> tuple[_Portal, aio.AsyncClient]:
        # Before the lock, which another thread may have held as the process forked.
        if self._portal is not None and self._portal.pid != os.getpid():
            raise Unavailable(aio.FORKED, retryable=False)
        with self._lock:
            if self._portal is None or self._client is None:
                self._portal = _Portal()
                self._client = aio.AsyncClient(
                    self.address,
                    api_key=self._api_key,
                    connect_timeout=self._connect_timeout,
                    codecs=self._codecs,
                    json_up_to=self._json_up_to,
                )
                _open_clients.add(self)
            return self._portal, self._client


_open_clients: weakref.WeakSet[Client] = weakref.WeakSet()


@atexit.register
def _close_all() -> None:
    for client in list(_open_clients):
        client.close()


def _restore(
    address: str, api_key: str | None, connect_timeout: float, codecs: Iterable[str | Codec], json_up_to: int
) -> Client:
    return Client(address, api_key=api_key, connect_timeout=connect_timeout, codecs=codecs, json_up_to=json_up_to)
