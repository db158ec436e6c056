"""The sync client: one portal, a thread with its own event loop, over the async client."""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import os
import threading
import weakref
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping
from concurrent.futures import Future
from itertools import islice
from types import TracebackType
from typing import Any, Literal, TypeVar

from farhand.client import aio
from farhand.client.stream import Receipt
from farhand.client.stream import Stream as AsyncStream
from farhand.errors import Unavailable
from farhand.model.event import Progress
from farhand.model.limits import RUN_TIMEOUT, SESSION_TTL, STREAM_TIMEOUT
from farhand.model.worker import WorkerView

T = TypeVar("T")

MAP_BLOCK = 1024
"""Calls of one `map` begun together; the next block is begun before the results of one are given."""


class _Portal:
    """A daemon thread that runs an event loop, and a way in."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._serve, name="farhand-client", daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.close()

    def begin(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        """Start `work` in the thread."""
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    def call(self, work: Coroutine[Any, Any, T]) -> T:
        """Run `work` in the thread and wait; Ctrl-C cancels it."""
        future = self.begin(work)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def soon(self, function: Callable[[], object]) -> None:
        """Run a function in the thread, without waiting."""
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(function)

    def stop(self) -> None:
        """End the thread."""
        if self._thread.is_alive():
            self.soon(self._loop.stop)
            self._thread.join(5)


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
    ) -> Stream:
        """Run a handler and iterate its chunks as they come, as `AsyncClient.stream`. The callbacks run in the
        client's thread."""
        portal, calls = self._enter()

        async def begin() -> AsyncStream:
            return calls.stream(
                handler,
                args,
                group=group,
                timeout=timeout,
                priority=priority,
                labels=labels,
                progress=progress,
                console=console,
            )

        return Stream(portal, portal.call(begin()))

    def map(
        self,
        handler: str,
        args: Iterable[aio.Args],
        *,
        group: str = "default",
        timeout: float | None = RUN_TIMEOUT,
        priority: int = 0,
        labels: Mapping[str, str] | None = None,
        return_exceptions: bool = False,
    ) -> Iterator[Any]:
        """Run a handler once for each of `args` and give the results in their order, as `AsyncClient.map`.

        `args` is read in this thread, in blocks of 1,024.
        """
        portal, calls = self._enter()
        source = iter(args)

        async def collect(block: list[aio.Args]) -> list[Any]:
            results = calls.map(
                handler, block, group=group, timeout=timeout, priority=priority, labels=labels, return_exceptions=True
            )
            return [result async for result in results]

        ahead: Future[list[Any]] | None = None
        try:
            block = list(islice(source, MAP_BLOCK))
            ahead = portal.begin(collect(block)) if block else None
            while ahead is not None:
                now, block = ahead, list(islice(source, MAP_BLOCK))
                ahead = portal.begin(collect(block)) if block else None
                try:
                    results = now.result()
                except BaseException:
                    now.cancel()
                    raise
                for result in results:
                    if isinstance(result, Exception) and not return_exceptions:
                        raise result
                    yield result
        finally:
            if ahead is not None:
                ahead.cancel()


class Stream:
    """Iterate it for the chunks; leaving the loop cancels the job. Attributes as of the async stream."""

    def __init__(self, portal: _Portal, stream: AsyncStream) -> None:
        self._portal = portal
        self._stream = stream
        self._iterator: Iterator[Any] | None = None

    def __iter__(self) -> Iterator[Any]:
        if self._iterator is None:
            self._iterator = self._iterate()
        return self._iterator

    def __next__(self) -> Any:
        return next(iter(self))

    def _iterate(self) -> Iterator[Any]:
        try:
            while chunks := self._portal.call(self._stream.batch()):
                yield from chunks
        finally:
            self.close()

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
        """Cancel the job and wait for the receipt."""
        return self._portal.call(self._stream.cancel())

    def close(self) -> None:
        """Leave: the job is cancelled if it hasn't ended."""
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
        self.close()


class Client(_SyncCalls):
    """A client of the hub at `address` (HOST:PORT), for code that isn't async; any number of threads may share it.

    Nothing happens until it is first used, so it may stand at module level of a program that forks later. It may be
    handed to spawned processes, where it dials anew. It also works inside a running event loop, which it blocks.
    """

    def __init__(
        self, address: str = "localhost:50051", *, api_key: str | None = None, connect_timeout: float = 10.0
    ) -> None:
        self.address = address
        self._api_key = api_key
        self._connect_timeout = connect_timeout
        self._lock = threading.Lock()
        self._portal: _Portal | None = None
        self._client: aio.AsyncClient | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        return (_restore, (self.address, self._api_key, self._connect_timeout))

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

    def workers(self, group: str = "") -> list[WorkerView]:
        """The connected workers, of one group or of all."""
        portal, client = self._open()
        return portal.call(client.workers(group))

    def handlers(self, group: str = "") -> list[aio.HandlerView]:
        """The handlers that connected workers serve, with their JSON Schemas."""
        portal, client = self._open()
        return portal.call(client.handlers(group))

    def hub(self) -> aio.HubInfo:
        """What the hub says of itself."""
        portal, client = self._open()
        return portal.call(client.hub())

    def cancel(self, job_id: str) -> Receipt:
        """Cancel a job by its id and wait for the receipt."""
        portal, client = self._open()
        return portal.call(client.cancel(job_id))

    def close(self) -> None:
        """Say goodbye and end the client's thread. Used again, it dials again."""
        with self._lock:
            portal, client = self._portal, self._client
            self._portal = self._client = None
        if portal is not None and client is not None and portal.pid == os.getpid():
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
        with self._lock:
            if self._portal is None or self._client is None:
                self._portal = _Portal()
                self._client = aio.AsyncClient(
                    self.address, api_key=self._api_key, connect_timeout=self._connect_timeout
                )
                _open_clients.add(self)
            elif self._portal.pid != os.getpid():
                raise Unavailable(
                    "this client was in use before the process forked, and gRPC doesn't survive a fork: "
                    "start processes with spawn, or first use the client after the fork",
                    retryable=False,
                )
            return self._portal, self._client


_open_clients: weakref.WeakSet[Client] = weakref.WeakSet()


@atexit.register
def _close_all() -> None:
    for client in list(_open_clients):
        client.close()


def _restore(address: str, api_key: str | None, connect_timeout: float) -> Client:
    return Client(address, api_key=api_key, connect_timeout=connect_timeout)
