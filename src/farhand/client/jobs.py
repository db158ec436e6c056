"""Durable jobs, as whoever submitted or looked them up holds them."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncGenerator, Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

import grpc
import msgspec
from msgspec.structs import replace

from farhand.carriage.rpc import error_of
from farhand.client.calls import Interrupted, Reader, kept
from farhand.client.connection import Connection
from farhand.client.options import check_offset
from farhand.client.rpc import SERVICE
from farhand.client.stream import Receipt, check_whole, raise_fault, report
from farhand.core.retrying import Backoff
from farhand.errors import DeadlineExceeded, LogPruned, Overloaded, Unavailable
from farhand.model.durable import Entry
from farhand.model.event import Kind, Progress
from farhand.model.payload import Media, Payload
from farhand.model.ref import Ref
from farhand.wire.farhand._pb import client_pb2
from farhand.wire.farhand.jobs import read_entry

if TYPE_CHECKING:
    from farhand.client.progress import Display

CANCEL_TIMEOUT = 20.0
DEFAULT_ADDRESS = "localhost:50051"


_REF = int(Media.REF)


class Asks(Protocol):
    """What a job needs of its client."""

    async def ask(self, method: str, request: Any, answer: Any, timeout: float | None = None) -> Any: ...

    address: str
    reader: Reader

    def connection(self) -> Connection: ...

    async def ref(self, job_id: str, *, expires_in: float = 3600.0) -> Ref: ...


class JobInfo(msgspec.Struct, frozen=True, kw_only=True):
    """A durable job as it was when asked. Times are seconds since 1970; `ended` is None until it has. `entries` is
    how many its log has had, and `first` the offset of the first that is still kept. `error` and `message` say why it
    ended otherwise than by success."""

    id: str
    handler: str
    group: str
    status: str
    attempt: int
    attempts: int
    created: float
    run_at: float
    ended: float | None
    worker: str
    entries: int
    priority: int
    labels: Mapping[str, str]
    after: tuple[str, ...]
    inputs: Mapping[str, str]
    retry_of: str
    schedule: str
    error: str = ""
    message: str = ""
    first: int = 0


def job_info(view: client_pb2.JobView) -> JobInfo:
    """What a view says."""
    return JobInfo(
        id=view.job_id,
        handler=view.handler,
        group=view.group,
        status=view.state,
        attempt=view.attempt,
        attempts=view.attempts,
        created=view.created,
        run_at=view.run_at,
        ended=view.ended or None,
        worker=view.worker_id,
        entries=view.offset,
        priority=view.priority,
        labels=dict(view.labels),
        after=tuple(view.after),
        inputs=dict(view.inputs),
        retry_of=view.retry_of,
        schedule=view.schedule,
        error=view.last.fault.code,
        message=view.last.fault.message,
        first=view.first,
    )


class Job:
    """A durable job. It runs whether or not anyone holds this.

    `how` says how a submit came by it: "new", or found by its idempotency "key", as a running "twin" of the same work,
    or "cached"; empty where it was looked up.
    """

    def __init__(self, client: Asks, id: str, how: str = "") -> None:
        self.id = id
        self.how = how
        self._client = client

    def __repr__(self) -> str:
        return f"Job({self.id!r})"

    @property
    def cached(self) -> bool:
        """Whether it had been done before it was asked for."""
        return self.how == "cached"

    async def info(self) -> JobInfo:
        """The job as it is now.

        Raises:
            JobNotFound: there is none of this id, or not any more.
        """
        return job_info(await self._view())

    async def status(self) -> str:
        """Where it is, as in `farhand.model.state.State`: "queued", "running", "succeeded" and others."""
        return (await self.info()).status

    async def watch(self, from_offset: int = 0) -> AsyncGenerator[Entry, None]:
        """Its log from any offset: what is there, then what comes, up to its end. A connection or hub that is lost
        meanwhile is waited for; no entry is missing or comes twice. A loop that takes minutes for an entry is no harm.

        Raises:
            JobNotFound: there is none of this id, or not any more.
            LogPruned: the log begins at a later offset by now, which is the error's `first`.
            InvalidArguments: the offset is no whole number, 0 or more.
        """
        check_offset(from_offset)
        backoff, offset = Backoff(), from_offset
        while True:
            try:
                async with contextlib.aclosing(self._attach(offset)) as entries:
                    async for entry in entries:
                        backoff.reset()
                        offset = entry.offset + 1
                        yield entry
                return
            except (Unavailable, Overloaded) as error:  # Overloaded: the loop over this took too long for an entry
                if not error.retryable:
                    raise
            await asyncio.sleep(backoff.next(random.random()))

    async def result(
        self,
        timeout: float | None = None,
        *,
        progress: Callable[[Progress], object] | None = None,
        console: Callable[[str], object] | None = None,
        returns: Any = None,
    ) -> Any:
        """Wait for its end and give its result; of a handler that streams, the list of its chunks.

        `timeout` in seconds, None for no bound; the job runs on when it passes. `progress` and `console` are called
        with what the job reports and prints, from its beginning. `returns` is a type that the result is to have, as for
        `AsyncClient.run`.

        Raises:
            DeadlineExceeded: the timeout has passed.
            InvalidArguments: the result doesn't fit `returns`.
            LogPruned: it streamed, and some of its chunks are not kept any more.
            FarhandError: the job ended otherwise than by success, as its class says.
        """
        answer = await self._answer(timeout, progress, console)
        reader = self._client.reader
        if returns is not None:
            return reader.fitted(answer, returns)
        return [reader.value(one) for one in answer] if isinstance(answer, list) else reader.value(answer)

    async def _answer(
        self,
        timeout: float | None,
        progress: Callable[[Progress], object] | None,
        console: Callable[[str], object] | None,
    ) -> list[Payload] | Payload:
        """Its result as it came; of a handler that streams, its chunks."""
        ends = progress is None and console is None
        if ends and timeout is None:
            return await self._end()
        try:
            async with asyncio.timeout(timeout), contextlib.aclosing(self._here(self.kept())) as entries:
                if ends:
                    return await self._end()
                chunks: list[Payload] = []
                first: int | None = None
                async for entry in entries:
                    first = entry.offset if first is None else first
                    event = entry.event
                    report(event, progress, console)
                    if event.kind is Kind.STARTED:
                        chunks.clear()  # those before are of an attempt that was lost
                    elif event.kind is Kind.CHUNK:
                        chunks.append(event.payload)
                    elif event.kind.final:
                        raise_fault(event)
                        check_whole(self.id, entry, len(chunks), first)
                        return chunks if chunks or not event.payload.media else event.payload
        except TimeoutError:
            raise DeadlineExceeded(f"job {self.id} has not ended within {timeout:g} s; it runs on") from None
        raise AssertionError("a log ends with the job's end")

    async def progress(self) -> Any:
        """Follow it from its beginning with a live bar and what it prints: on a terminal (stderr), in a notebook's
        cell, else a line a change, at most one a second; give its result in the end.

        Ctrl-C, or a cancel of this coroutine, leaves the job running and says how to follow it from there.

        Raises:
            JobNotFound: there is none of this id.
            LogPruned: it streamed, and some of its chunks are not kept any more.
            FarhandError: the job ended otherwise than by success, as its class says.
        """
        async with contextlib.aclosing(self.steps()) as steps:
            with self.display(await self.info()) as display:
                async for entry in steps:
                    display.take(entry)
        return display.result()

    def display(self, info: JobInfo) -> Display:
        """What `progress` draws with, in the thread that draws."""
        from farhand.client.progress import Display, View, board

        address = self._client.address
        hub = "" if address == DEFAULT_ADDRESS else address
        return Display(View(info.id, info.handler), board(), hub, read=self._client.reader.value)

    def steps(self) -> AsyncGenerator[Entry | None, None]:
        """What `progress` draws: `watch`, with None after each half second of silence."""
        from farhand.client.progress import ticking

        return ticking(self._here(self.kept()))

    async def _here(self, entries: AsyncGenerator[Entry, None]) -> AsyncGenerator[Entry, None]:
        """Entries with what their refs stand for."""
        carriage = self._client.connection().carriage
        async with contextlib.aclosing(entries):
            async for entry in entries:
                if entry.event.payload.media == _REF:
                    event = replace(entry.event, payload=await carriage.resolve(entry.event.payload))
                    yield replace(entry, event=event)
                else:
                    yield entry

    async def kept(self) -> AsyncGenerator[Entry, None]:
        """As `watch`, from where its log begins, and on from there where that is cut meanwhile.

        Raises:
            JobNotFound: there is none of this id, or not any more.
        """
        offset = 0
        while True:
            try:
                async with contextlib.aclosing(self.watch(offset)) as entries:
                    async for entry in entries:
                        offset = entry.offset + 1
                        yield entry
                return
            except LogPruned as error:
                if error.first <= offset:
                    raise
                offset = error.first

    async def ref(self, *, expires_in: float = 3600.0) -> Ref:
        """A ref to its result, as of `AsyncClient.ref`."""
        return await self._client.ref(self.id, expires_in=expires_in)

    async def cancel(self) -> Receipt:
        """Ask for its end and wait for the receipt.

        Raises:
            JobNotFound: there is none of this id.
        """
        request = client_pb2.CancelRequest(job_id=self.id)
        answer = await self._client.ask("Cancel", request, client_pb2.CancelResponse, CANCEL_TIMEOUT)
        return Receipt(answer.outcome, answer.message)

    async def retry(self) -> Job:
        """Start it anew once it has ended, as a job of its own.

        Raises:
            InvalidArguments: it has not ended.
        """
        request = client_pb2.RetryJobRequest(job_id=self.id)
        answer = await self._client.ask("RetryJob", request, client_pb2.SubmitResponse)
        return Job(self._client, answer.job.job_id, answer.how)

    async def _view(self) -> client_pb2.JobView:
        request = client_pb2.GetJobRequest(job_id=self.id)
        answer: client_pb2.GetJobResponse = await self._client.ask("GetJob", request, client_pb2.GetJobResponse)
        return answer.job

    async def _end(self) -> list[Payload] | Payload:
        backoff = Backoff()
        while True:
            connection = self._client.connection()
            call = connection.follow(self.id, kept)
            try:
                answer: list[Payload] | Payload = await call.future
                return answer
            except Interrupted:
                if connection.closed:
                    raise
            finally:
                connection.forget(call)
            await asyncio.sleep(backoff.next(random.random()))

    async def _attach(self, offset: int) -> AsyncGenerator[Entry, None]:
        connection = self._client.connection()
        async with connection.pool.stream() as channel:
            attach: Any = channel.unary_stream(
                SERVICE + "Attach",
                request_serializer=client_pb2.AttachRequest.SerializeToString,
                response_deserializer=client_pb2.LogEntry.FromString,
            )
            call = attach(client_pb2.AttachRequest(job_id=self.id, offset=offset), metadata=connection.metadata)
            try:
                async for message in call:
                    yield read_entry(message)
            except grpc.aio.AioRpcError as error:
                raise error_of(error) from None
            finally:
                call.cancel()
