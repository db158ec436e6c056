"""The async client: everything a caller can do, on its own event loop."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import os
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Mapping
from types import TracebackType
from typing import Any, Literal, Unpack, cast

import msgspec
from msgspec.structs import replace

from farhand.client.calls import Reader, RunCall, kept
from farhand.client.connection import Connection
from farhand.client.deciding import DEADLINE, Decision
from farhand.client.jobs import Job, JobInfo, job_info
from farhand.client.refs import by_name, by_ref, has_refs
from farhand.client.rpc import SERVICE, ask
from farhand.client.schedules import ScheduleInfo, schedule_info
from farhand.client.stream import Receipt, Stream
from farhand.client.submitting import JobFilter, SubmitOptions, list_request, submit_request, uncache_request
from farhand.client.views import GroupInfo, HubInfo
from farhand.client.window import Window
from farhand.errors import DeadlineExceeded, FarhandError, InvalidArguments, OutcomeUnknown, Unavailable
from farhand.model.addresses import check_address
from farhand.model.event import Progress
from farhand.model.handler import HandlerView
from farhand.model.limits import RUN_TIMEOUT, SESSION_TTL, STREAM_TIMEOUT
from farhand.model.payload import NOTHING, Payload
from farhand.model.ref import Ref, from_payload
from farhand.model.worker import WorkerView
from farhand.wire.codecs.base import Codec, Encoded
from farhand.wire.farhand import bodies, nouns
from farhand.wire.farhand._pb import client_pb2, common_pb2, data_pb2
from farhand.wire.farhand.outgoing import call_extra
from farhand.wire.farhand.transfer import SERVICE as DATA_SERVICE
from farhand.wire.values import DEFAULT, Codecs

FORKED = (
    "this client was in use before the process forked, and gRPC doesn't survive a fork: start processes with spawn, "
    "or first use the client after the fork"
)

SUBMIT_TIMEOUT = 30.0
"""Seconds a hub has to keep a durable job."""

MAP_WINDOW = 512
"""Calls of one `map` in flight at once."""

Args = Mapping[str, Any] | object | None


class Calls:
    """What a client and a session have in common: run, stream, map."""

    reader: Reader

    def connection(self) -> Connection:
        raise AssertionError("each caller knows its connection")

    def _extra(self, group: str, priority: int, labels: Mapping[str, str] | None) -> client_pb2.CallExtra | None:
        if group == "default" and not priority and not labels:
            return None
        return call_extra(group, priority, labels, "")

    async def run(
        self,
        handler: str,
        args: Args = None,
        *,
        group: str = "default",
        timeout: float | None = RUN_TIMEOUT,
        priority: int = 0,
        labels: Mapping[str, str] | None = None,
        returns: Any = None,
    ) -> Any:
        """Run a handler and wait for its result; of one that streams, the list of its chunks.

        Args:
            handler: its name.
            args: its arguments by name: a mapping, or a dataclass, Struct or pydantic model.
            group: the workers to ask.
            timeout: seconds until the job is given up, 30 by default; None for never.
            priority: higher goes first where jobs wait.
            labels: what the worker must have.
            returns: a type that the result is to have, e.g. a dataclass, a pydantic model, ``list[Point]`` or
                ``polars.DataFrame``; by default it is plain Python data, and arrays and tables as they were sent.

        Raises:
            InvalidArguments: the arguments don't fit the handler, or the result doesn't fit `returns`; the message has
                the path inside of them.
            FarhandError: one of its classes says what went wrong.
        """
        connection = self.connection()
        if connection.crowded:
            await connection.room()
        reader = self.reader
        read = reader.value if returns is None else kept
        call = connection.run(
            handler, arguments(args, reader.codecs), timeout, self._extra(group, priority, labels), read
        )
        try:
            result = await call.future
        except asyncio.CancelledError:
            connection.forget(call)
            raise
        return result if returns is None else reader.fitted(result, returns)

    def stream(
        self,
        handler: str,
        args: Args = None,
        *,
        group: str = "default",
        timeout: float | None = STREAM_TIMEOUT,
        priority: int = 0,
        labels: Mapping[str, str] | None = None,
        progress: Callable[[Progress], object] | None = None,
        console: Callable[[str], object] | None = None,
        returns: Any = None,
    ) -> Stream:
        """Run a handler and iterate its chunks as they come. Leaving the loop cancels the job.

        `timeout` is 300 s by default. `progress` and `console` are called with what the handler reports and prints.
        `returns` is the type of each chunk. The others are as for `run`.
        """
        connection = self.connection()
        args = arguments(args, self.reader.codecs)
        call = connection.stream(handler, args, timeout, self._extra(group, priority, labels))
        return Stream(connection, call, progress, console, self.reader, returns)

    async def map(
        self,
        handler: str,
        args: Iterable[Args] | AsyncIterable[Args],
        *,
        group: str = "default",
        timeout: float | None = RUN_TIMEOUT,
        priority: int = 0,
        labels: Mapping[str, str] | None = None,
        window: int = MAP_WINDOW,
        return_exceptions: bool = False,
        returns: Any = None,
    ) -> AsyncIterator[Any]:
        """Run a handler once for each of `args` and give the results in their order.

        At most `window` calls are in flight. The first error ends it, unless `return_exceptions`, which gives errors
        in the results' places. Leaving the loop cancels what is in flight. `timeout` is each call's own; `returns` is
        the type of each result.
        """
        waiting = self.window(handler, group, timeout, priority, labels, window, returns)
        try:
            async for one in _each(args):
                await waiting.begin(one)
                for result in await waiting.take(wait=False) if waiting.space else await waiting.take():
                    yield _given(result, return_exceptions)
            while waiting:
                for result in await waiting.take():
                    yield _given(result, return_exceptions)
        finally:
            waiting.close()

    def window(
        self,
        handler: str,
        group: str,
        timeout: float | None,
        priority: int,
        labels: Mapping[str, str] | None,
        size: int,
        returns: Any = None,
    ) -> Window:
        """What `map` is made of: up to `size` calls in flight, whose results are taken in order."""
        connection, reader = self.connection(), self.reader
        read = reader.value if returns is None else kept

        def begin(args: Args) -> RunCall:
            payload = arguments(args, reader.codecs)
            return connection.run(handler, payload, timeout, self._extra(group, priority, labels), read)

        return Window(connection, begin, size, None if returns is None else lambda one: reader.fitted(one, returns))


class Session(Calls):
    """Calls pinned to one worker, where `ctx.session` keeps their state. `id` is its id."""

    def __init__(self, client: AsyncClient, id: str) -> None:
        self._client = client
        self.reader = client.reader
        self.id = id

    def connection(self) -> Connection:
        return self._client.connection()

    def _extra(self, group: str, priority: int, labels: Mapping[str, str] | None) -> client_pb2.CallExtra | None:
        return call_extra("", priority, labels, self.id)

    async def close(self) -> None:
        """Drop its state on the worker."""
        request = client_pb2.CloseSessionRequest(session_id=self.id)
        await self._client.ask("CloseSession", request, client_pb2.CloseSessionResponse)


class _Opening:
    """``async with client.session(…) as s`` or ``s = await client.session(…)``."""

    def __init__(self, client: AsyncClient, request: client_pb2.OpenSessionRequest) -> None:
        self._client = client
        self._request = request
        self._session: Session | None = None

    def __await__(self) -> Any:
        return self._open().__await__()

    async def _open(self) -> Session:
        answer = await self._client.ask("OpenSession", self._request, client_pb2.OpenSessionResponse)
        return Session(self._client, answer.session_id)

    async def __aenter__(self) -> Session:
        self._session = await self._open()
        return self._session

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            # It closes by itself in time, and an error here would hide what happened inside.
            with contextlib.suppress(FarhandError):
                await self._session.close()


class AsyncClient(Calls):
    """A client of the hub at `address` (HOST:PORT). It dials when first used; one connection carries all calls.

    Use it on one event loop, with ``async with`` or `close`. `connect_timeout` is how many seconds a call waits for a
    hub that isn't there, before it fails with `Unavailable`. `codecs` are codecs beside the installed ones, as objects
    or names; "pickle" lets pickles in and out, which lets whoever answers run any code here. Arguments of up to
    `json_up_to` bytes go as JSON where that keeps their value, and results come so; 0 is for never.
    """

    def __init__(
        self,
        address: str = "localhost:50051",
        *,
        api_key: str | None = None,
        connect_timeout: float = 10.0,
        codecs: Iterable[str | Codec] = (),
        json_up_to: int = 0,
    ) -> None:
        self.reader = Reader(Codecs(codecs, json_up_to=json_up_to))
        self.address = address
        self._api_key = api_key
        self._connect_timeout = connect_timeout
        self._current: Connection | None = None

    def session(
        self,
        *,
        group: str = "default",
        on_loss: Literal["fail", "move"] = "fail",
        ttl: float = SESSION_TTL,
        labels: Mapping[str, str] | None = None,
        data: Mapping[str, Any] | None = None,
    ) -> _Opening:
        """Open a session: its calls go to one worker of `group`, with state there.

        Args:
            on_loss: when that worker is lost, "fail" its next call with `SessionLost`, or "move" to another worker,
                where the app's restore hook runs.
            ttl: seconds without a call after which it closes by itself.
            labels: what the worker must have.
            data: what `ctx.session` starts from.
        """
        request = client_pb2.OpenSessionRequest(group=group, ttl=ttl, on_loss=on_loss, labels=dict(labels or {}))
        if data is not None:
            codecs = self.reader.codecs
            request.data.CopyFrom(bodies.payload_message(codecs.payload(data, codecs.dialect, what="the data")))
        return _Opening(self, request)

    async def workers(self, group: str = "") -> list[WorkerView]:
        """The connected workers, of one group or of all."""
        request = client_pb2.ListWorkersRequest(group=group)
        answer = await self.ask("ListWorkers", request, client_pb2.ListWorkersResponse)
        return [nouns.worker_view(view) for view in answer.workers]

    async def handlers(self, group: str = "") -> list[HandlerView]:
        """The handlers that connected workers serve, with their JSON Schemas."""
        request = client_pb2.ListHandlersRequest(group=group)
        answer = await self.ask("ListHandlers", request, client_pb2.ListHandlersResponse)
        return [
            HandlerView(view.group, nouns.handler_spec(view.handler), view.workers, view.slots_free)
            for view in answer.handlers
        ]

    async def hub(self) -> HubInfo:
        """What the hub says of itself."""
        hub = await self.ask("GetHub", client_pb2.GetHubRequest(), client_pb2.GetHubResponse)
        groups = tuple(
            GroupInfo(one.group, one.workers, one.running, one.waiting, one.waiting_for) for one in hub.groups
        )
        return HubInfo(
            hub.hub_id,
            hub.version,
            hub.protocol,
            hub.up_for,
            hub.draining,
            hub.workers,
            hub.running,
            hub.waiting,
            groups,
        )

    async def decide(
        self,
        handler: str,
        event: Args = None,
        deadline: float = DEADLINE,
        default: Any = None,
        *,
        group: str = "default",
    ) -> Any:
        """Ask a handler what to do, and have an answer by the deadline, always: its result, or `default` where it is
        late, fails, isn't there, or no hub is. What was asked, the decision and its latency are kept in the log, as a
        line "decided" or, with the reason, "decided by default".

        Args:
            handler: its name.
            event: its arguments by name, as for `run`.
            deadline: seconds, 0.2 by default. A handler that is late is cancelled.
            default: the answer in its place.
            group: the workers to ask.

        Raises:
            InvalidArguments: the deadline is no time.
        """
        decision = Decision(handler, event, deadline, default)
        return await decision.of(lambda: self.run(handler, event, group=group, timeout=deadline))

    async def submit(self, handler: str, args: Args = None, **options: Unpack[SubmitOptions]) -> Job:
        """Submit a durable job. It is committed when this returns, and runs whatever becomes of this client.

        `args` are its arguments by name, as for `run`; the options are `SubmitOptions`.

        Raises:
            JobNotFound: one of `after` isn't there.
            FarhandError: one of its classes says what went wrong; the job is not kept.
        """
        found = arguments(args, self.reader.codecs)
        meant = by_name(args) if isinstance(args, dict) and has_refs(args) else args or {}
        request = submit_request(handler, found, meant, options)
        connection = self.connection()
        if isinstance(found, Encoded):
            ref = await connection.carriage.put(found, patience=self._connect_timeout)
            request.call.args.CopyFrom(bodies.payload_message(ref))
        if connection.crowded:
            await connection.room()
        while True:
            call = connection.submit(request, SUBMIT_TIMEOUT)
            try:
                id, how = await call.future
                return Job(self, id, how)
            except OutcomeUnknown:
                if not request.idempotency_key or connection.closed:
                    raise
            finally:
                connection.forget(call)

    def job(self, id: str) -> Job:
        """The durable job of this id; the hub is not asked yet."""
        return Job(self, id)

    async def jobs(self, **wanted: Unpack[JobFilter]) -> list[JobInfo]:
        """Durable jobs that fit all that is given (`JobFilter`), newest first."""
        answer = await self.ask("ListJobs", list_request(wanted), client_pb2.ListJobsResponse)
        return [job_info(view) for view in answer.jobs]

    async def uncache(self, handler: str, args: Args = None, *, group: str = "default") -> int:
        """Let finished jobs that were submitted with `cache` stand for equal work no more: all of a handler, or those
        of the arguments `args` in `group`, where ``{}`` is no arguments. Jobs that run are still joined. How many there
        were."""
        request = uncache_request(handler, group, args, arguments(args, self.reader.codecs))
        answer = await self.ask("Uncache", request, client_pb2.UncacheResponse)
        count: int = answer.count
        return count

    async def schedules(self) -> list[ScheduleInfo]:
        """The handlers that run at times, by name."""
        answer = await self.ask("ListSchedules", client_pb2.ListSchedulesRequest(), client_pb2.ListSchedulesResponse)
        return [schedule_info(view) for view in answer.schedules]

    async def drop_schedule(self, name: str) -> None:
        """Forget a schedule. A worker that asks for it brings it back when it connects.

        Raises:
            ScheduleNotFound: there is none of this name.
        """
        request = client_pb2.DropScheduleRequest(name=name)
        await self.ask("DropSchedule", request, client_pb2.DropScheduleResponse)

    async def fire_schedule(self, name: str) -> Job:
        """Add a job of a schedule now, beside its times.

        Raises:
            ScheduleNotFound: there is none of this name.
        """
        request = client_pb2.FireScheduleRequest(name=name)
        answer = await self.ask("FireSchedule", request, client_pb2.FireScheduleResponse)
        return Job(self, answer.job.job_id, "new")

    async def fetch(self, ref: Ref, *, returns: Any = None, timeout: float | None = None) -> Any:
        """What a ref stands for, from this client's hub, or from the data port of whoever holds it. A fetch that is cut
        off goes on where it was. A file comes as a `File` in a temporary place; `returns` is the type that anything
        else is to have.

        Raises:
            InvalidArguments: `ref` is none.
            RefNotFound, RefExpired, PermissionDenied: it is not to be had.
            DataDamaged: it arrived altered.
            OutOfSpace: there is no room for it here.
            DeadlineExceeded: `timeout` seconds have passed.
            Unavailable: the hub, or whoever holds it, isn't there.
        """
        if not isinstance(ref, Ref):
            raise InvalidArguments(f"a ref is fetched, as job.ref() gives one, not a {type(ref).__name__}")
        reader = self.reader
        try:
            async with asyncio.timeout(timeout):
                payload = await self.connection().carriage.fetch(ref)
        except TimeoutError:
            raise DeadlineExceeded(f"{ref.id} is not here within {timeout:g} s") from None
        return reader.value(payload) if returns is None else reader.fitted(payload, returns)

    async def ref(self, job_id: str, *, expires_in: float = 3600.0) -> Ref:
        """A ref to a durable job's result, once it has ended: whoever has it may fetch the result for `expires_in`
        seconds, or give it as an argument to another job.

        Raises:
            JobNotFound: there is none of this id.
            FarhandError: it ended otherwise than by success, as its class says.
            Unavailable: it hasn't ended.
        """
        request = data_pb2.RefRequest(job_id=job_id, seconds=expires_in)
        answer = await self.ask("GetRef", request, common_pb2.Payload, service=DATA_SERVICE)
        return replace(from_payload(bodies.payload_of(answer)), uri=_shown(self.address))

    async def cancel(self, job_id: str) -> Receipt:
        """Cancel a job by its id and wait for the receipt.

        Raises:
            JobNotFound: it isn't unfinished on this hub.
        """
        request = client_pb2.CancelRequest(job_id=job_id)
        answer = await self.ask("Cancel", request, client_pb2.CancelResponse, timeout=20.0)
        return Receipt(answer.outcome, answer.message)

    async def close(self) -> None:
        """Say goodbye. Calls in flight fail."""
        if self._current is not None:
            await self._current.close()
            self._current = None

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def connection(self) -> Connection:
        current = self._current
        if current is not None and current.is_here:
            return current
        if current is None or current.loop is not asyncio.get_running_loop():
            self._current = current = self._connect(current)
        return current

    def _connect(self, before: Connection | None) -> Connection:
        if before is not None and before.pid != os.getpid():
            raise Unavailable(FORKED, retryable=False)
        if before is not None and not before.loop.is_closed():
            raise Unavailable(
                "this client is in use on another event loop: make one client for each loop, or use farhand.Client, "
                "which threads may share",
                retryable=False,
            )
        return Connection(self.address, self._api_key, self._connect_timeout)

    async def ask(
        self, method: str, request: Any, answer: Any, timeout: float | None = None, service: str = SERVICE
    ) -> Any:
        """Call a unary method of the hub; `timeout` in seconds, by default the connect timeout."""
        connection = self.connection()
        try:
            async with connection.pool.unary:
                timeout = timeout or self._connect_timeout
                return await ask(connection.channel, service + method, request, answer, timeout, connection.metadata)
        except Unavailable as error:
            if error.details.get("reached", True):
                raise
            raise connection.unreachable(error.message) from None


def arguments(args: Args, codecs: Codecs = DEFAULT) -> Payload | Encoded:
    """Arguments as a payload; of more than 64 KiB, in buffers for a stream of their own.

    Raises:
        InvalidArguments: they are no mapping, or hold what can't be sent.
    """
    if args is None:
        return NOTHING
    if not isinstance(args, dict):
        args = _plain(args)
    elif not args:
        return NOTHING
    named = cast("dict[str, Any]", args)
    args = by_ref(named) if has_refs(named) else named
    return codecs.sendable(args, codecs.dialect, what="the argument object")


def _shown(address: str) -> str:
    """The hub's address in a ref, where it is a plain one."""
    try:
        return check_address(address)
    except InvalidArguments:
        return ""


