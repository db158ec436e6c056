"""The door for any gRPC language: the unary and server-streaming methods of `ClientService`."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Mapping
from typing import TypeVar

from farhand.core import events as on
from farhand.errors import TooLarge
from farhand.fronts.grpc.guard import Context
from farhand.fronts.grpc.jobs import JobService
from farhand.hub.service import Hub
from farhand.model.event import Event, Kind
from farhand.model.job import NO_LABELS
from farhand.model.limits import CHUNK_OVERHEAD, CREDIT_WINDOW, MESSAGE_LIMIT, PAYLOAD_LIMIT, PROTOCOL
from farhand.model.payload import Payload
from farhand.wire.farhand import bodies, nouns
from farhand.wire.farhand._pb import client_pb2, common_pb2
from farhand.wire.farhand.jobs import event_message

ANSWER_LIMIT = MESSAGE_LIMIT - 64 * 1024

Listing = TypeVar("Listing", client_pb2.ListWorkersResponse, client_pb2.ListHandlersResponse)


class _Collector:
    """The sink of one RPC: what has come, and whoever waits for it."""

    __slots__ = ("_waiter", "events")

    def __init__(self) -> None:
        self.events: deque[tuple[Event, int]] = deque()
        self._waiter: asyncio.Future[None] | None = None

    def deliver(self, tag: int, event: Event, number: int) -> None:
        """Keep an event. Chunks are bounded by the job's window, the others by dropping progress and console."""
        if event.kind in (Kind.PROGRESS, Kind.CONSOLE) and len(self.events) > 1000:
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


class _Job:
    """A job that lasts no longer than the RPC that asked for it."""

    def __init__(self, hub: Hub, request: client_pb2.RunRequest, context: Context, *, events: bool) -> None:
        self._hub = hub
        self.sink = _Collector()
        if len(request.args.data) > PAYLOAD_LIMIT:
            size = len(request.args.data)
            text = f"the arguments take {size:,} bytes; the limit is {PAYLOAD_LIMIT:,} (1 MiB)"
            raise TooLarge(text, limit=PAYLOAD_LIMIT, size=size)
        self.id = hub.submit(
            self.sink,
            0,
            request.handler,
            bodies.payload_of(request.args),
            timeout=_timeout(request, context),
            group=request.group,
            priority=request.priority,
            labels=_labels(request.labels),
            session=request.session,
            window=CREDIT_WINDOW,
            events=events,
        )
        hub.settle()

    def grant(self, payload: Payload) -> None:
        """Its reader has taken a chunk."""
        self._hub.tell(on.Granted(self.id, len(payload.data) + CHUNK_OVERHEAD))

    def leave(self) -> None:
        """The RPC is over: if the job isn't, it is cancelled."""
        self._hub.abandon(self.id)
        self._hub.settle()


def _timeout(request: client_pb2.RunRequest, context: Context) -> float | None:
    left = context.time_remaining()
    asked = request.timeout_ms / 1000 if request.timeout_ms else None
    if left is None or asked is None:
        return asked if left is None else left
    return min(left, asked)


def _labels(labels: Mapping[str, str]) -> Mapping[str, str]:
    return labels or NO_LABELS


def _raise_unless_success(event: Event) -> None:
    if event.fault is not None:
        raise bodies.to_error(event.fault, event.outcome)


