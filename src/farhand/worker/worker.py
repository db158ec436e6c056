"""A worker: an app, the executor that runs its handlers, and the link to the hub."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import signal
import socket
import threading
import time
from collections.abc import Callable, Mapping
from importlib.metadata import version

import msgspec
import structlog

from farhand.carriage.serving import check_port
from farhand.errors import FarhandError, InvalidArguments
from farhand.model.names import check_name
from farhand.model.worker import Hold, WorkerInfo
from farhand.ports.runner import Processes, Threads
from farhand.wire.farhand import incoming
from farhand.wire.farhand._pb import worker_pb2
from farhand.worker.app import App
from farhand.worker.children import Children
from farhand.worker.context import capture_prints, release_prints
from farhand.worker.executor import Executor
from farhand.worker.links.farhand import HubLink

HAND_OVER = 10.0
"""Seconds that handing over what was not fetched may take when a worker ends."""
STUCK = 2.0
"""Seconds beyond its grace after which a process ends whatever its handlers do."""


class WorkerOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How a worker presents itself.

    `hub` is HOST:PORT. `slots` is how many jobs it takes at once. `reference` is how a child process loads the app
    (``MODULE:APP`` or ``FILE.py``), needed for handlers with ``isolate="process"``. `id` must be unique; by default
    it is made of host, process and chance. `data` is ``HOST:PORT``, as clients reach it, of a port where they may fetch
    large results directly; empty for none, port 0 for a free one.
    """

    hub: str = "localhost:50051"
    group: str = "default"
    slots: int = 32
    labels: Mapping[str, str] = {}
    id: str = ""
    reference: str = ""
    data: str = ""


