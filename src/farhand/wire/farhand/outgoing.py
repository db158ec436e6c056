"""Frames in the making: what waits to be said to a peer, taken by its writer whenever that is free.

A buffer splits itself so that no frame comes near the message limit, and tells how many bytes wait (`waiting`), so
that its owner can bound it. It isn't thread-safe; owners that share it lock.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

from farhand.core.link import Says
from farhand.errors import InvalidArguments
from farhand.model.event import Event
from farhand.model.job import Job
from farhand.model.limits import ENTRIES, FRAME_TARGET, HEARTBEAT, PROTOCOL, TEXT_LIMIT
from farhand.model.payload import NOTHING, Payload
from farhand.model.worker import Hold, WorkerInfo
from farhand.wire.farhand import bodies, nouns
from farhand.wire.farhand._pb import client_pb2, common_pb2, worker_pb2
from farhand.wire.farhand.columns import ENTRY_COST, EventBuffer, write_columns

Frame = tuple[bytes, int]
"""A serialized frame and what it says, for the link."""


Asked = client_pb2.ChannelSubmit | client_pb2.ChannelFollow
"""What a client may ask for by call number beside a call."""

RefKey = tuple[str, bytes]
"""By which name a peer signs refs of what it holds, and its key for that."""
NO_REFS: RefKey = ("", b"")

_WORK = int(Says.WORK)

SUBMIT_COST = 256
"""Bytes a submit is charged beside its arguments, for its options."""


class _Outgoing:
    """Closed frames, and the open one that subclasses fill.

    A frame is closed when it holds ENTRIES entries, though more wait: so that the next one is on its way while the
    other end still works on this one, and all the processes of a call's path are busy at once. `closed_cost` is how
    many bytes wait in closed frames, `entries` how many entries in the open one.
    """

    __slots__ = ("_closed", "_cost", "_says", "closed_cost", "entries")

    def __init__(self) -> None:
        self._closed: deque[Frame] = deque()
        self.closed_cost = 0
        self._cost = 0
        self.entries = 0
        self._says = 0

    @property
    def waiting(self) -> int:
        """Bytes that wait, about."""
        return self._cost + self.closed_cost

    def __bool__(self) -> bool:
        return self._says != 0 or bool(self._closed)

    def take(self) -> Frame:
        """The next frame. Call only while the buffer is true."""
        if self._closed:
            frame = self._closed.popleft()
            self.closed_cost -= len(frame[0])
            return frame
        return self._close()

    def _charge(self, cost: int, says: int, entries: int = 1) -> None:
        """Count what was just added, and close the frame once it is full."""
        self._says |= says
        self._cost += cost
        self.entries += entries
        if self.entries >= ENTRIES or self._cost >= FRAME_TARGET:
            self._seal()

    def _seal(self) -> None:
        frame = self._close()
        self._closed.append(frame)
        self.closed_cost += len(frame[0])

    def _close(self) -> Frame:
        data = self._serialize()
        says = self._says
        self._cost = self.entries = self._says = 0
        return data, says

    def _serialize(self) -> bytes:
        raise AssertionError("each buffer serializes its own frames")


class FromWorker(_Outgoing):
    """What a worker says to its hub."""

    __slots__ = ("_events", "_frame")

    def __init__(self) -> None:
        super().__init__()
        self._events: EventBuffer[str] = EventBuffer()
        self._frame = worker_pb2.WorkerFrame()

    def hello(self, info: WorkerInfo, holds: Sequence[Hold] = ()) -> None:
        """Introduce the worker and the leased jobs it holds; the first thing said."""
        self._frame.hello.CopyFrom(nouns.hello_message(info, holds))
        self._charge(ENTRY_COST, Says.HELLO)

    def event(self, job: str, kind: int, body: bytes = b"", media: int = 0, number: int = 0) -> None:
        """One event of a job; `number` as in the proto."""
        self._events.add(job, kind, body, media, number)
        self._says |= _WORK
        self._cost += len(body) + ENTRY_COST
        self.entries += 1
        if self.entries >= ENTRIES or self._cost >= FRAME_TARGET:
            self._seal()

    def mergeable(self, job: str, event: Event) -> None:
        """A PROGRESS or CONSOLE event, merged with the one before it if that still waits."""
        before = len(self._events.rows)
        cost = self._events.merge(job, event)
        self._charge(cost, _WORK, len(self._events.rows) - before)

    def rejected(self, job: str) -> None:
        """This assignment was not begun and won't be."""
        self._frame.rejected.append(job)
        self._charge(ENTRY_COST, _WORK)

    def heartbeat(self, running: int) -> None:
        """Still here, with this many jobs running."""
        self._frame.heartbeat.running = running
        self._charge(8, Says.HEARTBEAT)

    def draining(self) -> None:
        """No new work, please."""
        self._frame.draining = True
        self._charge(8, Says.DRAINING)

    def goodbye(self, code: str = "", message: str = "") -> None:
        """The last thing said."""
        self._frame.goodbye.CopyFrom(common_pb2.Goodbye(code=code, message=message))
        self._charge(ENTRY_COST, Says.GOODBYE)

    def _serialize(self) -> bytes:
        frame = self._frame
        if self._events.rows:
            write_columns(frame.events, ("job", "kind", "body", "media", "number"), self._events.take())
        self._frame = worker_pb2.WorkerFrame()
        return frame.SerializeToString()


