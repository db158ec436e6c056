"""A worker that pulls: an app, the executor that runs its handlers, and the link that asks for its jobs over HTTP."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import threading
from collections.abc import Callable
from typing import Any

import msgspec

from farhand.model.limits import CREDIT_WINDOW
from farhand.model.payload import Payload
from farhand.ports.runner import Processes, Threads
from farhand.wire.devaria import told
from farhand.wire.farhand.incoming import Assignment
from farhand.worker.app import App
from farhand.worker.children import Children
from farhand.worker.context import capture_prints, release_prints
from farhand.worker.executor import Executor
from farhand.worker.links.devaria import DevariaLink, Identity
from farhand.worker.pulled import Inline, Pulled, PulledOutbox


class PullOptions(msgspec.Struct, frozen=True, kw_only=True):
    """`url` is of the hub, `key` the runner's. `slots` is how many jobs it runs at once. `id` and `name` are who it was
    before, if it was; `reference` is how a child process loads the app."""

    url: str
    key: str
    name: str
    id: str = ""
    slots: int = 1
    reference: str = ""


class Puller:
    """Serves an app's handlers to a hub that is asked for jobs. `on_known` is called, in the link's thread, with the id
    that the hub gave."""

    def __init__(
        self,
        app: App,
        options: PullOptions,
        threads: Threads,
        processes: Processes,
        on_known: Callable[[str], None],
    ) -> None:
        self._outbox = PulledOutbox(self._grant)
        children = Children(processes, options.reference, options.name)
        self._executor = Executor(app, self._outbox, threads, children, options.name, Inline())
        who = Identity(id=options.id, name=options.name, types=tuple(app.handlers))
        self._link = DevariaLink(options.url, options.key, who, options.slots, self, on_known)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._log = logging.getLogger("farhand.devaria")

    async def run(self) -> None:
        """Serve until `stop`, and until what was begun has ended.

        Raises:
            NotLetIn: the hub doesn't take the key.
        """
        self._loop = asyncio.get_running_loop()
        capture_prints()
        try:
            await self._executor.start()
            try:
                await self._in_thread()
            finally:
                await self._executor.close()
        finally:
            release_prints()

    async def _in_thread(self) -> None:
        """Run the link in a thread of its own; what it raises passes through."""
        loop, ended = asyncio.get_running_loop(), asyncio.get_running_loop().create_future()

        def settle(error: BaseException | None) -> None:
            if not ended.done():
                ended.set_result(None) if error is None else ended.set_exception(error)

        def serve() -> None:
            error: BaseException | None = None
            try:
                asyncio.run(self._link.run())
            except BaseException as raised:
                error = raised
            with contextlib.suppress(RuntimeError):  # nobody waits any more
                loop.call_soon_threadsafe(settle, error)

        threading.Thread(target=serve, name="farhand-devaria", daemon=True).start()
        await ended

    def stop(self) -> None:
        """Claim nothing more, and end with what runs."""
        self._link.stop()

    async def run_with_signals(self) -> int:
        """As a process's main thing: SIGTERM and SIGINT let current jobs end, a second one stops at once. The exit
        status."""
        caught: list[int] = []

        def on_signal(number: int, frame: object) -> None:
            caught.append(number)
            if len(caught) > 1:
                os._exit(128 + number)  # what runs is given back when its claim runs out
            self._log.info("Received signal %d, shutting down gracefully...", number)
            self.stop()

        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, on_signal)
        await self.run()
        self._log.info("Runner stopped")
        return 0

    # -- what the link asks for, in its own thread -------------------------------------------------------------------

    def begin(self, job: Pulled, params: dict[str, Any]) -> None:
        """As `Work.begin`."""
        self._outbox.jobs[job.id] = job
        assignment = Assignment(job.id, job.job_type, Payload(told.encode(params)), None, CREDIT_WINDOW)
        self._call_soon(self._executor.assign, [assignment], self._outbox.generation)

    def give_up(self, job: Pulled) -> None:
        """As `Work.give_up`."""
        self._outbox.jobs.pop(job.id, None)
        self._call_soon(self._executor.cancel, job.id, "CANCELLED")

    def _grant(self, job: str, amount: int) -> None:
        self._call_soon(self._executor.credit, job, amount)

    def _call_soon(self, verb: Callable[..., object], *arguments: Any) -> None:
        assert self._loop is not None, "it runs"
        with contextlib.suppress(RuntimeError):  # the loop is closed
            self._loop.call_soon_threadsafe(verb, *arguments)
