"""Puts the parts together: the only file that knows concrete engines and fronts."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

import msgspec

from farhand.core.machine import Limits
from farhand.engines.local.loops import new_loop, run_process
from farhand.engines.local.processes import LocalProcesses
from farhand.engines.local.threads import LocalThreads
from farhand.errors import InvalidArguments, Unavailable
from farhand.fronts.agnt.door import AgntDoor, AgntOptions
from farhand.fronts.devaria.options import DevariaOptions
from farhand.fronts.grpc.server import Server
from farhand.fronts.nextflow.actions import ActionDoor
from farhand.fronts.nextflow.asking import hub_deciding
from farhand.hub.durable import Durables
from farhand.hub.leases import LEASE
from farhand.hub.loopback import check_reach
from farhand.hub.pruning import KEEP
from farhand.hub.service import Hub
from farhand.hub.transfers import Transfers, shared_secret
from farhand.model.durable import Keep
from farhand.model.places import folder_of
from farhand.model.urls import shown
from farhand.ports.blobs import Blobs
from farhand.ports.store import Store
from farhand.wire.farhand.transfer import data_of
from farhand.worker.app import App
from farhand.worker.worker import Worker, WorkerOptions

if TYPE_CHECKING:
    from litestar import Router

    from farhand.fronts.control.data import DataServer
    from farhand.fronts.control.tasks import Tasks
    from farhand.fronts.devaria.door import DevariaDoor
    from farhand.fronts.http.listener import Listener
    from farhand.fronts.http.server import HttpServer
    from farhand.fronts.nextflow.deciding import Deciding
    from farhand.kits.service.options import ServiceOptions
    from farhand.worker.links.served import ServedOptions
    from farhand.worker.links.snakepit import Bridge, Commands
    from farhand.worker.puller import Puller, PullOptions


class Doors(msgspec.Struct, frozen=True, kw_only=True):
    """How a hub serves other systems: `nextflow_policy` is the handler that decides what Nextflow and its plugins are
    answered, empty for none; `devaria` has the keys of Devaria's door, which is shut without any; `agnt` the bounds of
    database agents and their callers."""

    nextflow_policy: str = ""
    devaria: DevariaOptions = DevariaOptions()
    agnt: AgntOptions = AgntOptions()


class RunningHub:
    """A hub that serves. `address` is ``HOST:PORT`` as it listens; an async context manager that stops at the end."""

    def __init__(
        self,
        hub: Hub,
        server: Server,
        durables: Durables | None = None,
        http: HttpServer | None = None,
        tasks: Tasks | None = None,
        devaria: DevariaDoor | None = None,
    ) -> None:
        self.hub = hub
        self._server = server
        self._durables = durables
        self._http = http
        self._tasks = tasks
        self._devaria = devaria

    @property
    def durables(self) -> Durables | None:
        """Its durable jobs; None where it keeps none."""
        return self._durables

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
        if self._devaria is not None:
            await self._devaria.stop()
        if self._durables is not None:
            await self._durables.stop()
        if self.hub.transfers.blobs is not None:
            await self.hub.transfers.blobs.close()

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


def open_blobs(url: str) -> Blobs:
    """The blob store that a URL names, as `model.places` says; of S3 nothing is asked yet.

    Raises:
        InvalidArguments: the URL names none.
        Unavailable: the folder can't be written, or what S3 needs isn't installed.
    """
    scheme, _, rest = url.partition(":")
    if scheme == "memory" and not rest:
        from farhand.engines.memory.blobs import MemoryBlobs

        return MemoryBlobs()
    if scheme == "s3":
        try:
            from farhand.engines.s3.blobs import S3Blobs
        except ImportError as missing:
            raise Unavailable(str(missing), retryable=False) from missing
        return S3Blobs(url)
    from farhand.engines.files.blobs import FilesBlobs

    return FilesBlobs(folder_of(url))


async def serve_hub(
    address: str = "127.0.0.1:0",
    limits: Limits | None = None,
    store: Store | None = None,
    lease: float = LEASE,
    http: str | None = None,
    keep: Keep = KEEP,
    blobs: Blobs | None = None,
    blob_budget: int = 0,
    doors: Doors | None = None,
) -> RunningHub:
    """Start a hub on ``HOST:PORT`` (port 0: a free one), loopback only. With a `store`, which is the hub's from now on,
    it keeps durable jobs, with leases of so many seconds. Those that have ended it keeps as their handlers declare,
    else as `keep` says: for 30 days, the newest 1,000,000 of each handler. It serves HTTP on the address `http`, None
    for not at all. `doors` is what other systems find there.

    Raises:
        PermissionDenied: a host is not loopback.
        Unavailable: a port is taken.
    """
    if blobs is None and store is not None:
        from farhand.engines.memory.blobs import MemoryBlobs

        blobs = MemoryBlobs()  # as long as the hub; `open_blobs` has what lasts
    try:
        secret = None if blobs is None else await shared_secret(blobs)
    except BaseException:
        await asyncio.gather(*(one.close() for one in (blobs, store) if one is not None))
        raise
    transfers = Transfers(secret, blobs, data_of, budget=blob_budget)
    hub = Hub(limits, transfers=transfers)
    durables = None if store is None else Durables(hub, store, lease, keep)
    doors = doors or Doors()
    deciding = hub_deciding(hub, doors.nextflow_policy)
    server = Server(hub, durables, [AgntDoor(hub, doors.agnt), ActionDoor(deciding)])
    door, tasks, pulled = None, None, None
    try:
        if http is not None:
            tasks = None if durables is None else _hub_tasks(hub, durables)
            pulled = None if durables is None else _devaria_door(durables, doors.devaria)
            door = _http_server(hub, durables, _routers(tasks, deciding), pulled)
            await door.start(http)
        await server.start(address)
    except BaseException:
        if door is not None:
            await door.stop()
        await asyncio.gather(*(one.close() for one in (blobs, store) if one is not None))
        raise
    if durables is not None:
        durables.start()
    return RunningHub(hub, server, durables, door, tasks, pulled)


def _hub_tasks(hub: Hub, durables: Durables) -> Tasks:
    """A hub's durable jobs as tasks of an orchestrator."""
    from farhand.fronts.control.hub import HubWays
    from farhand.fronts.control.tasks import Tasks

    return Tasks(hub, durables, HubWays())


