"""Jobs that last no longer than the request that asked for them, and cancels that wait for their receipt: what every
front does for one request."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping

import msgspec
from msgspec.structs import replace

from farhand.core import events as on
from farhand.errors import TooLarge
from farhand.hub.durable import Durables
from farhand.hub.service import Hub
from farhand.hub.transfers import Transfers
from farhand.model.event import Event, Kind, Outcome, to_error
from farhand.model.job import NO_LABELS
from farhand.model.limits import CREDIT_WINDOW, MESSAGE_LIMIT
from farhand.model.payload import Media, Payload, check_size, chunk_cost

ANSWER_LIMIT = MESSAGE_LIMIT - 64 * 1024
"""Bytes that all chunks of one answer may take together."""

_REF = int(Media.REF)

CHATTER_LIMIT = 1_000
"""Events that may wait for a slow reader before progress and console are dropped."""


class Asked(msgspec.Struct, frozen=True, gc=False):
    """A call as a request asks for it; `timeout` in seconds, None for never."""

    handler: str
    args: Payload
    timeout: float | None
    group: str = ""
    priority: int = 0
    labels: Mapping[str, str] = NO_LABELS
    session: str = ""


class Collector:
    """The sink of one request: what has come, and whoever waits for it."""

    __slots__ = ("_waiter", "events")

    def __init__(self) -> None:
        self.events: deque[tuple[Event, int]] = deque()
        self._waiter: asyncio.Future[None] | None = None

    def deliver(self, tag: int, event: Event, number: int) -> None:
        """Keep an event. Chunks are bounded by the job's window, the others by dropping progress and console."""
        if event.kind in (Kind.PROGRESS, Kind.CONSOLE) and len(self.events) > CHATTER_LIMIT:
            return
        self.events.append((event, number))
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def next(self) -> tuple[Event, int]:
        """The next event."""
        while not self.events:
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
            self._waiter = None
        return self.events.popleft()


class Call:
    """A job that lasts no longer than the request that asked for it: whoever makes one calls `leave` at the end."""

    __slots__ = ("_cost", "_hub", "id", "sink")

    def __init__(self, hub: Hub, asked: Asked, *, events: bool) -> None:
        """`events`: whether queued, started, progress and console are wanted too.

        Raises:
            FarhandError: it is refused, as the class says.
        """
        self._hub = hub
        self._cost = 0
        self.sink = Collector()
        check_size(len(asked.args.data), "the arguments")
        self.id = hub.submit(
            self.sink,
            0,
            asked.handler,
            asked.args,
            timeout=asked.timeout,
            group=asked.group,
            priority=asked.priority,
            labels=asked.labels,
            session=asked.session,
            window=CREDIT_WINDOW,
            events=events,
        )
        hub.settle()

    async def next(self) -> tuple[Event, int]:
        """The next event, with a chunk's place; what a ref stands for is in its place, where one answer can hold it.

        Raises:
            FarhandError: it was an end that isn't a success.
        """
        event, number = await _next(self.sink)
        self._cost = chunk_cost(event.payload)
        payload = await self._hub.transfers.whole(event.payload, ANSWER_LIMIT)
        return (event if payload is event.payload else replace(event, payload=payload)), number

    async def answer(self) -> tuple[Payload, list[Payload]]:
        """Wait for the end: the result, and the chunks that came before it. A result that is too large for one answer
        stays a ref.

        Raises:
            FarhandError: it ended otherwise than by success.
            TooLarge: the chunks take too much for one answer.
        """
        return await _answer(self.sink, self._grant, self._hub.transfers)

    def _grant(self, amount: int) -> None:
        self._hub.tell(on.Granted(self.id, amount))

    def grant(self) -> None:
        """Its reader has taken the chunk that came last."""
        self._grant(self._cost)

    def leave(self) -> None:
        """The request is over: if the job isn't, it is cancelled."""
        self._hub.abandon(self.id)
        self._hub.settle()


async def kept_answer(durables: Durables, id: str) -> tuple[Payload, list[Payload]]:
    """Wait for the end of a durable job: as `Call.answer`, but whoever stops waiting leaves the job alone.

    Raises:
        FarhandError: it ended otherwise than by success, or there is none.
        TooLarge: the chunks take too much for one answer.
    """
    sink = Collector()
    follow = durables.follow(id, sink, 0, CREDIT_WINDOW)
    try:
        return await _answer(sink, follow.grant, durables.transfers)
    finally:
        follow.leave()


async def _next(sink: Collector) -> tuple[Event, int]:
    event, number = await sink.next()
    if event.fault is not None:
        raise to_error(event.fault, event.outcome)
    return event, number


async def _answer(sink: Collector, grant: Callable[[int], None], transfers: Transfers) -> tuple[Payload, list[Payload]]:
    chunks: list[Payload] = []
    size = 0
    while True:
        event, _ = await _next(sink)
        payload = await transfers.whole(event.payload, ANSWER_LIMIT - size)
        if event.kind.final:
            return payload, chunks
        size += len(payload.data)
        if size > ANSWER_LIMIT or payload.media == _REF:
            raise TooLarge(f"the chunks take more than {ANSWER_LIMIT:,} bytes: stream them", limit=ANSWER_LIMIT)
        chunks.append(payload)
        grant(chunk_cost(event.payload))


class Receipt(msgspec.Struct, frozen=True):
    """What a cancel learned of the handler, and what the job's end says."""

    outcome: Outcome
    message: str


async def cancel(hub: Hub, durables: Durables | None, job: str) -> Receipt:
    """Cancel a job, be it a call under way or a durable one, and wait for the receipt.

    Raises:
        JobNotFound: there is none.
    """
    if not hub.knows(job) and durables is not None:
        last = (await durables.cancel(job)).last
        return Receipt("finished", _FINISHED) if last is None else _receipt(last)
    sink = Collector()
    hub.watch_end(job, sink)
    hub.cancel(job)
    hub.settle()
    while True:
        event, _ = await sink.next()
        if event.kind.final:
            return _receipt(event)


_FINISHED = "the job had finished"


def _receipt(event: Event) -> Receipt:
    return Receipt(event.outcome or "finished", event.fault.message if event.fault is not None else _FINISHED)
