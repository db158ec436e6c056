"""One foreign agent, which is a worker of its group and serves `sql.query`.

Agents know neither acknowledgements nor cancels nor credit. So what is written to one has begun; what is cancelled is
forgotten and its slot freed at once, and its late answer is passed over; rows wait here for their reader.
"""

from __future__ import annotations

import asyncio
import uuid
from collections import deque
from collections.abc import Coroutine
from typing import Any

import structlog

from farhand.core import events as on
from farhand.errors import Cancelled, FarhandError, HandlerFailed, InvalidArguments, Replaced, TooLarge, Unavailable
from farhand.fronts.agnt.telling import Context
from farhand.hub.service import Hub
from farhand.model.event import Event, Kind, to_fault
from farhand.model.job import Input, Job
from farhand.model.limits import HEARTBEAT, MESSAGE_LIMIT, TEXT_LIMIT
from farhand.model.payload import Media, Payload, chunk_cost
from farhand.model.worker import WorkerInfo
from farhand.wire.agnt import messages, rows
from farhand.wire.agnt.messages import Command, Said
from farhand.wire.plain import value_of
from farhand.wire.values import DEFAULT

_SPEC = rows.spec()
_REF, _NONE, _MSGPACK = int(Media.REF), int(Media.NONE), int(Media.MSGPACK)
_ANY_JSON = (int(Media.JSON), int(Media.OPEN_JSON))


class Asked:
    """A job that the agent has, from its assignment to its end. `query` is None for a command of `SendCommand`."""

    __slots__ = ("begun", "chunks", "credit", "job", "media", "message", "over", "query", "waiter", "work")

    def __init__(self, job: Job) -> None:
        self.job = job
        self.message = b""
        self.query: rows.Query | None = None
        self.media = _MSGPACK
        self.begun = self.over = False
        self.chunks = 0
        self.credit = job.window
        self.waiter: asyncio.Future[None] | None = None
        self.work: asyncio.Task[None] | None = None