class CallService:
    """`ClientService`, all but Channel and durable jobs."""

    def __init__(self, hub: Hub, jobs: JobService, version: str) -> None:
        self._hub = hub
        self._jobs = jobs
        self._version = version

    async def run(self, request: client_pb2.RunRequest, context: Context) -> client_pb2.RunResponse:
        """Run: one answer."""
        job = _Job(self._hub, request, context, events=False)
        chunks: list[common_pb2.Payload] = []
        size = 0
        try:
            while True:
                event, _ = await job.sink.next()
                if event.kind.final:
                    _raise_unless_success(event)
                    result = bodies.payload_message(event.payload)
                    return client_pb2.RunResponse(job_id=job.id, result=result, chunks=chunks)
                size += len(event.payload.data)
                if size > ANSWER_LIMIT:
                    raise TooLarge(f"the chunks take more than {ANSWER_LIMIT:,} bytes: use Stream", limit=ANSWER_LIMIT)
                chunks.append(bodies.payload_message(event.payload))
                job.grant(event.payload)
        finally:
            job.leave()

    async def stream(
        self, request: client_pb2.RunRequest, context: Context
    ) -> AsyncGenerator[client_pb2.JobEvent, None]:
        """Stream: events as they come; an end that isn't a success is the RPC's status."""
        job = _Job(self._hub, request, context, events=True)
        try:
            while True:
                event, number = await job.sink.next()
                _raise_unless_success(event)
                yield event_message(job.id, event, number)
                if event.kind.final:
                    return
                if event.kind is Kind.CHUNK:
                    job.grant(event.payload)
        finally:
            job.leave()

    async def cancel(self, request: client_pb2.CancelRequest, context: Context) -> client_pb2.CancelResponse:
        """Cancel: wait for the receipt."""
        if not self._hub.knows(request.job_id) and self._jobs.keeps:
            return await self._jobs.cancel(request)
        sink = _Collector()
        self._hub.watch_end(request.job_id, sink)
        self._hub.cancel(request.job_id)
        self._hub.settle()
        while True:
            event, _ = await sink.next()
            if event.kind.final:
                message = event.fault.message if event.fault else "the job had finished"
                return client_pb2.CancelResponse(outcome=event.outcome or "finished", message=message)

    async def open_session(
        self, request: client_pb2.OpenSessionRequest, context: Context
    ) -> client_pb2.OpenSessionResponse:
        """OpenSession."""
        data = bodies.payload_of(request.data)
        if len(data.data) > PAYLOAD_LIMIT:
            raise TooLarge(f"a session's data may take {PAYLOAD_LIMIT:,} bytes (1 MiB)", limit=PAYLOAD_LIMIT)
        session = self._hub.open_session(request.group, request.ttl, request.on_loss, request.labels, data)
        return client_pb2.OpenSessionResponse(session_id=session)

    async def close_session(
        self, request: client_pb2.CloseSessionRequest, context: Context
    ) -> client_pb2.CloseSessionResponse:
        """CloseSession."""
        self._hub.close_session(request.session_id)
        return client_pb2.CloseSessionResponse()

    async def list_workers(
        self, request: client_pb2.ListWorkersRequest, context: Context
    ) -> client_pb2.ListWorkersResponse:
        """ListWorkers."""
        views = [nouns.worker_view_message(view) for view in self._hub.workers(request.group)]
        for view in views:
            del view.worker.handlers[:]
        return _bounded(client_pb2.ListWorkersResponse(workers=views))

    async def list_handlers(
        self, request: client_pb2.ListHandlersRequest, context: Context
    ) -> client_pb2.ListHandlersResponse:
        """ListHandlers: one entry a group and name, as the newest worker describes it."""
        found: dict[tuple[str, str], client_pb2.HandlerView] = {}
        for view in self._hub.workers(request.group):
            for spec in view.info.handlers:
                one = found.setdefault((view.info.group, spec.name), client_pb2.HandlerView(group=view.info.group))
                one.handler.CopyFrom(nouns.handler_message(spec))
                one.workers += 1
                one.slots_free += max(0, view.info.slots - view.running)
        return _bounded(client_pb2.ListHandlersResponse(handlers=[found[key] for key in sorted(found)]))

    async def get_hub(self, request: client_pb2.GetHubRequest, context: Context) -> client_pb2.GetHubResponse:
        """GetHub."""
        hub, now = self._hub, self._hub.now()
        groups = [
            client_pb2.GroupView(
                group=view.name,
                workers=view.workers,
                running=view.running,
                waiting=view.waiting,
                waiting_for=0.0 if view.oldest is None else now - view.oldest,
            )
            for view in hub.groups()
        ]
        return client_pb2.GetHubResponse(
            hub_id=hub.id,
            version=self._version,
            protocol=PROTOCOL,
            up_for=now - hub.started,
            draining=hub.draining,
            workers=sum(view.workers for view in groups),
            running=hub.running,
            waiting=sum(view.waiting for view in groups),
            groups=groups,
        )


def _bounded(answer: Listing) -> Listing:
    """The listing, if it fits into one message.

    Raises:
        TooLarge: it doesn't.
    """
    if answer.ByteSize() > ANSWER_LIMIT:
        raise TooLarge("the listing is larger than a message: ask for one group", limit=ANSWER_LIMIT)
    return answer
