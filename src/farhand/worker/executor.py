"""Runs assigned jobs: coroutines on its event loop, functions in threads, and the isolated in processes."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
from collections import deque
from collections.abc import Coroutine, Iterable
from contextvars import copy_context
from types import SimpleNamespace
from typing import Any, cast

import structlog

from farhand.errors import FarhandError, HandlerNotFound, SessionLost
from farhand.model.job import Input
from farhand.model.limits import START_TIMEOUT
from farhand.model.payload import NOTHING, Payload
from farhand.ports.runner import Threads
from farhand.wire.farhand.incoming import Assignment
from farhand.worker.app import App, Handler, Style
from farhand.worker.call import LEASE_LOST, TIMED_OUT, Call, Refusal
from farhand.worker.carrying import Carrier, needs_fetching
from farhand.worker.children import Children
from farhand.worker.context import Stop, current
from farhand.worker.outbox import Outbox
from farhand.worker.sessions import Sessions

PATIENCE = START_TIMEOUT / 2
"""Seconds after which a job whose process or session isn't ready yet is said to have begun, or the hub would take it
back."""


class Executor:
    """The jobs of one worker. All its verbs belong to the event loop that async handlers run on."""

    def __init__(
        self,
        app: App,
        outbox: Outbox,
        threads: Threads,
        children: Children | None,
        worker_id: str,
        carrier: Carrier,
    ) -> None:
        """`children` runs handlers with ``isolate="process"``; None where this is such a child itself. `carrier` takes
        large payloads."""
        self._carrier = carrier
        self.draining = False
        self._app = app
        self._outbox = outbox
        self._threads = threads
        self._children = children
        self._worker_id = worker_id
        self._state = SimpleNamespace()
        self._lifespan: Any = None
        self._calls: dict[str, Call] = {}
        self._ended: dict[str, Call] = {}
        self._sessions = Sessions(app.restore_function, app.codecs)
        self._quiet: asyncio.Event | None = None
        self._ready: deque[Call] = deque()
        self._begun: Call | None = None
        self._turn = 0
        self._serving = False
        self._loop: asyncio.AbstractEventLoop
        self._log = structlog.get_logger("farhand.worker")

    @property
    def running(self) -> int:
        """Jobs that haven't ended."""
        return len(self._calls)

    @property
    def held(self) -> list[Call]:
        """The leased jobs, those included whose end may not be kept. From any thread."""
        return [call for call in (*list(self._calls.values()), *list(self._ended.values())) if call.unkept is not None]

    # -- its life ----------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Run the app's lifespan up to its `yield`. What it raises passes through."""
        self._loop = asyncio.get_running_loop()
        function = self._app.lifespan_function
        if function is None:
            return
        made = function(self._state)
        if inspect.isasyncgen(made):
            self._lifespan = made
            await anext(made)
        elif inspect.isgenerator(made):
            self._lifespan = made
            next(made)
        elif inspect.isawaitable(made):
            await made

    async def quiet(self) -> None:
        """Wait until no job is left, and every leased one's end is kept."""
        if self._calls or self._ended:
            self._quiet = asyncio.Event()
            await self._quiet.wait()

    async def close(self) -> None:
        """End what runs, then the children, threads and lifespan."""
        self.stop_all()
        tasks = [call.stop for call in self._calls.values() if isinstance(call.stop, asyncio.Task)]
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._children is not None:
            await self._children.close()
        self._threads.close()
        made, self._lifespan = self._lifespan, None
        if inspect.isasyncgen(made):
            with contextlib.suppress(StopAsyncIteration):
                await anext(made)
        elif made is not None:
            next(made, None)

    # -- what the link brings ----------------------------------------------------------------------------------------

    def assign(self, assignments: list[Assignment], generation: int) -> None:
        """Begin these jobs, which came over the connection of this generation."""
        if generation != self._outbox.generation:
            return
        for assignment in assignments:
            if self.draining:
                self._outbox.reject(generation, assignment.job)
                continue
            handler = self._app.handlers.get(assignment.handler)
            if handler is None:
                self._refuse(assignment)
                continue
            call = Call(
                assignment, handler, self._outbox, self._state, self._worker_id, self._app.codecs, self._carrier
            )
            self._calls[call.job] = call
            try:
                self._begin(call, assignment)
            except Exception as error:  # whatever it is, it is this job's alone
                call.fail(error)
                self._done(call)

    def cancel(self, job: str, reason: str) -> None:
        """End a job; with reason TAKE_BACK only if it has not begun."""
        call = self._calls.get(job)
        if reason == LEASE_LOST and (ended := self._ended.pop(job, None)) is not None:
            ended.forfeit()
            self._look_quiet()
        if call is None or call.reason:
            return
        if reason == "TAKE_BACK":
            if not (call.began or call.said_start):
                call.reason = reason
                self._outbox.give_back(call)
                self._stop(call)
            return
        call.reason = reason
        self._stop(call)

    def credit(self, job: str, amount: int) -> None:
        """The job's reader takes more."""
        call = self._calls.get(job)
        if call is not None:
            call.grant(amount)
            self._credit_child(call, amount)

    def close_session(self, session: str) -> None:
        """Forget a session's state."""
        self._sessions.close(session)
        if self._children is not None:
            self._children.close_session(session)

    # -- leases ------------------------------------------------------------------------------------------------------

    def lost(self, held_until: float) -> None:
        """The hub is gone: nobody waits for the jobs and sessions that aren't leased. The leased go on until
        `held_until`, unless a hub takes them up before."""
        self._stop_calls([call for call in self._calls.values() if call.unkept is None], "CANCELLED")
        for call in self.held:
            if call.held_until is None:
                call.held_until = held_until
        for session in self._sessions.close_all():
            self.close_session(session)

    def stop_all(self) -> None:
        """Nobody waits for any job: stop them."""
        self._stop_calls([call for call in self._calls.values() if call.unkept is None], "CANCELLED")
        self.forfeit(self.held)
        for session in self._sessions.close_all():
            self.close_session(session)

    def check_leases(self, now: float, held_until: float) -> None:
        """Stop what has no lease any more; `held_until` is for those whose hub is connected."""
        late = [call for call in self.held if now > (held_until if call.held_until is None else call.held_until)]
        if late:
            self.forfeit(late)

    def forfeit(self, calls: Iterable[Call]) -> None:
        """Stop these leased jobs: they may be another's."""
        for call in calls:
            self._log.warning("a job is given up: its lease is over", job=call.job, handler=call.handler.name)
            self.cancel(call.job, LEASE_LOST)

    def adopt(self, job: str, generation: int, chunks: int) -> None:
        """The hub of this connection takes a leased job on, and has so many chunks of it."""
        call = self._calls.get(job) or self._ended.get(job)
        if call is None or call.reason == LEASE_LOST:
            return
        freed = self._outbox.adopt(call, generation, chunks)
        if freed is not None:
            call.held_until = None
            call.give(freed)
            self._credit_child(call, freed)

    def release(self, job: str) -> None:
        """A leased job's end is kept."""
        call = self._calls.get(job)
        if call is not None:
            call.released = True  # it has said its end a moment ago
        elif self._ended.pop(job, None) is not None:
            self._look_quiet()

    # -- beginning ---------------------------------------------------------------------------------------------------

    def _refuse(self, assignment: Assignment) -> None:
        ghost = Handler(lambda: None, assignment.handler, None, "none")
        call = Call(assignment, ghost, self._outbox, self._state, self._worker_id)
        call.refuse(HandlerNotFound(f"this worker doesn't serve {assignment.handler!r}"))

    def _begin(self, call: Call, assignment: Assignment) -> None:
        handler = call.handler
        if handler.timeout is not None:
            call.timer = self._loop.call_later(handler.timeout, self._time_out, call)
        restoring: asyncio.Task[None] | None = None
        if assignment.session:
            try:
                call.session_state, restoring = self._sessions.open(assignment)
            except FarhandError as error:
                raise Refusal(error) from None
        if restoring is not None or needs_fetching(call.args, call.inputs):
            call.stop = self._loop.create_task(self._launch_after(call, restoring))
        else:
            self._launch(call)

    async def _fill(self, call: Call) -> None:
        """Fetch what refs in the arguments stand for."""
        if not needs_fetching(call.args, call.inputs):
            return
        resolve = self._carrier.resolve
        call.args = await asyncio.wrap_future(resolve(call.args))
        filled = []
        for one in call.inputs:
            values = [await asyncio.wrap_future(resolve(value)) for value in one.values]
            filled.append(Input(one.argument, tuple(values), one.chunks))
        call.inputs = tuple(filled)

    def _launch(self, call: Call) -> None:
        handler = call.handler
        if handler.isolate == "process" and self._children is not None:
            call.stop = self._loop.create_task(self._run_in_child(call, self._children))
        elif handler.is_async:
            self._ready.append(call)
            self._go_on()
        elif handler.isolate == "none":
            self._loop.call_soon(self._run_here, call)
        else:
            self._threads.run(lambda: self._run_in_thread(call))

    async def _launch_after(self, call: Call, restoring: asyncio.Task[None] | None) -> None:
        """Begin a call once its session's state is restored and its arguments are here."""
        patience = self._loop.call_later(PATIENCE, call.say_taken)
        try:
            if call.reason:
                raise asyncio.CancelledError
            if restoring is not None:
                await asyncio.shield(restoring)
            try:
                await self._fill(call)
            except FarhandError as error:
                raise Refusal(error) from None
        except asyncio.CancelledError:
            call.reason = call.reason or "CANCELLED"  # the session was closed while its state was restored
            call.stopped("not_started")
            self._done(call)
        except Exception as error:
            call.fail(error)
            self._done(call)
        else:
            call.stop = None
            self._launch(call)
        finally:
            patience.cancel()

    # -- running -----------------------------------------------------------------------------------------------------

    async def _serve(self) -> None:
        """Run coroutines that are ready, one after the other while each ends without waiting: most do, and a task of
        its own costs several times as much as a short one. The first that waits keeps this task for itself; the rest
        go on in the next. So does what follows a handler that left a context variable changed."""
        self._serving = False
        self._loop.call_soon(self._turned)  # which comes when this task waits or ends, and before it goes on
        turn, task = self._turn, asyncio.current_task()
        self._outbox.cork()
        current.set(None)
        clean = copy_context()
        while self._ready:
            self._begun = call = self._ready.popleft()
            call.stop = task
            await self._run_async(call)
            if self._turn != turn:
                return
            self._begun = None
            current.set(None)
            if copy_context() != clean:
                break
        self._outbox.uncork()

    def announce(self) -> None:
        """Say `started` of a call that holds the event loop, and what it holds up. From the link's thread."""
        call = self._begun
        if call is not None:
            call.say_start()
        self._outbox.uncork()

    def _turned(self) -> None:
        """The task that served has waited or ended: say `started` for the call it waits in, and serve the rest."""
        self._turn += 1
        self._outbox.uncork()
        call, self._begun = self._begun, None
        if call is not None:
            call.say_start()
        if self._ready:
            self._go_on()

    def _go_on(self) -> None:
        if not self._serving:
            self._serving = True
            self._loop.create_task(self._serve())

    async def _run_async(self, call: Call) -> None:
        handler = call.handler
        try:
            if call.reason:
                raise asyncio.CancelledError
            current.set(call)
            positional, keyword = call.bind()
            call.start()
            if handler.waits:
                result = await handler.function(*positional, **keyword)
            else:
                result = None
                async with contextlib.aclosing(handler.function(*positional, **keyword)) as chunks:
                    async for chunk in chunks:
                        made = call.chunk_payload(chunk)
                        if not call.chunk(made if isinstance(made, Payload) else await call.carried(made)):
                            await call.wait_for_credit()
            payload = call.result_payload(result)
            call.succeed(payload if isinstance(payload, Payload) else await call.carried(payload))
        except asyncio.CancelledError as error:
            if not call.reason:
                call.fail(error)
            else:
                call.stopped("stopped" if call.began else "not_started")
        except BaseException as error:
            call.fail(error)
        self._done(call)

    def _run_here(self, call: Call) -> None:
        """A plain function on the event loop, which it blocks."""
        token, before = current.set(call), self._begun
        self._begun = call
        try:
            self._run_sync(call)
        finally:
            current.reset(token)
            self._begun = before
        self._done(call)

    def _run_in_thread(self, call: Call) -> None:
        token = current.set(call)
        try:
            self._run_sync(call)
        finally:
            current.reset(token)
        with contextlib.suppress(RuntimeError):  # the loop has closed: the worker has stopped, nobody counts any more
            self._loop.call_soon_threadsafe(self._done, call)

    def _run_sync(self, call: Call) -> None:
        handler = call.handler
        try:
            if call.reason:
                raise Stop
            positional, keyword = call.bind()
            call.start()
            result = handler.function(*positional, **keyword)
            if handler.style is Style.GENERATOR:
                result = self._drive(call, result)
            payload = call.result_payload(result)
            call.succeed(payload if isinstance(payload, Payload) else call.carried_in_thread(payload))
        except Stop:
            call.stopped("stopped" if call.began else "not_started")
        except BaseException as error:
            call.fail(error)

    @staticmethod
    def _drive(call: Call, chunks: Any) -> Any:
        """Send a generator's chunks; its return value."""
        with contextlib.closing(chunks):
            while True:
                try:
                    chunk = next(chunks)
                except StopIteration as end:
                    return end.value
                if call.reason:
                    raise Stop
                made = call.chunk_payload(chunk)
                if not call.chunk(made if isinstance(made, Payload) else call.carried_in_thread(made)):
                    call.wait_for_credit_in_thread()

    async def _run_in_child(self, call: Call, children: Children) -> None:
        patience = self._loop.call_later(PATIENCE, call.say_taken)
        try:
            if call.reason:
                raise asyncio.CancelledError
            await children.run(call, self._sessions.state(call.session))
        except asyncio.CancelledError:
            call.stopped("killed" if call.began else "not_started")
        except SessionLost as error:
            call.refuse(error)
        except Exception as error:
            call.fail(error)
        finally:
            patience.cancel()
        self._done(call)

    # -- ending ------------------------------------------------------------------------------------------------------

    def _stop(self, call: Call) -> None:
        task = call.stop
        if not isinstance(task, asyncio.Task):
            call.nudge()
        elif inspect.getcoroutinestate(cast("Coroutine[Any, Any, None]", task.get_coro())) != inspect.CORO_CREATED:
            task.cancel()  # a task cancelled before its first step would never say its end; it looks at `reason` itself

    def _time_out(self, call: Call) -> None:
        if not call.reason:
            call.reason = TIMED_OUT
            self._stop(call)

    def _stop_calls(self, calls: Iterable[Call], reason: str) -> None:
        for call in calls:
            if not call.reason:
                call.reason = reason
                self._stop(call)

    def _credit_child(self, call: Call, amount: int) -> None:
        if self._children is not None and call.handler.isolate == "process":
            self._children.credit(call.job, amount)

    def _done(self, call: Call) -> None:
        if call.timer is not None:
            call.timer.cancel()
        self._calls.pop(call.job, None)
        call.args, call.inputs = NOTHING, ()  # which may lie in files that are there as long as they are
        if call.unkept is not None and call.unkept.ended and not call.released and call.reason != LEASE_LOST:
            self._ended[call.job] = call
        self._look_quiet()

    def _look_quiet(self) -> None:
        if self._quiet is not None and not self._calls and not self._ended:
            self._quiet.set()
