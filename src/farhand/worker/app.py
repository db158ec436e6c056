"""The registry of handlers. An `App` does nothing by itself; a worker serves it."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable
from enum import Enum
from typing import Any, TypeVar, Unpack, get_args, overload

from farhand.model.handler import HandlerSpec, Isolate, JobDefaults
from farhand.model.limits import JSON_UP_TO
from farhand.model.names import check_name
from farhand.wire.codecs.base import Codec
from farhand.wire.values import Codecs
from farhand.worker.context import Context
from farhand.worker.declaring import DurableOptions, declared
from farhand.worker.signature import Signature, layers

NOTHING_SAID = JobDefaults()
F = TypeVar("F", bound=Callable[..., Any])


class Style(Enum):
    """How a handler function answers."""

    DEF = "def"
    ASYNC = "async def"
    GENERATOR = "generator"
    ASYNC_GENERATOR = "async generator"


class Handler:
    """A function with its name, its signature and how it is to run."""

    def __init__(
        self,
        function: Callable[..., Any],
        name: str,
        timeout: float | None,
        isolate: Isolate | None,
        durable: JobDefaults = NOTHING_SAID,
    ) -> None:
        self.function = function
        self.durable = durable
        self.name = check_name("handler", name)
        self.style = _style(function)
        self.result_name, self.chunk_name = f"the result of {name!r}", f"a chunk of {name!r}"
        self.waits = self.style is Style.ASYNC
        self.is_async = self.style in (Style.ASYNC, Style.ASYNC_GENERATOR)
        self.streams = self.style in (Style.GENERATOR, Style.ASYNC_GENERATOR)
        if isolate is not None and isolate not in get_args(Isolate):
            raise ValueError(f"handler {name!r}: isolate must be 'thread', 'process' or 'none', not {isolate!r}")
        if isolate == "thread" and self.is_async:
            raise ValueError(
                f"handler {name!r} is {self.style.value}: it runs on an event loop, or with isolate='process'"
            )
        if timeout is not None and not timeout > 0:
            raise ValueError(f"handler {name!r}: timeout must be more than 0 seconds, not {timeout!r}")
        self.isolate: Isolate = isolate or ("none" if self.is_async else "thread")
        self.timeout = timeout
        self.signature = Signature(name, function, Context)
        if durable.schedule and self.signature.required:
            missing = ", ".join(self.signature.required)
            raise ValueError(
                f"handler {name!r} runs by a schedule, which gives no arguments: {missing} needs a default"
            )

    @functools.cached_property
    def spec(self) -> HandlerSpec:
        """What the hub is told about it."""
        return HandlerSpec(
            name=self.name,
            doc=inspect.getdoc(self.function) or "",
            parameters=self.signature.parameters_schema(),
            result=self.signature.result_schema(),
            streams=self.streams,
            isolate=self.isolate,
            timeout=self.timeout,
            durable=self.durable,
        )


class App:
    """A registry of handlers, nothing more.

    Functions registered here are served by `farhand worker MODULE:APP`, or `farhand dev FILE.py`.
    """

    def __init__(self, *, codecs: Iterable[str | Codec] = (), json_up_to: int = JSON_UP_TO) -> None:
        """`codecs` are codecs beside the installed ones, as objects or names; "pickle" lets pickles in and out, which
        lets whoever may call a handler run any code. `json_up_to` is how large a result may be, in bytes, that is sent
        as JSON to a caller that asked for JSON where it keeps the value.

        Raises:
            InvalidArguments: there is no such codec.
        """
        self.codecs = Codecs(codecs, json_up_to=json_up_to)
        self.handlers: dict[str, Handler] = {}
        self.lifespan_function: Callable[..., Any] | None = None
        self.restore_function: Callable[..., Any] | None = None

    @overload
    def handler(self, function: F, /) -> F: ...

    @overload
    def handler(
        self,
        function: None = None,
        /,
        *,
        name: str | None = None,
        timeout: float | None = None,
        isolate: Isolate | None = None,
        **durable: Unpack[DurableOptions],
    ) -> Callable[[F], F]: ...

    def handler(
        self,
        function: Any = None,
        /,
        *,
        name: str | None = None,
        timeout: float | None = None,
        isolate: Isolate | None = None,
        **durable: Unpack[DurableOptions],
    ) -> Any:
        """Serve a function. Its parameters and result are read from its type hints; a generator streams.

        Args:
            name: how callers name it; the function's name by default.
            timeout: seconds it may run, whatever its caller allows; no bound by default.
            isolate: "thread" (the default for `def`), "none" (on the event loop; the default for `async def`), or
                "process" (a process of its own, which a cancel kills).
            durable: how durable jobs of it run where their submit doesn't say: `retries`, `backoff`, `never`, `cache`,
                `version`; when it runs by itself: `schedule`, `timezone`, `missed`; and how long they are kept: `keep`,
                `keep_for`, `keep_log`. They are explained in `farhand.worker.declaring.DurableOptions`.

        Raises:
            ValueError: another handler has this name, it has none, or an option makes no sense.
            TypeError: it isn't a function, a parameter's type can't be sent, or there is no such option.
        """

        def register(function: Callable[..., Any]) -> Callable[..., Any]:
            if not callable(function):
                raise TypeError(f"@app.handler goes on a function, not on {type(function).__name__}")
            own = name or str(getattr(function, "__name__", ""))
            if not own:
                raise ValueError(f"a {type(function).__name__} has no name of its own; give the handler a name=…")
            if own in self.handlers:
                raise ValueError(f"a handler named {own!r} is registered already; give this one a name=…")
            self.handlers[own] = Handler(function, own, timeout, isolate, declared(own, durable))
            return function

        return register if function is None else register(function)

    def lifespan(self, function: F) -> F:
        """Run `function(state)` once in each worker process before it takes work; `ctx.state` is that `state`.

        A generator's code after its `yield` runs when the worker stops.
        """
        if self.lifespan_function is not None:
            raise ValueError("the app has a lifespan already")
        self.lifespan_function = function
        return function

    def restore(self, function: F) -> F:
        """Run `function(session)` when a session opened with ``on_loss="move"`` comes here from a lost worker.

        `session` is its state, which starts again from the data it was opened with.
        """
        if self.restore_function is not None:
            raise ValueError("the app has a restore hook already")
        self.restore_function = function
        return function

    def include(self, other: App) -> None:
        """Serve another app's handlers too, with the codecs of this one.

        Raises:
            ValueError: both have a handler of one name.
        """
        twice = self.handlers.keys() & other.handlers.keys()
        if twice:
            raise ValueError(f"both apps have a handler named {', '.join(sorted(twice))}")
        self.handlers.update(other.handlers)


def _style(function: Callable[..., Any]) -> Style:
    """The outermost layer that isn't a plain function decides: a plain one gives on what the one below it makes."""
    for target in layers(function):
        if inspect.isasyncgenfunction(target):
            return Style.ASYNC_GENERATOR
        if inspect.iscoroutinefunction(target):
            return Style.ASYNC
        if inspect.isgeneratorfunction(target):
            return Style.GENERATOR
    return Style.DEF
