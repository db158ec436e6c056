"""A running stream, as its reader holds it."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import msgspec
from msgspec.structs import replace

from farhand.client.calls import Read, Reader, StreamCall, taken
from farhand.client.connection import Connection
from farhand.errors import Cancelled, LogPruned
from farhand.model.durable import Entry
from farhand.model.event import Event, Kind, Progress, to_error
from farhand.model.payload import Media

BATCH = 1024
_REF = int(Media.REF)


class Receipt(msgspec.Struct, frozen=True):
    """What became of a cancelled handler.

    `outcome` is "not_started", "stopped", "finished" (before the cancel reached it), "killed" or "unconfirmed".
    """

    outcome: str
    message: str


class Stream:
    """Iterate it for the chunks; leaving the loop cancels the job. `job_id` and `worker_id` are known once it is
    queued and started; `result` is what the handler returned, once it has ended; `read` makes a chunk's value of its
    payload."""

    def __init__(
        self,
        connection: Connection,
        call: StreamCall,
        progress: Callable[[Progress], object] | None,
        console: Callable[[str], object] | None,
        reader: Reader,
        returns: Any = None,
    ) -> None:
        self.read: Read = reader.value if returns is None else lambda chunk: reader.fitted(chunk, returns)
        self._read_result = reader.value
        self.job_id = ""
        self.worker_id = ""
        self.result: Any = None
        self._connection = connection
        self._call = call
        self._progress = progress
        self._console = console
        self._over = False

    def __aiter__(self) -> AsyncIterator[Any]:
        # Not kept: a generator that only the loop holds is closed as soon as the loop is left.
        return self._iterate()

    async def __anext__(self) -> Any:
        while (event := await self._take()) is not None:
            raise_fault(event)
            if event.kind is Kind.CHUNK:
                return self.read(event.payload)
        raise StopAsyncIteration

    async def events(self) -> AsyncIterator[Event]:
        """Every event as it comes, the last included; an end that isn't a success raises after it was given."""
        try:
            while (event := await self._take()) is not None:
                yield event
                raise_fault(event)
        finally:
            self.close()

    async def batch(self) -> list[Event]:
        """All events that are there, at least one; empty once the stream has ended."""
        first = await self._take()
        found = [] if first is None else [first]
        waiting = self._call.events
        while found and waiting and len(found) < BATCH and waiting[0].payload.media != _REF:
            found.append(self._seen(self._call.pop()))
        return found

    async def cancel(self) -> Receipt:
        """Cancel the job and wait for the receipt. A loop over the stream gets what had come, then `Cancelled`."""
        call = self._call
        if not call.ended:
            self._connection.cancel(call)
            await call.wait_end()
        if call.end is not None:
            fault = call.end.fault
            message = fault.message if fault else "the job had finished before the cancel reached it"
            return Receipt(call.end.outcome or "finished", message)
        if isinstance(call.error, Cancelled):
            return Receipt("not_started", call.error.message)
        raise call.error or AssertionError("a call that ended has an end or an error")

    def close(self) -> None:
        """Leave: the job is cancelled if it hasn't ended."""
        self._over = True
        self._connection.forget(self._call)

    async def aclose(self) -> None:
        """Leave: the job is cancelled if it hasn't ended."""
        self.close()

    async def __aenter__(self) -> Stream:
        return self

    async def __aexit__(self, *error: object) -> None:
        self.close()

    def __del__(self) -> None:
        if not self._over:
            with contextlib.suppress(RuntimeError):
                self._connection.loop.call_soon_threadsafe(self._connection.forget, self._call)

    async def _iterate(self) -> AsyncIterator[Any]:
        try:
            while (event := await self._take()) is not None:
                raise_fault(event)
                if event.kind is Kind.CHUNK:
                    yield self.read(event.payload)
        finally:
            self.close()

    async def _take(self) -> Event | None:
        """The next event; None once all were taken."""
        call = self._call
        if not self._over and not call.events:
            await call.wait()
        if self._over:
            return None
        if call.events:
            event = call.pop()
            if event.payload.media == _REF:
                here = await self._connection.elsewhere.fetch(event.payload, call.due)
                return self._seen(event, replace(event, payload=here))
            return self._seen(event)
        self._over = True
        if call.error is not None:
            raise call.error
        return None

    def _seen(self, came: Event, here: Event | None = None) -> Event:
        """Take note of an event; `here` is the same with what its ref stands for."""
        event = here or came
        kind = event.kind
        if kind is Kind.CHUNK:
            credit = taken(self._call, came.payload)
            if credit:
                self._connection.grant(self._call, credit)
        elif kind is Kind.QUEUED:
            self.job_id = event.text
        elif kind is Kind.STARTED:
            self.worker_id = event.worker
        elif kind.final:
            self._over = True
            if kind is Kind.SUCCEEDED:
                self.result = self._read_result(event.payload)
        report(event, self._progress, self._console)
        return event


def report(
    event: Event, progress: Callable[[Progress], object] | None, console: Callable[[str], object] | None
) -> None:
    """Hand a progress or console event to whom it is for."""
    if event.kind is Kind.PROGRESS and progress is not None and event.progress is not None:
        progress(event.progress)
    elif event.kind is Kind.CONSOLE and console is not None:
        console(event.text)


def check_whole(id: str, end: Entry, chunks: int, first: int) -> None:
    """Raise `LogPruned` if there were more chunks than these before the job's end. `first` is where its log began."""
    if chunks < end.number:
        text = f"the result of job {id} is not whole any more: of {end.number:,} chunks {chunks:,} are kept"
        raise LogPruned(f"{text}. Watch its log from offset {first} for these", job=id, first=first)


def raise_fault(event: Event) -> None:
    """Raise what an end that isn't a success stands for."""
    if event.fault is not None:
        raise to_error(event.fault, event.outcome)
