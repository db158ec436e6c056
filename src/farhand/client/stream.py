"""A running stream, as its reader holds it."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import msgspec

from farhand.client.calls import StreamCall, taken
from farhand.client.connection import Connection
from farhand.model.event import Event, Kind, Progress
from farhand.wire.farhand import bodies
from farhand.wire.values import from_payload


class Receipt(msgspec.Struct, frozen=True):
    """What became of a cancelled handler.

    `outcome` is "not_started", "stopped", "finished" (before the cancel reached it), "killed" or "unconfirmed".
    """

    outcome: str
    message: str


class Stream:
    """Iterate it for the chunks. `job_id` and `worker_id` are known once it is queued and started; `result` is what
    the handler returned, once it has ended. Not iterating it to its end needs `aclose`, or ``async with``."""

    def __init__(
        self,
        connection: Connection,
        call: StreamCall,
        progress: Callable[[Progress], object] | None,
        console: Callable[[str], object] | None,
    ) -> None:
        self.job_id = ""
        self.worker_id = ""
        self.result: Any = None
        self._connection = connection
        self._call = call
        self._progress = progress
        self._console = console
        self._over = False
        self._chunks: AsyncIterator[Any] | None = None

    def __aiter__(self) -> AsyncIterator[Any]:
        if self._chunks is None:
            self._chunks = self._iterate()
        return self._chunks

    async def events(self) -> AsyncIterator[Event]:
        """Every event as it comes, the last included; an end that isn't a success raises after it was given."""
        try:
            while not self._over:
                await self._call.wait()
                while self._call.events:
                    event = self._next()
                    yield event
                    self._raise_if_failed(event)
                self._raise_if_lost()
        finally:
            self.close()

    async def batch(self) -> list[Any]:
        """All chunks that are there, at least one; empty once the stream has ended."""
        found: list[Any] = []
        while not found and not self._over:
            await self._call.wait()
            while self._call.events:
                event = self._call.events[0][0]
                if found and event.fault is not None:
                    return found
                self._next()
                self._raise_if_failed(event)
                if event.kind is Kind.CHUNK:
                    found.append(from_payload(event.payload))
            if not found:
                self._raise_if_lost()
        return found

    async def cancel(self) -> Receipt:
        """Cancel the job and wait for the receipt; what was still to come is dropped."""
        if self._over:
            return Receipt("finished", "the job had ended")
        self._connection.cancel(self._call)
        while not self._over:
            await self._call.wait()
            while self._call.events:
                event = self._next()
                if event.kind.final:
                    message = event.fault.message if event.fault else "the job finished before the cancel reached it"
                    return Receipt(event.outcome or "finished", message)
            if self._call.error is not None:
                self._over = True
                raise self._call.error
        return Receipt("finished", "the job had ended")

    def close(self) -> None:
        """Leave: the job is cancelled if it hasn't ended."""
        if not self._over:
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
            while not self._over:
                await self._call.wait()
                while self._call.events:
                    event = self._next()
                    self._raise_if_failed(event)
                    if event.kind is Kind.CHUNK:
                        yield from_payload(event.payload)
                self._raise_if_lost()
        finally:
            self.close()

    def _next(self) -> Event:
        event, _ = self._call.events.popleft()
        kind = event.kind
        if kind is Kind.CHUNK:
            credit = taken(self._call, len(event.payload.data))
            if credit:
                self._connection.grant(self._call, credit)
        elif kind is Kind.PROGRESS and self._progress is not None and event.progress is not None:
            self._progress(event.progress)
        elif kind is Kind.CONSOLE and self._console is not None:
            self._console(event.text)
        elif kind is Kind.QUEUED:
            self.job_id = event.text
        elif kind is Kind.STARTED:
            self.worker_id = event.worker
        elif kind.final:
            self._over = True
            if kind is Kind.SUCCEEDED:
                self.result = from_payload(event.payload)
        return event

    def _raise_if_failed(self, event: Event) -> None:
        if event.fault is not None:
            raise bodies.to_error(event.fault, event.outcome)

    def _raise_if_lost(self) -> None:
        if self._call.error is not None and not self._call.events:
            self._over = True
            raise self._call.error
