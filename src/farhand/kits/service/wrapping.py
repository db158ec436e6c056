"""A service's handlers as a worker runs them: each takes an order, fetches what it refers to, runs the user's own
function, keeps what that answers beside the hub, and says where it lies."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import inspect
import typing
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import msgspec
from google.protobuf.message import Message

from farhand.errors import ResultGone
from farhand.kits.service.fetching import Fetcher
from farhand.kits.service.inputs import SMALL, Input
from farhand.kits.service.keeping import Keeper
from farhand.kits.service.running import Running, running
from farhand.model.spooled import Spooled
from farhand.ports.spool import Spool
from farhand.wire.control import messages
from farhand.wire.control.messages import Rpc
from farhand.wire.control.orders import Execute
from farhand.wire.values import to_payload
from farhand.worker.app import App, Handler, Style
from farhand.worker.context import Context
from farhand.worker.signature import Signature, layers

INPUTS = "inputs"


def wrapped(app: App, spool: Spool, fetcher: Fetcher, rpcs: Sequence[Rpc]) -> App:
    """An app of the same handlers, which take orders."""
    made = App()
    made.lifespan_function, made.restore_function = app.lifespan_function, app.restore_function
    for name, handler in app.handlers.items():
        method = _Method(handler, spool, fetcher, rpcs)
        function = method.async_function() if handler.is_async else method.function()
        made.handlers[name] = Handler(function, name, handler.timeout, handler.isolate, handler.durable)
    return made


class Arguments:
    """How a handler is called: its parameters, the order's inputs, and a request's message."""

    def __init__(self, handler: Handler, rpcs: Sequence[Rpc]) -> None:
        function = handler.function
        hints = typing.get_type_hints(layers(function)[-1])
        names = list(inspect.signature(function).parameters)
        self.inputs = INPUTS in names
        self._as_inputs = Input in typing.get_args(hints.get(INPUTS))
        found = [name for name in names if _is_message(hints.get(name))]
        self._message = found[0] if found else ""
        self._kind: type[Message] | None = hints[found[0]] if found else None
        own = [rpc.takes for rpc in rpcs if rpc.name == handler.name and not rpc.takes_stream]
        self.takes = own[0] if own else self._kind
        special = {name: None for name in (INPUTS, self._message) if name in names}
        plain = functools.partial(function, **special) if special else function
        self._signature = Signature(handler.name, plain, Context)
        self._special = special
        self._known = [name for name in names if name not in special]

    def bind(
        self, context: Context, order: Execute, message: Message | None, inputs: Sequence[Input]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Positional and keyword arguments.

        Raises:
            InvalidArguments: they don't fit.
        """
        special: dict[str, Any] = {}
        parameters = order.parameters
        if self._kind is not None:
            given = message if message is not None else messages.from_json(parameters, self._kind)
            special[self._message], parameters = messages.to_message(given, self._kind), {}
        elif message is not None:
            said = messages.fields_of(message, set_only=True)
            every = messages.fields_of(message)
            parameters = said | {name: every[name] for name in self._known if name in every}
        if self.inputs:
            special[INPUTS] = [one if self._as_inputs or one.size > SMALL else one.value() for one in inputs]
        payload = to_payload(parameters, what="the parameters")
        positional, keyword = self._signature.bind(payload, lambda: context)
        return positional, {**keyword, **special}


class _Method:
    """One handler."""

    def __init__(self, handler: Handler, spool: Spool, fetcher: Fetcher, rpcs: Sequence[Rpc]) -> None:
        self._handler = handler
        self._spool = spool
        self._fetcher = fetcher
        self._keeper = Keeper(handler.name, rpcs, spool)
        self._arguments = Arguments(handler, rpcs)

    def function(self) -> Callable[..., Any]:
        """What runs in a thread or a process."""

        def run(
            ctx: Context,
            order: dict[str, Any] | None = None,
            message: bytes | None = None,
            spooled: dict[str, Any] | None = None,
        ) -> dict[str, Any]:
            with self._task(ctx, order) as task:
                positional, keyword = self._bound(task, self._message(message, spooled))
                answer = self._handler.function(*positional, **keyword)
                if self._handler.style is Style.GENERATOR:
                    answer = _checked(answer, task)
                return _told(self._keeper.keep(answer, task.id))

        return run

    def async_function(self) -> Callable[..., Any]:
        """What runs on the worker's event loop; whatever takes its time runs in a thread."""

        async def run(
            ctx: Context,
            order: dict[str, Any] | None = None,
            message: bytes | None = None,
            spooled: dict[str, Any] | None = None,
        ) -> dict[str, Any]:
            with self._task(ctx, order) as task:
                given = await asyncio.to_thread(self._message, message, spooled)
                positional, keyword = await asyncio.to_thread(self._bound, task, given)
                if self._handler.style is Style.ASYNC:
                    answer = await self._handler.function(*positional, **keyword)
                    return _told(await asyncio.to_thread(self._keeper.keep, answer, task.id))
                stream = self._keeper.stream(task.id)
                try:
                    async with contextlib.aclosing(self._handler.function(*positional, **keyword)) as items:
                        async for one in items:
                            await asyncio.to_thread(stream.add, one)
                    return _told(await asyncio.to_thread(stream.finish))
                finally:
                    stream.discard()

        return run

    @contextlib.contextmanager
    def _task(self, context: Context, order: dict[str, Any] | None) -> Iterator[Running]:
        blank = Execute(method=self._handler.name, workflow_id="", task_id=context.job_id)
        found = blank if order is None else msgspec.convert(order, Execute)
        task = Running(context, found, self._fetcher)
        token = running.set(task)
        try:
            yield task
        finally:
            running.reset(token)

    def _message(self, message: bytes | None, spooled: dict[str, Any] | None) -> Message | None:
        """The request of an rpc."""
        if spooled is not None:
            message = b"".join(self._spool.read(msgspec.convert(spooled, Spooled)))
        if message is None:
            return None
        if self._arguments.takes is None:
            raise ResultGone(f"{self._handler.name!r} takes no message any more")
        return messages.decode(message, self._arguments.takes)

    def _bound(self, task: Running, message: Message | None) -> tuple[tuple[Any, ...], dict[str, Any]]:
        if message is not None and not task.order.parameters:
            task.order = msgspec.structs.replace(task.order, parameters=messages.fields_of(message))
        inputs = [task.fetch(one) for one in task.order.inputs] if self._arguments.inputs else []
        return self._arguments.bind(task.context, task.order, message, inputs)


def _is_message(hint: Any) -> bool:
    return isinstance(hint, type) and issubclass(hint, Message)


def _checked(items: Iterator[Any], task: Running) -> Iterator[Any]:
    """A generator's items, until the task is cancelled."""
    with contextlib.closing(typing.cast("Any", items)):
        for one in items:
            task.check()
            yield one


def _told(result: Any) -> dict[str, Any]:
    told: dict[str, Any] = msgspec.to_builtins(result)
    return told


__all__ = ["Arguments", "wrapped"]