class ToWorker(_Outgoing):
    """What a hub says to a worker."""

    __slots__ = ("_extra", "_frame", "_leased", "_rows")

    def __init__(self) -> None:
        super().__init__()
        self._reset()

    def _reset(self) -> None:
        self._frame = worker_pb2.HubFrame()
        self._leased: list[int] = []
        self._rows: list[tuple[str, str, bytes, int, int, int]] = []
        self._extra: list[worker_pb2.AssignExtra] = []

    def welcome(
        self, hub_id: str, version: str, lease: float = 0.0, heartbeat: float = HEARTBEAT, refs: RefKey = NO_REFS
    ) -> None:
        """Let the worker in; the first thing said. `lease` is how many seconds its leased jobs are its own after it
        last heard the hub, 0 where none are leased. `refs` is by which name and key it signs refs."""
        holder, key = refs
        self._frame.welcome.CopyFrom(
            worker_pb2.Welcome(
                protocol=PROTOCOL,
                hub_id=hub_id,
                version=version,
                heartbeat=heartbeat,
                lease=lease,
                holder=holder,
                ref_key=key,
            )
        )
        self._charge(ENTRY_COST, Says.WELCOME)

    def push(self, transfer: str, id: str, offset: int) -> None:
        """Ask for what the worker holds under a ref."""
        self._frame.push.add(transfer=transfer, id=id, offset=offset)
        self._charge(ENTRY_COST, _WORK)

    def assign(self, job: Job, timeout_ms: int, session_data: Payload = NOTHING, moved: bool = False) -> None:
        """Give the worker a job. `timeout_ms` is what is left, 0 for no deadline."""
        args = job.args
        cost = len(args.data) + len(session_data.data) + ENTRY_COST
        if job.session or job.attempt > 1 or job.inputs:
            media: Any = session_data.media
            self._extra.append(
                worker_pb2.AssignExtra(
                    at=len(self._rows),
                    session=job.session,
                    session_data=session_data.data,
                    session_media=media,
                    session_moved=moved,
                    attempt=job.attempt,
                    inputs=[bodies.input_message(one) for one in job.inputs],
                )
            )
            cost += self._extra[-1].ByteSize() if job.inputs else 0
        if job.leased:
            self._leased.append(len(self._rows))
        self._rows.append((job.id, job.handler, args.data, args.media, timeout_ms, job.window))
        self._charge(cost, _WORK)

    def credit(self, job: str, amount: int) -> None:
        """Let the job send this many more bytes of chunks."""
        self._frame.credit.job.append(job)
        self._frame.credit.bytes.append(amount)
        self._charge(ENTRY_COST, _WORK)

    def cancel(self, job: str, reason: str) -> None:
        """Ask for the job's end; the worker answers with it."""
        self._frame.cancel.job.append(job)
        self._frame.cancel.reason.append(reason)
        self._charge(ENTRY_COST, _WORK)

    def adopt(self, job: str, chunks: int) -> None:
        """A job the worker holds goes on here, from after so many chunks."""
        self._frame.adopted.add(job=job, chunks=chunks)
        self._charge(ENTRY_COST, _WORK)

    def release(self, job: str) -> None:
        """The job's end needn't be held."""
        self._frame.released.append(job)
        self._charge(ENTRY_COST, _WORK)

    def close_session(self, session: str) -> None:
        """Drop the session's state."""
        self._frame.close_session.append(session)
        self._charge(ENTRY_COST, _WORK)

    def heartbeat(self) -> None:
        """Still here."""
        self._frame.heartbeat.running = 0
        self._frame.heartbeat.SetInParent()
        self._charge(8, Says.HEARTBEAT)

    def draining(self) -> None:
        """The hub is stopping."""
        self._frame.draining = True
        self._charge(8, Says.DRAINING)

    def goodbye(self, code: str = "", message: str = "") -> None:
        """The last thing said."""
        self._frame.goodbye.CopyFrom(common_pb2.Goodbye(code=code, message=message))
        self._charge(ENTRY_COST, Says.GOODBYE)

    def _serialize(self) -> bytes:
        frame = self._frame
        if self._rows:
            write_columns(frame.assign, ("job", "handler", "args", "media", "timeout_ms", "window"), self._rows)
            frame.assign.extra.extend(self._extra)
            frame.assign.leased.extend(self._leased)
        self._reset()
        return frame.SerializeToString()


