"""The door for any gRPC language: the unary and server-streaming methods of `ClientService`."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import TypeVar

from farhand.errors import TooLarge
from farhand.fronts.grpc.guard import Context
from farhand.hub.calling import ANSWER_LIMIT, Asked, Call, cancel
from farhand.hub.durable import Durables
from farhand.hub.service import Hub
from farhand.model.event import Kind
from farhand.model.job import NO_LABELS
from farhand.model.limits import PROTOCOL
from farhand.model.payload import check_size
from farhand.wire.farhand import bodies, nouns
from farhand.wire.farhand._pb import client_pb2
from farhand.wire.farhand.jobs import event_message

Listing = TypeVar("Listing", client_pb2.ListWorkersResponse, client_pb2.ListHandlersResponse)


def _timeout(request: client_pb2.RunRequest, context: Context) -> float | None:
    left = context.time_remaining()
    asked = request.timeout_ms / 1000 if request.timeout_ms else None
    if left is None or asked is None:
        return asked if left is None else left
    return min(left, asked)


def _call(hub: Hub, request: client_pb2.RunRequest, context: Context, *, events: bool) -> Call:
    asked = Asked(
        request.handler,
        bodies.payload_of(request.args),
        _timeout(request, context),
        request.group,
        request.priority,
        request.labels or NO_LABELS,
        request.session,
    )
    return Call(hub, asked, events=events)


class CallService:
    """`ClientService`, all but Channel and durable jobs."""

    def __init__(self, hub: Hub, durables: Durables | None, version: str) -> None:
        self._hub = hub
        self._durables = durables
        self._version = version

    async def run(self, request: client_pb2.RunRequest, context: Context) -> client_pb2.RunResponse:
        """Run: one answer."""
        call = _call(self._hub, request, context, events=False)
        try:
            result, chunks = await call.answer()
        finally:
            call.leave()
        return client_pb2.RunResponse(
            job_id=call.id,
            result=bodies.payload_message(result),
            chunks=[bodies.payload_message(chunk) for chunk in chunks],
        )

    async def stream(
        self, request: client_pb2.RunRequest, context: Context
    ) -> AsyncGenerator[client_pb2.JobEvent, None]:
        """Stream: events as they come; an end that isn't a success is the RPC's status."""
        call = _call(self._hub, request, context, events=True)
        try:
            while True:
                event, number = await call.next()
                yield event_message(call.id, event, number)
                if event.kind.final:
                    return
                if event.kind is Kind.CHUNK:
                    call.grant()
        finally:
            call.leave()

    async def cancel(self, request: client_pb2.CancelRequest, context: Context) -> client_pb2.CancelResponse:
        """Cancel: wait for the receipt."""
        receipt = await cancel(self._hub, self._durables, request.job_id)
        return client_pb2.CancelResponse(outcome=receipt.outcome, message=receipt.message)

    async def open_session(
        self, request: client_pb2.OpenSessionRequest, context: Context
    ) -> client_pb2.OpenSessionResponse:
        """OpenSession."""
        data = bodies.payload_of(request.data)
        check_size(len(data.data), "a session's data")
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
        views = [
            client_pb2.HandlerView(
                group=one.group,
                handler=nouns.handler_message(one.handler),
                workers=one.workers,
                slots_free=one.slots_free,
            )
            for one in self._hub.handlers(request.group)
        ]
        return _bounded(client_pb2.ListHandlersResponse(handlers=views))

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