def _plain(args: Any) -> Any:
    if isinstance(args, Mapping):
        return dict(args)
    dump = getattr(args, "model_dump", None)
    try:
        plain = dump() if callable(dump) else msgspec.to_builtins(args, builtin_types=(bytes,))
    except (TypeError, ValueError) as error:
        plain = _fields(args)  # something in it is for a codec
        if plain is None:
            raise InvalidArguments(f"the argument object can't be sent: {error}") from error
    if not isinstance(plain, dict):
        raise InvalidArguments(f"arguments go by name, as in {{'a': 1}}, not as {type(args).__name__}")
    return plain


def _fields(args: Any) -> dict[str, Any] | None:
    """The fields of a dataclass or Struct as they are; None of anything else."""
    if isinstance(args, msgspec.Struct):
        pairs = zip(args.__struct_encode_fields__, args.__struct_fields__, strict=True)
        return {sent: getattr(args, name) for sent, name in pairs}
    if dataclasses.is_dataclass(args) and not isinstance(args, type):
        return {one.name: getattr(args, one.name) for one in dataclasses.fields(args)}
    return None


def _given(result: Any, return_exceptions: bool) -> Any:
    if isinstance(result, FarhandError) and not return_exceptions:
        raise result
    return result


async def _each(args: Iterable[Args] | AsyncIterable[Args]) -> AsyncIterator[Args]:
    if isinstance(args, AsyncIterable):
        async for one in args:
            yield one
    else:
        for one in args:
            yield one
