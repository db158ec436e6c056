"""Tasks: jobs as an orchestrator sees them. A task's id is its job's own, so that two runs of a workflow, which give
their nodes the same ids, never meet."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable
from typing import Any, Protocol

import msgspec
import structlog

from farhand.errors import FarhandError, HandlerNotFound, TaskFailed, TooLarge
from farhand.hub.calling import kept_answer
from farhand.hub.durable import Durables
from farhand.hub.service import Hub
from farhand.model.durable import Entry, KeptJob
from farhand.model.event import Kind, Progress
from farhand.model.handler import HandlerSpec
from farhand.model.order import Order
from farhand.model.payload import NOTHING, Media, Payload
from farhand.model.state import ENDS, State
from farhand.ports.store import Filter
from farhand.wire.control import orders
from farhand.wire.control.orders import Execute

AT_ONCE = 0.2
"""Seconds in which a task may end to be answered as complete at once."""
RESULT_LIMIT = 64 * 1024 * 1024
"""Bytes of a result that is answered in one piece."""
SEEN = 10_000
"""Tasks whose progress is remembered; of another, the log is read from its beginning."""


class Ways(Protocol):
    """How an order becomes a job's arguments, and its end a reference. `reads` says whether results are looked at."""

    reads: bool

    def arguments(self, order: Execute, spec: HandlerSpec) -> Payload:
        """What the handler is called with."""

    def output(self, id: str, result: Payload, base: str) -> dict[str, Any]:
        """Where the result of a job that succeeded is; `base` is how the asker reached us, ``http://HOST:PORT``."""

    def ended(self, id: str, result: Payload | None) -> None:
        """A job that was ordered here has ended; its result where it succeeded."""


class TaskOptions(msgspec.Struct, frozen=True, kw_only=True):
    """`group` serves the tasks; `timeout` is how many seconds one attempt of a task may take, None for ever;
    `at_once` how many its order waits for its end."""

    group: str = "default"
    timeout: float | None = None
    at_once: float = AT_ONCE


class Seen(msgspec.Struct):
    """How much of a task's log was read, and its last progress there."""

    offset: int = 0
    progress: Progress | None = None


