"""Handlers with ``isolate="process"``: each runs in a child process, which speaks the same frames as a hub's worker.

A child runs one job at a time and is kept for the next. A session has a child of its own, where its state lives.
"""

from __future__ import annotations

import asyncio
import signal
from typing import Any

from farhand.core.link import Says
from farhand.errors import FarhandError
from farhand.model.job import Job
from farhand.model.payload import NOTHING
from farhand.ports.runner import Child, Processes
from farhand.wire.farhand import incoming
from farhand.wire.farhand._pb import worker_pb2
from farhand.wire.farhand.outgoing import ToWorker
from farhand.wire.values import to_payload
from farhand.worker.call import Call

CHILD_MODULE = "farhand.worker.child"
KEPT = 8
"""Idle children kept for the next job."""


class Children:
    """The child processes of one worker."""

    def __init__(self, processes: Processes, reference: str, worker_id: str) -> None:
        self._processes = processes
        self._reference = reference
        self._worker_id = worker_id
        self._idle: list[Child] = []
        self._homes: dict[str, Child] = {}
        self._turns: dict[str, asyncio.Lock] = {}
        self._busy: dict[str, Child] = {}
        self._ends: set[asyncio.Future[Any]] = set()

    async def run(self, call: Call, session_state: dict[str, Any] | None) -> None:
        """Run a job to its end. Cancelling this kills its process."""
        if not call.session:
            await self._run(call, None)
            return
        async with self._turns.setdefault(call.session, asyncio.Lock()):
            await self._run(call, session_state)

    def credit(self, job: str, amount: int) -> None:
        """The job's reader takes more."""
        child = self._busy.get(job)
        if child is not None:
            buffer = ToWorker()
            buffer.credit(job, amount)
            task = asyncio.ensure_future(child.send(buffer.take()[0]))
            self._ends.add(task)
            task.add_done_callback(self._ends.discard)

    def close_session(self, session: str) -> None:
        """End the session's process."""
        self._turns.pop(session, None)
        child = self._homes.pop(session, None)
        if child is not None:
            self._end(child)

    async def close(self) -> None:
        """End every process and wait until they are gone."""
        for child in [*self._idle, *self._homes.values(), *self._busy.values()]:
            self._end(child)
        self._idle.clear()
        self._homes.clear()
        await asyncio.gather(*self._ends, return_exceptions=True)

    async def _run(self, call: Call, session_state: dict[str, Any] | None) -> None:
        child = await self._take(call.session)
        self._busy[call.job] = child
        kept = False
        try:
            await child.send(self._assignment(call, session_state))
            kept = await self._relay(call, child)
            if not kept:
                status = await child.wait()
                call.lose(f"the process of {call.handler.name!r} {_how_it_ended(status)} in the middle of the job")
        finally:
            del self._busy[call.job]
            if kept and call.session:
                self._homes[call.session] = child
            elif kept and len(self._idle) < KEPT:
                self._idle.append(child)
            else:
                self._homes.pop(call.session, None)
                self._end(child)

    async def _take(self, session: str) -> Child:
        if session in self._homes:
            return self._homes[session]
        while self._idle and not session:
            return self._idle.pop()
        return await self._processes.spawn(CHILD_MODULE, [self._reference, self._worker_id])

    @staticmethod
    def _assignment(call: Call, session_state: dict[str, Any] | None) -> bytes:
        left = call.seconds_left()
        job = Job(call.job, call.handler.name, call.args, session=call.session, window=call.window)
        data = NOTHING if session_state is None else to_payload(session_state, what="the session's data")
        buffer = ToWorker()
        buffer.assign(job, 0 if left is None else max(1, int(left * 1000)), data)
        return buffer.take()[0]

    @staticmethod
    async def _relay(call: Call, child: Child) -> bool:
        """Pass on what the child says until the job's end; False if the child was gone before."""
        while (data := await child.receive()) is not None:
            frame = incoming.parse(worker_pb2.WorkerFrame, data)
            if incoming.worker_says(frame) & Says.GOODBYE:
                raise FarhandError(frame.goodbye.message)
            for job, kind, body, media, number in incoming.job_events(frame):
                if job == call.job:
                    call.relay(kind, body, media, number)
                    if kind >= 8:
                        return True
        return False

    def _end(self, child: Child) -> None:
        child.kill()
        task = asyncio.ensure_future(child.wait())
        self._ends.add(task)
        task.add_done_callback(self._ends.discard)


def _how_it_ended(status: int) -> str:
    if status < 0:
        try:
            return f"was ended by {signal.Signals(-status).name}"
        except ValueError:
            return f"was ended by signal {-status}"
    return f"exited with status {status}"
