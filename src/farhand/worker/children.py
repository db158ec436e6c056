"""Handlers with ``isolate="process"``: each runs in a child process, which speaks the same frames as a hub's worker.

A child runs one job at a time and is kept for the next. A session has a child of its own, where its state lives; it
starts from the session's state in the worker's own process, and each goes its own way from there.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Coroutine
from typing import Any

from farhand.core.link import Says
from farhand.errors import FarhandError, SessionLost
from farhand.model.job import Input, Job
from farhand.model.payload import LOCAL, NOTHING, Payload
from farhand.ports.runner import Child, Processes
from farhand.wire.farhand import incoming
from farhand.wire.farhand._pb import worker_pb2
from farhand.wire.farhand.outgoing import ToWorker
from farhand.worker.call import Call
from farhand.worker.carrying import for_child, remove_left

CHILD_MODULE = "farhand.worker.child"
KEPT = 8
"""Idle children kept for the next job."""


class Children:
    """The child processes of one worker."""

    def __init__(self, processes: Processes, reference: str, worker_id: str) -> None:
        self._processes = processes
        self._reference = reference
        self._worker_id = worker_id
        self._idle: dict[Child, asyncio.Future[None]] = {}
        self._homes: dict[str, Child] = {}
        self._turns: dict[str, asyncio.Lock] = {}
        self._lost: set[str] = set()
        self._busy: dict[str, Child] = {}
        self._ends: set[asyncio.Future[Any]] = set()

    async def run(self, call: Call, session_state: dict[str, Any] | None) -> None:
        """Run a job to its end. Cancelling this kills its process, and with it the state of its session.

        `session_state` is what the session's process starts from, None where the job has no session, or one that was
        closed meanwhile.

        Raises:
            SessionLost: the session's process is gone.
        """
        if not call.session or session_state is None:
            await self._run(call, None)
            return
        async with self._turns.setdefault(call.session, asyncio.Lock()):
            if call.session in self._lost:
                raise SessionLost(
                    f"the process of session {call.session} is gone, and its state with it: open a new session"
                )
            await self._run(call, session_state)

    def credit(self, job: str, amount: int) -> None:
        """The job's reader takes more."""
        child = self._busy.get(job)
        if child is not None:
            buffer = ToWorker()
            buffer.credit(job, amount)
            self._track(child.send(buffer.take()[0]))

    def close_session(self, session: str) -> None:
        """End the session's process; one in the middle of a job ends with it."""
        self._turns.pop(session, None)
        self._lost.discard(session)
        child = self._homes.pop(session, None)
        if child is not None and child not in self._busy.values():
            self._end(child)

    async def close(self) -> None:
        """End every process and wait until they are gone."""
        for watch in self._idle.values():
            watch.cancel()
        for child in {*self._idle, *self._homes.values(), *self._busy.values()}:
            self._end(child)
        self._idle.clear()
        self._homes.clear()
        await asyncio.gather(*self._ends, return_exceptions=True)
        remove_left(os.getpid())

    async def _run(self, call: Call, session_state: dict[str, Any] | None) -> None:
        session = "" if session_state is None else call.session
        child = await self._take(session)
        self._busy[call.job] = child
        kept = False
        held: list[Any] = []
        try:
            args, inputs = await asyncio.to_thread(_for_child, call, held)
            await child.send(self._assignment(call, args, inputs, None if session in self._homes else session_state))
            if session:
                self._homes[session] = child
            kept = await self._relay(call, child)
            if not kept:
                status = await child.wait()
                call.lose(f"the process of {call.handler.name!r} {_how_it_ended(status)} in the middle of the job")
        finally:
            del self._busy[call.job]
            held.clear()
            self._put_back(child, session, kept)

    async def _take(self, session: str) -> Child:
        if session in self._homes:
            return self._homes[session]
        while self._idle and not session:
            child, watch = self._idle.popitem()
            if await self._is_awake(child, watch):
                return child
            self._end(child)
        return await self._processes.spawn(CHILD_MODULE, [self._reference, self._worker_id])

    def _put_back(self, child: Child, session: str, kept: bool) -> None:
        """What becomes of a child after its job; a session's stays its home until the session is closed."""
        if session:
            if kept and self._homes.get(session) is child:
                return
            if self._homes.pop(session, None) is not None:
                self._lost.add(session)
        elif kept and len(self._idle) < KEPT:
            self._idle[child] = self._track(self._watch_idle(child))
            return
        self._end(child)

    async def _is_awake(self, child: Child, watch: asyncio.Future[None]) -> bool:
        """Stop watching an idle child; whether it is there still."""
        try:
            watch.cancel()
            await asyncio.wait({watch})  # nobody else may be reading from it
        except BaseException:
            self._end(child)
            raise
        return watch.cancelled()

    async def _watch_idle(self, child: Child) -> None:
        """An idle child that ends is no use for the next job."""
        await child.receive()
        if self._idle.pop(child, None) is not None:
            self._end(child)

    def _track(self, work: Coroutine[Any, Any, Any]) -> asyncio.Future[Any]:
        task = asyncio.ensure_future(work)
        self._ends.add(task)
        task.add_done_callback(self._ends.discard)
        return task

    @staticmethod
    def _assignment(
        call: Call, args: Payload, inputs: tuple[Input, ...], session_state: dict[str, Any] | None
    ) -> bytes:
        left = call.seconds_left()
        job = Job(
            call.job,
            call.handler.name,
            args,
            session=call.session,
            window=call.window,
            attempt=call.attempt,
            inputs=inputs,
        )
        data = NOTHING if session_state is None else call.codecs.payload(session_state, what="the session's data")
        buffer = ToWorker()
        buffer.assign(job, 0 if left is None else max(1, int(left * 1000)), data)
        return buffer.take()[0]

    @staticmethod
    async def _relay(call: Call, child: Child) -> bool:
        """Pass on what the child says until the job's end; False if the child was gone before."""
        while (data := await child.receive()) is not None:
            await call.room()
            frame = incoming.parse(worker_pb2.WorkerFrame, data)
            if incoming.worker_says(frame) & Says.GOODBYE:
                raise FarhandError(frame.goodbye.message)
            for job, kind, body, media, number in incoming.job_events(frame):
                if job == call.job:
                    if media == LOCAL:
                        carried = await call.taken_over(body)
                        body, media = carried.data, carried.media
                    call.relay(kind, body, media, number)
                    if kind >= 8:
                        return True
        return False

    def _end(self, child: Child) -> None:
        child.kill()
        self._track(child.wait())


def _for_child(call: Call, held: list[Any]) -> tuple[Payload, tuple[Input, ...]]:
    """A call's arguments for its process; the files that they are in go to `held`."""

    def one(payload: Payload) -> Payload:
        payload, file = for_child(payload, call.codecs)
        held.append(file)
        return payload

    inputs = tuple(Input(each.argument, tuple(map(one, each.values)), each.chunks) for each in call.inputs)
    return one(call.args), inputs


def _how_it_ended(status: int) -> str:
    if status < 0:
        try:
            return f"was ended by {signal.Signals(-status).name}"
        except ValueError:
            return f"was ended by signal {-status}"
    return f"exited with status {status}"