def _devaria_door(durables: Durables, options: DevariaOptions) -> DevariaDoor | None:
    """Devaria's door; None where nobody has a key for it."""
    from farhand.fronts.devaria.door import DevariaDoor

    return DevariaDoor(durables, options) if options.on else None


def _routers(tasks: Tasks | None, deciding: Deciding) -> list[Router]:
    """The routes of other fronts on the HTTP port."""
    from farhand.fronts.control.routes import control_router
    from farhand.fronts.nextflow.weblog import weblog_router

    return [weblog_router(deciding), *([] if tasks is None else [control_router(tasks)])]


def _http_server(hub: Hub, durables: Durables | None, routers: list[Router], devaria: DevariaDoor | None) -> HttpServer:
    """The HTTP door, with the routes of every front that has some."""
    from farhand.fronts.http.door import Mount
    from farhand.fronts.http.server import HttpServer

    mounts: list[Mount] = []
    if devaria is not None:
        mounts.append(Mount(devaria.path, devaria.app, devaria.body_limit))
    return HttpServer(hub, durables, routers, mounts)


def build_worker(
    app: App,
    options: WorkerOptions,
    on_ready: Callable[[str], None] | None = None,
    link_loop: Callable[[], asyncio.AbstractEventLoop] = asyncio.new_event_loop,
) -> Worker:
    """A worker for `app` that runs handlers in this machine's threads and processes; see `Worker`."""
    return Worker(app, options, LocalThreads(), LocalProcesses(), link_loop, on_ready)


def build_puller(app: App, options: PullOptions, on_known: Callable[[str], None]) -> Puller:
    """A worker for `app` that asks a hub for jobs over HTTP; see `Puller`."""
    from farhand.worker.puller import Puller

    return Puller(app, options, LocalThreads(), LocalProcesses(), on_known)


def build_snakepit(commands: Commands, options: ServedOptions) -> Bridge:
    """A worker that a Snakepit pool calls, which runs handlers in this machine's threads and processes."""
    from farhand.worker.links.snakepit import Bridge

    return Bridge(commands, LocalThreads(), LocalProcesses(), options)


