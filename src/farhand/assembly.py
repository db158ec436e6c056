"""Puts the parts together: the only file that knows concrete engines and fronts."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING

from farhand.core.machine import Limits
from farhand.engines.local.loops import new_loop, run_process
from farhand.engines.local.processes import LocalProcesses
from farhand.engines.local.threads import LocalThreads
from farhand.errors import InvalidArguments, Unavailable
from farhand.fronts.grpc.server import Server
from farhand.hub.durable import Durables
from farhand.hub.leases import LEASE
from farhand.hub.service import Hub
from farhand.model.urls import shown
from farhand.ports.store import Store
from farhand.worker.app import App
from farhand.worker.worker import Worker, WorkerOptions

if TYPE_CHECKING:
    from farhand.fronts.control.tasks import Tasks
    from farhand.fronts.http.server import HttpServer


class RunningHub:
    """A hub that serves. `address` is ``HOST:PORT`` as it listens; an async context manager that stops at the end."""

    def __init__(
        self,
        hub: Hub,
        server: Server,
        durables: Durables | None = None,
        http: HttpServer | None = None,
        tasks: Tasks | None = None,
    ) -> None:
        self.hub = hub
        self._server = server
        self._durables = durables
        self._http = http
        self._tasks = tasks

    @property
    def address(self) -> str:
        """``HOST:PORT`` of the gRPC door."""
        return self._server.address

    @property
    def http(self) -> str:
        """``HOST:PORT`` of the HTTP door; empty where there is none."""
        return self._http.address if self._http is not None else ""

    async def drain(self, grace: float) -> bool:
        """Take nothing new and wait up to `grace` seconds for what runs; whether all of it finished."""
        drains = [self._server.drain(grace), *([self._http.drain(grace)] if self._http is not None else [])]
        return all(await asyncio.gather(*drains))

    async def stop(self) -> None:
        """Close every connection; callers whose jobs are left are told."""
        await self._server.stop()
        if self._http is not None:
            await self._http.stop()
        if self._tasks is not None:
            await self._tasks.stop()
        if self._durables is not None:
            await self._durables.stop()

    async def __aenter__(self) -> RunningHub:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()


async def open_store(url: str) -> Store:
    """The store that a URL names: ``memory:``; ``sqlite:///PATH`` (relative to the current folder; four slashes for an
    absolute path); or ``postgresql://USER:PASSWORD@HOST:PORT/DATABASE``, which several hubs may share, with
    ``?schema=NAME`` ("farhand") and ``?notify=off`` for hubs that are only to look, each second, what others have done.

    Raises:
        InvalidArguments: the URL names none.
        Unavailable: it was written by a newer farhand, or can't be opened.
    """
    scheme, _, rest = url.partition(":")
    if scheme == "memory" and not rest:
        from farhand.engines.memory.store import MemoryStore

        return MemoryStore()
    if scheme == "sqlite" and rest.startswith("///") and len(rest) > 3:
        from farhand.engines.sqlite.store import SqliteStore

        return SqliteStore(rest[3:])
    if scheme in ("postgresql", "postgres") and rest.startswith("//"):
        try:
            from farhand.engines.postgres.store import PostgresStore
        except ImportError as missing:
            raise Unavailable(str(missing), retryable=False) from missing
        return await PostgresStore.open(url)
    raise InvalidArguments(
        f"{shown(url)!r} names no store: use sqlite:///farhand.db, postgresql://USER@HOST/DATABASE for several hubs, "
        "or memory: for what may be forgotten"
    )


async def serve_hub(
    address: str = "127.0.0.1:0",
    limits: Limits | None = None,
    store: Store | None = None,
    lease: float = LEASE,
    http: str | None = None,
) -> RunningHub:
    """Start a hub on ``HOST:PORT`` (port 0: a free one), loopback only. With a `store`, which is the hub's from now on,
    it keeps durable jobs, with leases of so many seconds. It serves HTTP on the address `http`, None for not at all.

    Raises:
        PermissionDenied: a host is not loopback.
        Unavailable: a port is taken.
    """
    hub = Hub(limits)
    durables = None if store is None else Durables(hub, store, lease)
    server = Server(hub, durables)
    door, tasks = None, None
    try:
        if http is not None:
            tasks = None if durables is None else _hub_tasks(hub, durables)
            door = _http_server(hub, durables, tasks)
            await door.start(http)
        await server.start(address)
    except BaseException:
        if door is not None:
            await door.stop()
        if store is not None:
            await store.close()
        raise
    if durables is not None:
        durables.start()
    return RunningHub(hub, server, durables, door, tasks)


def _hub_tasks(hub: Hub, durables: Durables) -> Tasks:
    """A hub's durable jobs as tasks of an orchestrator."""
    from farhand.fronts.control.hub import HubWays
    from farhand.fronts.control.tasks import Tasks

    return Tasks(hub, durables, HubWays())


def _http_server(hub: Hub, durables: Durables | None, tasks: Tasks | None) -> HttpServer:
    """The HTTP door, with the routes of every front that has some."""
    from farhand.fronts.control.routes import control_router
    from farhand.fronts.http.server import HttpServer

    return HttpServer(hub, durables, [] if tasks is None else [control_router(tasks)])


def build_worker(
    app: App,
    options: WorkerOptions,
    on_ready: Callable[[str], None] | None = None,
    link_loop: Callable[[], asyncio.AbstractEventLoop] = asyncio.new_event_loop,
) -> Worker:
    """A worker for `app` that runs handlers in this machine's threads and processes; see `Worker`."""
    return Worker(app, options, LocalThreads(), LocalProcesses(), link_loop, on_ready)


__all__ = ["RunningHub", "build_worker", "new_loop", "open_store", "run_process", "serve_hub"]