class Agent:
    """A connected agent: the hub's `WorkerPort` on one side, its messages on the other. `link` is None while the hub
    doesn't know it."""

    def __init__(self, hub: Hub, slots: int) -> None:
        self.link: int | None = None
        self.closed: asyncio.Future[FarhandError] = asyncio.get_running_loop().create_future()
        self._hub = hub
        self._slots = slots
        self._jobs: dict[str, Asked] = {}
        self._requests: dict[str, Asked] = {}
        self._queue: deque[Asked] = deque()
        self._writer: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._beats = False
        self._loop = asyncio.get_running_loop()
        self._log = structlog.get_logger("farhand.agnt")

    # -- its life ----------------------------------------------------------------------------------------------------

    def join(self, first: bytes, peer: str) -> None:
        """It said its first message.

        Raises:
            ProtocolViolation: that says nothing of who it is.
        """
        hello = messages.read_hello(first)
        worker = hello.worker or messages.worker_of(hello.group, self._hub.new_id())
        info = WorkerInfo(
            id=worker,
            group=hello.group,
            slots=self._slots,
            labels=messages.LABEL,
            handlers=(_SPEC,),
            version="agnt",
            host=peer,
        )
        self.link = self._hub.join(info, self, in_turn=False)
        self._timer = self._loop.call_later(HEARTBEAT, self._look)
        self.hear(first)

    def leave(self) -> None:
        """Its connection is over: the callers of what it had are told."""
        if self._timer is not None:
            self._timer.cancel()
        for asked in self._jobs.values():
            asked.over = True
            if asked.work is not None:
                asked.work.cancel()
        self._jobs.clear()
        self._requests.clear()
        self._queue.clear()
        link, self.link = self.link, None
        if link is not None:
            self._hub.leave(link, clean=False)
            self._hub.settle()

    def _look(self) -> None:
        """Dead connections end by HTTP/2's keepalive. Beside that, an agent that sends heartbeats has to, but while it
        works, when some can't; of one that never does, nothing is expected."""
        if self.link is not None:
            if self._jobs or not self._beats:
                self._hub.tell(on.WorkerHeard(self.link))
                self._hub.settle()
            self._timer = self._loop.call_later(HEARTBEAT, self._look)

    # -- WorkerPort --------------------------------------------------------------------------------------------------

    def assign(self, job: Job, session_data: Payload, moved: bool) -> None:
        """Queue a query. Sessions are nothing to an agent."""
        self._jobs[job.id] = asked = Asked(job)
        if isinstance(job.args, Command) and not job.inputs:
            asked.message = job.args.message
            self._put(asked)
        else:
            asked.work = self._loop.create_task(self._guarded(asked, self._prepare(asked)))

    def cancel(self, job: str, reason: str) -> None:
        """Forget a job, soon: the machine is in the middle of something."""
        asked = self._jobs.get(job)
        if asked is not None:
            self._loop.call_soon(self._give_up, asked, reason)

    def credit(self, job: str, amount: int) -> None:
        """Let more rows pass."""
        asked = self._jobs.get(job)
        if asked is not None:
            asked.credit += amount
            if asked.waiter is not None and not asked.waiter.done():
                asked.waiter.set_result(None)

    def adopt(self, job: str, chunks: int) -> None:
        """An agent never comes back with a job."""

    def release(self, job: str) -> None:
        """Ends aren't held here."""

    def drop_session(self, session: str) -> None:
        """There is no state to drop."""

    def close(self, code: str, message: str) -> None:
        """End the connection; the hub has forgotten this agent already."""
        self.link = None
        if not self.closed.done():
            self.closed.set_result(Replaced(message) if code == Replaced.code else Unavailable(message))

    # -- what it is asked --------------------------------------------------------------------------------------------

    async def write(self, context: Context) -> None:
        """Send queries until cancelled."""
        while True:
            while self._queue:
                asked = self._queue.popleft()
                link = self.link
                if asked.over or link is None:
                    continue
                request = str(uuid.uuid4())
                self._requests[request] = asked
                data, asked.message = messages.asked(asked.message, request), b""
                asked.begun = True
                self._hub.tell(on.JobStarted(link, asked.job.id))
                try:
                    await context.write(data)
                except Exception:  # gRPC's own, of no public type: the agent has left
                    return
            self._writer = self._loop.create_future()
            await self._writer

    def _put(self, asked: Asked) -> None:
        self._queue.append(asked)
        if self._writer is not None and not self._writer.done():
            self._writer.set_result(None)

    async def _prepare(self, asked: Asked) -> None:
        """Make a query of the arguments of a call that isn't of this protocol."""
        args = await self._hub.transfers.whole(asked.job.args, MESSAGE_LIMIT)
        if args.media == _REF:
            raise TooLarge(
                f"the arguments take more than {MESSAGE_LIMIT:,} bytes, and agents take no more", limit=MESSAGE_LIMIT
            )
        given = value_of(args) if args.media != _NONE else {}
        if not isinstance(given, dict):
            raise InvalidArguments(f"the arguments must be an object, not {type(given).__name__}")
        for one in asked.job.inputs:
            given[one.argument] = await self._input(one)
        asked.media = args.media if args.media in _ANY_JSON else _MSGPACK
        asked.query = query = rows.read_query(given)
        asked.message = messages.command(query.database, query.query, query.tbl_name)
        self._put(asked)

    async def _input(self, one: Input) -> Any:
        values = [value_of(await self._hub.transfers.whole(value, MESSAGE_LIMIT)) for value in one.values]
        return values if one.chunks else values[0]

    # -- what it says ------------------------------------------------------------------------------------------------

    def hear(self, data: bytes) -> None:
        """It said something.

        Raises:
            ProtocolViolation: that is no message.
        """
        said = messages.read_said(data)
        link = self.link
        if link is None:
            return
        self._beats |= said.heartbeat
        self._hub.tell(on.WorkerHeard(link))
        asked = self._requests.pop(said.request, None) if said.request else None
        if asked is not None and not asked.over:
            self._answered(asked, said)
        self._hub.settle()

    def _answered(self, asked: Asked, said: Said) -> None:
        error = said.error()
        if error:
            text = error if len(error) <= TEXT_LIMIT else f"{error[:TEXT_LIMIT]}…"
            self._fail(asked, HandlerFailed(text, type="QueryFailed"))
        elif asked.query is None:
            self._end(asked, Event(Kind.SUCCEEDED, said.reply()))
        else:
            chunks = rows.Chunks(said.answer(), asked.query)
            asked.work = self._loop.create_task(self._guarded(asked, self._stream(asked, chunks)))

    async def _stream(self, asked: Asked, chunks: rows.Chunks) -> None:
        for chunk in chunks:
            if asked.job.window:
                payload = DEFAULT.payload(chunk, asked.media, what="a chunk of rows")
                await self._credit_for(asked)
                if self.link is None or asked.over:
                    return
                asked.chunks += 1
                asked.credit -= chunk_cost(payload)
                self._hub.tell(on.JobChunk(self.link, asked.job.id, payload, asked.chunks))
                self._hub.settle()
            await asyncio.sleep(0)
        self._end(asked, Event(Kind.SUCCEEDED, DEFAULT.payload(chunks.result, asked.media)))

    async def _credit_for(self, asked: Asked) -> None:
        while asked.credit <= 0:
            asked.waiter = self._loop.create_future()
            await asked.waiter

    # -- ends --------------------------------------------------------------------------------------------------------

    async def _guarded(self, asked: Asked, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except FarhandError as error:
            self._fail(asked, error)
        except Exception as error:  # of ours: what was said is not to be shown
            self._log.error("an agent's answer can't be passed on", error=type(error).__name__)
            self._fail(asked, FarhandError(f"internal error: {type(error).__name__}; the hub's log has more"))

    def _give_up(self, asked: Asked, reason: str) -> None:
        if asked.over or self.link is None:
            return
        if reason == "TAKE_BACK" and asked.begun:
            return
        if asked.work is not None:
            asked.work.cancel()
        if reason == "TAKE_BACK":
            self._forget(asked)
            self._hub.tell(on.JobRejected(self.link, asked.job.id))
            self._hub.settle()
            return
        error = Cancelled("the agent was asked already, and can't be stopped: its answer is dropped")
        if asked.begun:
            self._end(asked, Event(Kind.CANCELLED, fault=to_fault(error), outcome="unconfirmed"))
        else:
            error = Cancelled("the job was cancelled before the agent was asked")
            self._end(asked, Event(Kind.CANCELLED, fault=to_fault(error), outcome="not_started"))

    def _fail(self, asked: Asked, error: FarhandError) -> None:
        self._end(asked, Event(Kind.FAILED, fault=to_fault(error)))

    def _end(self, asked: Asked, event: Event) -> None:
        if asked.over or self.link is None:
            return
        self._forget(asked)
        self._hub.tell(on.JobEnded(self.link, asked.job.id, event, asked.chunks))
        self._hub.settle()

    def _forget(self, asked: Asked) -> None:
        asked.over = True
        asked.message = b""
        self._jobs.pop(asked.job.id, None)