class FromClient(_Outgoing):
    """What a client says on its channel."""

    __slots__ = ("_extra", "_frame", "_rows")

    def __init__(self) -> None:
        super().__init__()
        self._reset()

    def _reset(self) -> None:
        self._frame = client_pb2.ClientFrame()
        self._rows: list[tuple[int, str, bytes, int, int, int, bool]] = []
        self._extra: list[client_pb2.CallExtra] = []

    def hello(self) -> None:
        """Open the channel; the first thing said."""
        self._frame.protocol = PROTOCOL
        self._charge(8, Says.HELLO)

    def call(
        self,
        number: int,
        handler: str,
        args: Payload,
        timeout_ms: int,
        window: int,
        events: bool,
        extra: client_pb2.CallExtra | None = None,
    ) -> None:
        """Ask for a job. `extra` (from `call_extra`) where it isn't plain."""
        cost = len(args.data) + ENTRY_COST
        if extra is not None:
            extra.at = len(self._rows)
            self._extra.append(extra)
            cost += extra.ByteSize()
        self._rows.append((number, handler, args.data, args.media, timeout_ms, window, events))
        self._charge(cost, _WORK)

    def ask(self, asked: Asked) -> None:
        """Submit a durable job, or follow one to its end."""
        if isinstance(asked, client_pb2.ChannelSubmit):
            self._frame.submit.append(asked)
            self._charge(len(asked.request.call.args.data) + SUBMIT_COST, _WORK)
        else:
            self._frame.follow.append(asked)
            self._charge(ENTRY_COST, _WORK)

    def cancel(self, number: int) -> None:
        """Ask for the call's end; the hub answers with it."""
        self._frame.cancel.append(number)
        self._charge(8, Says.WORK)

    def credit(self, number: int, amount: int) -> None:
        """Let the call send this many more bytes of chunks."""
        self._frame.credit.call.append(number)
        self._frame.credit.bytes.append(amount)
        self._charge(16, Says.WORK)

    def heartbeat(self) -> None:
        """Still here."""
        self._frame.heartbeat.SetInParent()
        self._charge(8, Says.HEARTBEAT)

    def goodbye(self) -> None:
        """The last thing said."""
        self._frame.goodbye.SetInParent()
        self._charge(8, Says.GOODBYE)

    def _serialize(self) -> bytes:
        frame = self._frame
        if self._rows:
            columns = ("call", "handler", "args", "media", "timeout_ms", "window", "events")
            write_columns(frame.calls, columns, self._rows)
            frame.calls.extra.extend(self._extra)
        self._reset()
        return frame.SerializeToString()