class Tasks:
    """The tasks of one hub."""

    def __init__(self, hub: Hub, durables: Durables, ways: Ways, options: TaskOptions | None = None) -> None:
        self._hub = hub
        self._durables = durables
        self._ways = ways
        self._options = options or TaskOptions()
        self._seen: dict[str, Seen] = {}
        self._watched: dict[str, asyncio.Task[None]] = {}
        self._log = structlog.get_logger("farhand.control")

    async def execute(self, order: Execute, base: str) -> dict[str, Any]:
        """Take an order on: the answer to it.

        Raises:
            HandlerNotFound: nobody serves the method.
            FarhandError: it isn't taken, as the class says.
        """
        spec = self.offered(order.method)
        if spec is None:
            raise HandlerNotFound(f"Unknown method: {order.method}")
        id = await self.begin(order.method, self._ways.arguments(order, spec))
        await asyncio.wait({self._watched[id]}, timeout=self._options.at_once)
        kept = await self._durables.get(id)
        status = orders.status_of(kept)
        output = self._ways.output(id, await self.result(id), base) if status == "complete" else None
        return orders.execute_answer(status, id, output, _reason(kept))

    async def status(self, id: str) -> dict[str, Any]:
        """How a task is.

        Raises:
            JobNotFound: there is none.
        """
        kept = await self.get(id)
        status = orders.status_of(kept)
        progress = 100 if status == "complete" else orders.percent(await self._progress(kept))
        return orders.status_answer(status, progress, _reason(kept))

    async def output(self, id: str, base: str) -> dict[str, Any]:
        """Where a complete task's result is.

        Raises:
            JobNotFound: there is no such task.
            TaskFailed: it isn't complete.
        """
        kept = await self.get(id)
        if orders.status_of(kept) != "complete":
            raise TaskFailed("Task not complete")
        return orders.output_answer(self._ways.output(id, await self.result(id), base))

    # -- for the other doors -----------------------------------------------------------------------------------------

    def offered(self, method: str) -> HandlerSpec | None:
        """What a worker says of this handler; None where none serves it."""
        for view in self._hub.workers(self._options.group):
            for spec in view.info.handlers:
                if spec.name == method:
                    return spec
        return None

    async def begin(self, method: str, args: Payload) -> str:
        """Keep a job; its id."""
        order = Order(
            handler=method,
            group=self._options.group,
            args=args,
            timeout=self._options.timeout,
            cache=False if self._ways.reads else None,  # a result beside the hub may be gone before it
        )
        id = (await self._durables.order(order)).kept.job.id
        self._begin_watching(id)
        return id

    async def take_up(self) -> None:
        """Watch the tasks that an earlier process of this service has left unended."""
        for kept in await self._durables.find(Filter(states=frozenset(State) - ENDS, limit=1_000)):
            self._begin_watching(kept.job.id)

    async def end(self, id: str) -> KeptJob:
        """A task that was begun here, once it has ended. Whoever stops waiting cancels it."""
        try:
            if (watching := self._watched.get(id)) is not None:
                await asyncio.shield(watching)
            return await self._durables.get(id)
        except asyncio.CancelledError:
            self._durables.track(self._cancel(id))
            raise

    async def get(self, id: str) -> KeptJob:
        """The job of a task. One that has ended has also been told to have.

        Raises:
            JobNotFound: there is none.
        """
        kept = await self._durables.get(id)
        if kept.ended is not None and (watching := self._watched.get(id)) is not None:
            await asyncio.wait({watching})
        return kept

    async def result(self, id: str) -> Payload:
        """The result of a task that is complete; nothing where nobody looks at it."""
        if not self._ways.reads:
            return NOTHING
        result, _ = await kept_answer(self._durables, id)
        found = await self._durables.transfers.whole(result, RESULT_LIMIT)
        if found.media == Media.REF:
            raise TooLarge(f"the result of task {id} is larger than {RESULT_LIMIT:,} bytes: let it stream its data")
        return found

    async def stop(self) -> None:
        """Watch no task any more."""
        watching = list(self._watched.values())
        for task in watching:
            task.cancel()
        await asyncio.gather(*watching, return_exceptions=True)

    # -- watching ----------------------------------------------------------------------------------------------------

    def _begin_watching(self, id: str) -> None:
        if id not in self._watched:
            self._watched[id] = asyncio.get_running_loop().create_task(self._watch(id))

    async def _cancel(self, id: str) -> None:
        with contextlib.suppress(FarhandError):
            await self._durables.cancel(id)

    async def _watch(self, id: str) -> None:
        """Follow a task to its end."""
        try:
            await self._follow(id, lambda offset: False)
            succeeded = orders.status_of(await self._durables.get(id)) == "complete"
            self._ways.ended(id, await self.result(id) if succeeded else None)
        except Exception:
            self._log.exception("a task can't be followed", task=id)
        finally:
            self._watched.pop(id, None)

    async def _progress(self, kept: KeptJob) -> Progress | None:
        id = kept.job.id
        if id not in self._watched and self._seen.get(id, Seen()).offset < kept.offset:
            await self._follow(id, lambda offset: offset >= kept.offset)
        return self._seen.get(id, Seen()).progress

    async def _follow(self, id: str, enough: Callable[[int], bool]) -> None:
        """Read on in a task's log, up to its end or until it is enough."""
        seen = self._seen.pop(id, None) or Seen()
        self._seen[id] = seen
        if len(self._seen) > SEEN:
            del self._seen[next(iter(self._seen))]
        log: AsyncGenerator[Entry, None] = self._durables.attach(id, seen.offset)
        async with contextlib.aclosing(log):
            async for entry in log:
                seen.offset = entry.offset + 1
                if entry.event.kind is Kind.PROGRESS:
                    seen.progress = entry.event.progress
                elif entry.event.kind is Kind.STARTED:
                    seen.progress = None
                if enough(seen.offset):
                    return


def _reason(kept: KeptJob) -> str | None:
    """Why a task failed; None where it hasn't."""
    if orders.status_of(kept) != "failed":
        return None
    return orders.reason(kept.last.fault if kept.last is not None else None)


__all__ = ["TaskOptions", "Tasks", "Ways"]
