"""The door for clients that multiplex: frames of `ClientService.Channel` ↔ the hub's verbs."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from farhand.core import events as on
from farhand.core.link import Says, check_protocol
from farhand.errors import FarhandError, JobNotFound, Overloaded, ProtocolViolation
from farhand.fronts.grpc.conversation import Conversation
from farhand.fronts.grpc.guard import Context
from farhand.fronts.grpc.jobs import JobService
from farhand.fronts.grpc.registry import Registry
from farhand.hub.following import Follow
from farhand.hub.service import Hub
from farhand.model.durable import DurableJob
from farhand.model.event import Event, Kind, to_fault
from farhand.model.job import NO_LABELS
from farhand.model.payload import Payload, check_size
from farhand.ports.store import Added
from farhand.wire.farhand import bodies, incoming, jobs
from farhand.wire.farhand._pb import client_pb2
from farhand.wire.farhand.outgoing import ToClient

CALLS_LIMIT = 10_000
"""Unfinished calls one channel may have."""

FOLLOWS_LIMIT = 100_000
"""Durable jobs whose end one channel may wait for."""

CHATTER_LIMIT = 4 * 1024 * 1024
"""Progress and console events are dropped for a client that lets this many bytes wait."""


_PROGRESS, _CONSOLE, _SUCCEEDED = Kind.PROGRESS, Kind.CONSOLE, Kind.SUCCEEDED


class ChannelDoor:
    """One client's channel: the sink of all its calls, tagged by their numbers."""

    def __init__(self, hub: Hub, jobs: JobService, context: Context, version: str) -> None:
        self._hub = hub
        self._durable = jobs
        self._follows: dict[int, Follow] = {}
        self._version = version
        self._buffer = ToClient()
        self._jobs: dict[int, str] = {}
        self._holder = ""
        self._last = 0
        self.conversation = Conversation(context, self._buffer, hub.now)

    def deliver(self, tag: int, event: Event, number: int) -> None:
        """Queue an event of the call numbered `tag`."""
        kind = event.kind
        if kind is _SUCCEEDED:
            payload = event.payload
            self._buffer.event(tag, kind, payload.data, payload.media, number)
            self._jobs.pop(tag, None)
        elif kind is _PROGRESS or kind is _CONSOLE:
            if self._buffer.waiting < CHATTER_LIMIT:
                self._buffer.mergeable(tag, event)
        else:
            body, media = bodies.body_of(event)
            self._buffer.event(tag, kind, body, media, number)
            if kind > _SUCCEEDED:
                self._jobs.pop(tag, None)
        if self._follows and kind >= _SUCCEEDED:
            self._follows.pop(tag, None)
        self.conversation.wake()

    def push(self, transfer: str, id: str, offset: int) -> None:
        """Queue an order to push."""
        self._buffer.push(transfer, id, offset)
        self.conversation.wake()

    async def run(self) -> None:
        """Serve the client until either end is done; what it leaves unfinished is cancelled.

        Raises:
            FarhandError: why it was cut off.
        """
        try:
            await self.conversation.run(self._on_frame)
        finally:
            self._hub.transfers.detach(self._holder, self)
            for job in list(self._jobs.values()):
                if job:
                    self._hub.abandon(job)
            self._hub.settle()
            for follow in self._follows.values():
                follow.leave()

    def _on_frame(self, data: bytes) -> int:
        frame = incoming.parse(client_pb2.ClientFrame, data)
        says = incoming.client_says(frame)
        if says & Says.HELLO:
            check_protocol(frame.protocol)
        self.conversation.link.received(says, self._hub.now())
        if says & Says.HELLO:
            self._holder = f"client-{self._hub.new_id()}"
            key = self._hub.transfers.attach(self._holder, self)
            self._buffer.welcome(self._hub.id, self._version, refs=(self._holder, key))
            self.conversation.wake()
        if says & Says.WORK:
            before = self._last
            self._on_calls(frame.calls)
            if frame.submit or frame.follow:
                self._on_durable(frame, before)
            self._on_requests(frame)
            self._hub.settle()
            self.conversation.load = len(self._jobs)
        return says

    def _on_calls(self, message: client_pb2.Calls) -> None:
        submit, jobs = self._hub.submit, self._jobs
        for number, handler, args, media, timeout_ms, window, events, extra in incoming.calls(message):
            if number <= self._last:
                raise ProtocolViolation(f"call number {number} was used before on this channel")
            self._last = number
            jobs[number] = ""
            try:
                self._check(args)
                payload = Payload(args, media)
                timeout = timeout_ms / 1000 if timeout_ms else None
                if extra is None:
                    job = submit(self, number, handler, payload, timeout=timeout, window=window, events=events)
                else:
                    job = submit(
                        self,
                        number,
                        handler,
                        payload,
                        timeout=timeout,
                        group=extra.group,
                        priority=extra.priority,
                        labels=extra.labels or NO_LABELS,
                        session=extra.session,
                        window=window,
                        events=events,
                    )
            except FarhandError as error:
                self._fail(number, error)
            else:
                if number in jobs:
                    jobs[number] = job

    def _on_durable(self, frame: client_pb2.ClientFrame, before: int) -> None:
        seen = set(frame.calls.call)
        asked: dict[int, DurableJob] = {}
        for submit in frame.submit:
            number, request = submit.call, submit.request
            self._number(number, before, seen)
            self._jobs[number] = ""
            try:
                self._check(request.call.args.data)
                asked[number] = self._durable.kept().job_of(jobs.order(request))
            except FarhandError as error:
                self._fail(number, error)
        if asked:
            self._durable.kept().track(self._submit(asked))
        for wanted in frame.follow:
            self._number(wanted.call, before, seen)
            try:
                if len(self._follows) >= FOLLOWS_LIMIT:
                    raise Overloaded(f"this client waits for {FOLLOWS_LIMIT:,} jobs already", retry_after=1.0)
                follow = self._durable.kept().follow(wanted.job_id, self, wanted.call, wanted.window)
            except FarhandError as error:
                self._fail(wanted.call, error)
            else:
                self._follows[wanted.call] = follow

    def _number(self, number: int, before: int, seen: set[int]) -> None:
        if number <= before or number in seen:
            raise ProtocolViolation(f"call number {number} was used before on this channel")
        seen.add(number)
        self._last = max(self._last, number)

    async def _submit(self, asked: dict[int, DurableJob]) -> None:
        """Keep the jobs of one frame together, and answer the calls of these numbers."""
        kept: Sequence[Added | FarhandError]
        try:
            kept = await self._durable.kept().submit_all(tuple(asked.values()))
        except FarhandError as error:
            kept = [error] * len(asked)
        for number, added in zip(asked, kept, strict=True):
            if isinstance(added, FarhandError):
                self._fail(number, added)
            else:
                self._jobs.pop(number, None)
                self._buffer.submitted(number, added.kept.job.id, added.how)
        self.conversation.wake()

    def _fail(self, number: int, error: FarhandError) -> None:
        self.deliver(number, Event(Kind.FAILED, fault=to_fault(error)), 0)

    def _check(self, args: bytes) -> None:
        check_size(len(args), "the arguments")
        if len(self._jobs) > CALLS_LIMIT:
            raise Overloaded(f"this client has {CALLS_LIMIT:,} unfinished calls: wait for some", retry_after=0.5)

    def _on_requests(self, frame: client_pb2.ClientFrame) -> None:
        credit = frame.credit
        if len(credit.call) != len(credit.bytes):
            raise ProtocolViolation("the columns of a credit frame differ in length")
        for number, amount in zip(credit.call, credit.bytes, strict=True):
            if number in self._jobs:
                self._hub.tell(on.Granted(self._jobs[number], amount))
            elif number in self._follows:
                self._follows[number].grant(amount)
        for number in frame.cancel:
            if number in self._follows:
                self._follows.pop(number).leave()
            job = self._jobs.get(number)
            if not job:
                continue
            try:
                self._hub.cancel(job)
            except JobNotFound:
                continue


class ChannelService:
    """`ClientService.Channel`."""

    def __init__(self, hub: Hub, jobs: JobService, registry: Registry, version: str) -> None:
        self._hub = hub
        self._jobs = jobs
        self._registry = registry
        self._version = version

    async def channel(self, requests: AsyncIterator[bytes], context: Context) -> None:
        """Channel: one client's stream, for as long as it lasts."""
        door = ChannelDoor(self._hub, self._jobs, context, self._version)
        self._registry.add(door.conversation, worker=False)
        try:
            await door.run()
        finally:
            self._registry.remove(door.conversation)