class ToClient(_Outgoing):
    """What a hub says on a client's channel."""

    __slots__ = ("_events", "_frame")

    def __init__(self) -> None:
        super().__init__()
        self._events: EventBuffer[int] = EventBuffer()
        self._frame = client_pb2.ChannelFrame()

    def welcome(self, hub_id: str, version: str, heartbeat: float = HEARTBEAT, refs: RefKey = NO_REFS) -> None:
        """Let the client in; the first thing said. `refs` as for a worker."""
        holder, key = refs
        self._frame.welcome.CopyFrom(
            worker_pb2.Welcome(
                protocol=PROTOCOL, hub_id=hub_id, version=version, heartbeat=heartbeat, holder=holder, ref_key=key
            )
        )
        self._charge(ENTRY_COST, Says.WELCOME)

    def push(self, transfer: str, id: str, offset: int) -> None:
        """Ask for what the client holds under a ref."""
        self._frame.push.add(transfer=transfer, id=id, offset=offset)
        self._charge(ENTRY_COST, _WORK)

    def event(self, call: int, kind: int, body: bytes, media: int = 0, number: int = 0) -> None:
        """One event of a call; `number` as in the proto."""
        self._events.add(call, kind, body, media, number)
        self._says |= _WORK
        self._cost += len(body) + ENTRY_COST
        self.entries += 1
        if self.entries >= ENTRIES or self._cost >= FRAME_TARGET:
            self._seal()

    def submitted(self, call: int, job: str, how: str) -> None:
        """A durable job that this call asked for is kept."""
        self._frame.submitted.add(call=call, job_id=job, how=how)
        self._charge(ENTRY_COST, _WORK)

    def mergeable(self, call: int, event: Event) -> None:
        """A PROGRESS or CONSOLE event, merged with the one before it if that still waits."""
        before = len(self._events.rows)
        cost = self._events.merge(call, event)
        self._charge(cost, _WORK, len(self._events.rows) - before)

    def heartbeat(self) -> None:
        """Still here."""
        self._frame.heartbeat.SetInParent()
        self._charge(8, Says.HEARTBEAT)

    def draining(self) -> None:
        """The hub is stopping."""
        self._frame.draining = True
        self._charge(8, Says.DRAINING)

    def goodbye(self, code: str = "", message: str = "") -> None:
        """The last thing said."""
        self._frame.goodbye.CopyFrom(common_pb2.Goodbye(code=code, message=message))
        self._charge(ENTRY_COST, Says.GOODBYE)

    def _serialize(self) -> bytes:
        frame = self._frame
        if self._events.rows:
            write_columns(frame.events, ("call", "kind", "body", "media", "number"), self._events.take())
        self._frame = client_pb2.ChannelFrame()
        return frame.SerializeToString()


def call_extra(
    group: str, priority: int, labels: Mapping[str, str] | None, session: str
) -> client_pb2.CallExtra | None:
    """What a call says beyond the columns; None where it is plain, so that plain calls cost nothing more.

    Raises:
        InvalidArguments: it can't be sent, or takes more than 64 KiB.
    """
    if group == "default" and not priority and not labels and not session:
        return None
    try:
        extra = client_pb2.CallExtra(group=group, priority=priority, labels=dict(labels or {}), session=session)
    except (TypeError, ValueError) as error:
        raise InvalidArguments(f"a call's group, priority, labels or session can't be sent: {error}") from error
    if extra.ByteSize() > TEXT_LIMIT:
        raise InvalidArguments(f"a call's group, labels and session take more than {TEXT_LIMIT:,} bytes")
    return extra