class RunningService:
    """A service that serves: `http` and `grpc` are ``HOST:PORT`` as it listens. It is made of a hub that only its own
    worker dials, a door for orders and a door for data. An async context manager that stops at the end."""

    def __init__(self, hub: RunningHub, tasks: Tasks, folder: Path) -> None:
        self.http = self.grpc = ""
        self.hub = hub
        self.tasks = tasks
        self._folder = folder
        self._chore: asyncio.Task[None] | None = None
        self._worker: Worker | None = None
        self._running: asyncio.Task[None] | None = None
        self._listener: Listener | None = None
        self._data: DataServer | None = None

    async def work(self, worker: Worker, ready: asyncio.Event) -> None:
        """Let the worker begin; what it raises passes through."""
        self._worker = worker
        self._running = asyncio.ensure_future(worker.run(grace=0))
        waiting = asyncio.ensure_future(ready.wait())
        await asyncio.wait({self._running, waiting}, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        if self._running.done():
            await self._running

    async def open(
        self, listener: Listener, data: DataServer, at: tuple[str, int, int], tidy: Callable[[], None]
    ) -> None:
        """Open the doors on host, HTTP port and gRPC port; call `tidy` now and then."""
        host, port, grpc_port = at
        self._listener, self._data = listener, data
        self.http = f"{host}:{await listener.start(host, port)}"
        self.grpc = f"{host}:{await data.start(host, grpc_port)}"
        self._chore = asyncio.ensure_future(self._tick(listener, tidy))

    async def _tick(self, listener: Listener, tidy: Callable[[], None]) -> None:
        while True:
            listener.date()
            tidy()
            await asyncio.sleep(1.0)

    @property
    def ended(self) -> asyncio.Task[None] | None:
        """The worker's life, which lasts as long as the service's unless it fails."""
        return self._running

    async def drain(self, grace: float) -> bool:
        """Take no new orders and wait up to `grace` seconds for the tasks that run; whether all of them ended."""
        if self._data is not None:
            await self._data.drain()
        return await self.hub.drain(grace)

    async def stop(self) -> None:
        """Close the doors, end what runs, and remove what was kept."""
        if self._chore is not None:
            self._chore.cancel()
        if self._data is not None:
            await self._data.stop(1.0)
        if self._listener is not None:
            await self._listener.stop()
            await self._listener.wait_closed()
        await self.tasks.stop()
        if self._worker is not None and self._running is not None:
            self._worker.stop()
            self._worker.stop()
            await asyncio.gather(self._running, return_exceptions=True)
        await self.hub.stop()
        await asyncio.to_thread(shutil.rmtree, self._folder, True)

    async def __aenter__(self) -> RunningService:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()


async def serve_service(options: ServiceOptions) -> RunningService:
    """Start a service. What the app's own code raises passes through.

    Raises:
        PermissionDenied: others could reach it, and it asks for no key.
        Unavailable: a port is taken.
        AppNotFound: there is no such app or proto.
    """
    from farhand.engines.files.spool import FileSpool, SpoolLimits
    from farhand.fronts.control import routes
    from farhand.fronts.control.data import DataServer
    from farhand.fronts.control.download import data_routes
    from farhand.fronts.control.results import Public, ServiceWays
    from farhand.fronts.control.tasks import TaskOptions, Tasks
    from farhand.fronts.http.listener import Listener
    from farhand.kits.service.loading import CHILD, Parts, Service, spool_folder

    check_reach(options.host, options.key)
    folder = spool_folder()
    limits = SpoolLimits(disk=options.disk, count=options.count, age=options.age)
    try:
        spool = FileSpool(folder, limits)
        parts = Parts(
            target=options.target, protos=options.protos, folder=str(folder), policy=options.policy, disk=options.disk
        )
        service = Service(parts, spool)
        hub = await serve_hub(store=await open_store(options.store))
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    durables = hub.durables
    assert durables is not None
    ways = ServiceWays(spool, service.rpcs)
    tasks = Tasks(hub.hub, durables, ways, TaskOptions(timeout=options.timeout))
    running, ready, loop = RunningService(hub, tasks, folder), asyncio.Event(), asyncio.get_running_loop()
    try:
        parts.tell()
        await tasks.take_up()
        worker = build_worker(
            service.wrapped,
            WorkerOptions(hub=hub.address, slots=options.slots, reference=CHILD),
            lambda id: _set_soon(loop, ready),
            new_loop,
        )
        await running.work(worker, ready)
        data = DataServer(service.rpcs, tasks, ways, spool, list(service.wrapped.handlers))
        router = routes.control_router(tasks, options.key, data_routes(tasks, ways, spool, options.key))
        listener = Listener(routes.application(router), "; PORT or --port takes another")
        await running.open(listener, data, (options.host, options.port, options.grpc_port), spool.tidy)
    except BaseException:
        await running.stop()
        raise
    host = options.public or "localhost"
    ways.public = Public(
        grpc=f"{host}:{running.grpc.rpartition(':')[2]}", http=f"http://{host}:{running.http.rpartition(':')[2]}"
    )
    return running


def _set_soon(loop: asyncio.AbstractEventLoop, event: asyncio.Event) -> None:
    loop.call_soon_threadsafe(event.set)


__all__ = [
    "AgntOptions",
    "DevariaOptions",
    "Doors",
    "RunningHub",
    "RunningService",
    "build_puller",
    "build_snakepit",
    "build_worker",
    "new_loop",
    "open_blobs",
    "open_store",
    "run_process",
    "serve_hub",
    "serve_service",
]