class Worker:
    """Serves an app's handlers to a hub until it is stopped."""

    def __init__(
        self,
        app: App,
        options: WorkerOptions,
        threads: Threads,
        processes: Processes,
        link_loop: Callable[[], asyncio.AbstractEventLoop],
        on_ready: Callable[[str], None] | None = None,
    ) -> None:
        """`link_loop` makes the event loop of the link's thread. `on_ready` is called in that thread, with the worker's
        id, each time the hub has let it in.

        Raises:
            InvalidArguments: the app has no handler, or an option makes no sense.
        """
        _check(app, options)
        self.id = options.id or f"{socket.gethostname()[:60]}-{os.getpid()}-{secrets.token_hex(3)}"
        self.error: FarhandError | None = None
        self._app = app
        self._on_ready = on_ready
        info = WorkerInfo(
            id=check_name("worker", self.id),
            group=check_name("group", options.group),
            slots=options.slots,
            labels=dict(options.labels),
            handlers=tuple(handler.spec for handler in app.handlers.values()),
            version=version("farhand"),
            host=socket.gethostname(),
            pid=os.getpid(),
        )
        self._link = HubLink(info, options.hub, self, link_loop, options.data)
        children = Children(processes, options.reference, self.id)
        self._executor = Executor(app, self._link.outbox, threads, children, self.id, self._link)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._hurry: asyncio.Event | None = None
        self._log = structlog.get_logger("farhand.worker")

    async def run(self, grace: float = 30.0) -> None:
        """Serve until `stop`, then let running jobs finish for up to `grace` seconds.

        Raises:
            Replaced: a newer worker took this one's id.
            ProtocolViolation: the hub refused it.
        """
        self._loop = asyncio.get_running_loop()
        self._stop, self._hurry = asyncio.Event(), asyncio.Event()
        capture_prints()
        try:
            await self._executor.start()
            self._link.start()
            try:
                await self._stop.wait()
                if self.error is None:
                    await self._drain(grace)
            finally:
                await asyncio.to_thread(self._link.stop)
                await self._executor.close()
        finally:
            release_prints()
        if self.error is not None:
            raise self.error

    def stop(self) -> None:
        """Drain and end; called again, end at once. On the worker's own loop."""
        if self._stop is not None and self._hurry is not None:
            if self._stop.is_set():
                self._hurry.set()
            self._stop.set()

    async def run_with_signals(self, grace: float = 30.0) -> int:
        """Serve as a process's main thing: SIGTERM and SIGINT drain, a second one stops at once. The exit status."""
        loop = asyncio.get_running_loop()
        caught: list[int] = []

        def on_signal(number: int, frame: object) -> None:
            # Not by way of the loop: a handler that holds it must not hold up the process's end.
            caught.append(number)
            loop.call_soon_threadsafe(self.stop)
            patience, status = (STUCK, 128 + number) if len(caught) > 1 else (grace + STUCK, 0)
            last_resort = threading.Timer(min(patience, threading.TIMEOUT_MAX), os._exit, (status,))
            last_resort.daemon = True
            last_resort.start()

        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, on_signal)
        await self.run(grace)
        return 128 + caught[-1] if len(caught) > 1 else 0

    async def _drain(self, grace: float) -> None:
        self._executor.draining = True
        self._link.say_draining()
        if self._executor.running:
            self._log.info("draining", running=self._executor.running, grace=grace)
        assert self._hurry is not None
        waits = {asyncio.ensure_future(self._executor.quiet()), asyncio.ensure_future(self._hurry.wait())}
        _, late = await asyncio.wait(waits, timeout=grace, return_when=asyncio.FIRST_COMPLETED)
        for task in late:
            task.cancel()
        await self._hand_over(min(grace, HAND_OVER))

    async def _hand_over(self, patience: float) -> None:
        """Let who fetches results go on for a moment, then give to the hub what nobody has fetched."""
        with contextlib.suppress(TimeoutError, FarhandError):
            async with asyncio.timeout(patience):
                assert self._hurry is not None
                if not self._hurry.is_set():
                    await asyncio.wrap_future(self._link.give_up())

    # -- what the link tells, in its own thread ----------------------------------------------------------------------

    @property
    def running(self) -> int:
        """Jobs that haven't ended."""
        return self._executor.running

    def on_work(self, frame: worker_pb2.HubFrame) -> None:
        """Hand a frame's work to the handlers' loop, in one piece."""
        assignments = incoming.assignments(frame.assign, time.monotonic())
        credit = incoming.credits(frame.credit)
        cancels = incoming.cancels(frame.cancel)
        generation = self._link.outbox.generation
        for adopted in frame.adopted:
            self._call_soon(self._executor.adopt, adopted.job, generation, adopted.chunks)
        self._call_soon(self._perform, generation, assignments, credit, cancels, list(frame.close_session))
        if frame.released:
            self._call_soon(self._release, list(frame.released))

    def announce(self) -> None:
        """Say what a handler that holds the event loop keeps from being said; called every second."""
        self._executor.announce()

    def on_ready(self) -> None:
        """The hub let it in."""
        if self._on_ready is not None:
            self._on_ready(self.id)

    def holds(self) -> list[Hold]:
        """The leased jobs it goes on with, to be presented to the next hub."""
        held = self._executor.held
        self._link.outbox.present(held)
        return [Hold(job=call.job, left=call.seconds_left(), window=call.window, chunks=call.chunks) for call in held]

    def on_lost(self, held_until: float | None) -> None:
        """The connection is gone. Leased jobs go on until then, None: none do."""
        if held_until is None:
            self._link.outbox.unpresent(self._executor.held)
            self._call_soon(self._executor.stop_all)
        else:
            self._call_soon(self._executor.lost, held_until)

    def on_look(self, now: float, held_until: float) -> None:
        """Those whose hub is connected have their leases until then."""
        self._call_soon(self._executor.check_leases, now, held_until)

    @property
    def holding(self) -> bool:
        """Whether it has leased jobs."""
        return bool(self._executor.held)

    def on_refused(self, error: FarhandError) -> None:
        """The hub won't have it: end with this error."""
        self._call_soon(self._give_up, error)

    def _call_soon(self, function: Callable[..., object], *arguments: object) -> None:
        assert self._loop is not None
        with contextlib.suppress(RuntimeError):  # the loop has closed: the worker has stopped
            self._loop.call_soon_threadsafe(function, *arguments)

    def _perform(
        self,
        generation: int,
        assignments: list[incoming.Assignment],
        credit: list[tuple[str, int]],
        cancels: list[tuple[str, str]],
        closed: list[str],
    ) -> None:
        executor = self._executor
        executor.assign(assignments, generation)
        for job, amount in credit:
            executor.credit(job, amount)
        for job, reason in cancels:
            executor.cancel(job, reason)
        for session in closed:
            executor.close_session(session)

    def _release(self, jobs: list[str]) -> None:
        for job in jobs:
            self._executor.release(job)

    def _give_up(self, error: FarhandError) -> None:
        self.error = error
        if self._stop is not None:
            self._stop.set()


def _check(app: App, options: WorkerOptions) -> None:
    if not app.handlers:
        raise InvalidArguments("the app has no handler: put @app.handler on a function")
    if options.data:
        check_port(options.data)
    if options.slots < 1:
        raise InvalidArguments(f"slots must be 1 or more, not {options.slots}")
    isolated = sorted(name for name, handler in app.handlers.items() if handler.isolate == "process")
    if isolated and not options.reference:
        raise InvalidArguments(
            f"{', '.join(isolated)} with isolate='process' needs an app that a new process can load: "
            "serve it as MODULE:APP or FILE.py"
        )
