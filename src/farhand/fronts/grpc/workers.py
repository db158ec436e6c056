"""The door for workers: frames of `WorkerService.Connect` ↔ the hub's verbs."""

from __future__ import annotations

from collections.abc import AsyncIterator

from farhand.core import events as on
from farhand.core.link import Says, check_protocol
from farhand.errors import InvalidArguments, ProtocolViolation
from farhand.fronts.grpc.conversation import Conversation
from farhand.fronts.grpc.guard import Context
from farhand.fronts.grpc.registry import Registry
from farhand.hub.service import Hub
from farhand.model.event import Event, Kind
from farhand.model.job import Job
from farhand.model.limits import HUB_HEARTBEAT, PAYLOAD_LIMIT
from farhand.model.payload import Payload
from farhand.wire.farhand import bodies, incoming, nouns
from farhand.wire.farhand._pb import worker_pb2
from farhand.wire.farhand.outgoing import ToWorker

_SUCCEEDED = Kind.SUCCEEDED
_END, _STARTED, _CHUNK = int(Kind.SUCCEEDED), int(Kind.STARTED), int(Kind.CHUNK)


def worker_heartbeat(lease: float) -> float:
    """Seconds between heartbeats to workers: often enough that one which hears them keeps its leases."""
    return min(HUB_HEARTBEAT, lease / 3) if lease else HUB_HEARTBEAT


class WorkerDoor:
    """One connected worker: the hub's `WorkerPort` on one side, its frames on the other."""

    def __init__(self, hub: Hub, context: Context, version: str) -> None:
        self._hub = hub
        self._version = version
        self._buffer = ToWorker()
        self._number: int | None = None
        self._holder = ""
        self.conversation = Conversation(context, self._buffer, hub.now, worker_heartbeat(hub.lease))

    # -- WorkerPort --------------------------------------------------------------------------------------------------

    def assign(self, job: Job, session_data: Payload, moved: bool) -> None:
        """Queue an assignment; the time left is worked out now, at the hub's end of the link."""
        left = 0 if job.deadline is None else max(1, int((job.deadline - self._hub.now()) * 1000))
        self._buffer.assign(job, left, session_data, moved)
        self.conversation.load += 1
        self.conversation.wake()

    def cancel(self, job: str, reason: str) -> None:
        """Queue a cancel."""
        self._buffer.cancel(job, reason)
        self.conversation.wake()

    def credit(self, job: str, amount: int) -> None:
        """Queue a credit."""
        self._buffer.credit(job, amount)
        self.conversation.wake()

    def adopt(self, job: str, chunks: int) -> None:
        """Queue an adoption."""
        self._buffer.adopt(job, chunks)
        self.conversation.load += 1
        self.conversation.wake()

    def release(self, job: str) -> None:
        """Queue a release."""
        self._buffer.release(job)
        self.conversation.wake()

    def drop_session(self, session: str) -> None:
        """Queue a session's end."""
        self._buffer.close_session(session)
        self.conversation.wake()

    def push(self, transfer: str, id: str, offset: int) -> None:
        """Queue an order to push."""
        self._buffer.push(transfer, id, offset)
        self.conversation.wake()

    def close(self, code: str, message: str) -> None:
        """Say goodbye and close; the hub has forgotten this worker already."""
        self._number = None
        self.conversation.close(code, message)

    # -- frames ------------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Serve the worker until either end is done.

        Raises:
            FarhandError: why it was cut off.
        """
        clean = False
        try:
            clean = await self.conversation.run(self._on_frame)
        finally:
            self._hub.transfers.detach(self._holder, self)
            if self._number is not None:
                self._hub.leave(self._number, clean=clean)

    def _on_frame(self, data: bytes) -> int:
        frame = incoming.parse(worker_pb2.WorkerFrame, data)
        says = incoming.worker_says(frame)
        if says & Says.HELLO:
            check_protocol(frame.hello.protocol)
        link = self.conversation.link
        link.received(says, self._hub.now())
        if says & Says.HELLO:
            self._welcome(frame.hello)
        number = self._number
        if number is not None:
            self._hub.tell(on.WorkerHeard(number))
            if says & Says.DRAINING:
                self._hub.tell(on.WorkerDraining(number))
            if says & Says.WORK:
                for job in frame.rejected:
                    self._hub.tell(on.JobRejected(number, job))
                self.conversation.load -= len(frame.rejected) + self._on_events(number, frame)
            self._hub.settle()
        return says

    def _welcome(self, hello: worker_pb2.Hello) -> None:
        try:
            info = nouns.worker_info(hello)
        except InvalidArguments as error:
            raise ProtocolViolation(f"the worker's hello is refused: {error.message}") from error
        self._holder = f"worker-{info.id}"
        key = self._hub.transfers.attach(self._holder, self, info.data)
        self._buffer.welcome(self._hub.id, self._version, self._hub.lease, refs=(self._holder, key))
        self._number = self._hub.join(info, self, nouns.holds(hello))
        self.conversation.wake()

    def _on_events(self, link: int, frame: worker_pb2.WorkerFrame) -> int:
        """Tell the hub each event; how many jobs ended."""
        tell, ends = self._hub.tell, 0
        for job, kind, body, media, number in incoming.job_events(frame):
            if len(body) > PAYLOAD_LIMIT:
                raise ProtocolViolation(f"an event of {len(body):,} bytes is over the limit of {PAYLOAD_LIMIT:,}")
            if kind == _END:
                tell(on.JobEnded(link, job, Event(_SUCCEEDED, Payload(body, media)), number))
                ends += 1
            elif kind == _STARTED:
                tell(on.JobStarted(link, job))
            elif kind == _CHUNK:
                tell(on.JobChunk(link, job, Payload(body, media), number))
            else:
                event = bodies.event_of(kind, body, media)
                if event.kind.final:
                    tell(on.JobEnded(link, job, event, number))
                    ends += 1
                elif event.kind is Kind.QUEUED:
                    raise ProtocolViolation("a worker can't queue jobs")
                else:
                    tell(on.JobReported(link, job, event))
        return ends


class WorkerService:
    """`farhand.v1.WorkerService`."""

    def __init__(self, hub: Hub, registry: Registry, version: str) -> None:
        self._hub = hub
        self._registry = registry
        self._version = version

    async def connect(self, requests: AsyncIterator[bytes], context: Context) -> None:
        """Connect: one worker's stream, for as long as it lasts."""
        door = WorkerDoor(self._hub, context, self._version)
        self._registry.add(door.conversation, worker=True)
        try:
            await door.run()
        finally:
            self._registry.remove(door.conversation)
