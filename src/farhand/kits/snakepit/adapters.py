"""``module.Class`` → the commands of a worker.

An adapter is any class that can be made without arguments. Its public methods are commands, with their parameters by
name; a generator streams. A class may have, beside or instead of them, one method for all commands:

- ``execute(command, args)``, also called ``process_command``: its answer is the command's result;
- ``execute_stream(command, args)``, also called ``process_stream_command``: it yields the chunks, each alone or as
  ``{"data": chunk, "is_final": bool, "error": text}``;
- ``supported_commands()`` or ``get_supported_commands()``, or a list of that name: the commands which these two know.

A parameter of a command that is annotated `farhand.Context`, or named ``ctx`` and not annotated, gets the context, in
whose ``session`` a session's state is; so does one named ``ctx`` of a method for all commands."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Generator, Iterable
from typing import Any

from farhand.errors import HandlerFailed, InvalidArguments
from farhand.worker.app import App
from farhand.worker.context import Context
from farhand.worker.links.snakepit import FINAL, Commands
from farhand.worker.loading import AppNotFound, load_app, load_module

UNARY = ("execute", "process_command")
STREAM = ("execute_stream", "process_stream_command")
KNOWN = ("supported_commands", "get_supported_commands")
_RESERVED = (*UNARY, *STREAM, *KNOWN, "supports_streaming", "register_command", "initialize", "close", "cleanup")
"""Methods of adapters that are no commands."""
ANY, ANY_STREAM = "snakepit.execute", "snakepit.execute_stream"


def load_adapter(reference: str) -> Commands:
    """What ``MODULE.CLASS``, ``MODULE:APP`` or ``FILE.py[:NAME]`` names: a class, made here, or an App.

    Raises:
        AppNotFound: there is no such module, class or App. What the module or the class itself raises passes through.
        InvalidArguments: the class has no command.
    """
    module, colon, name = reference.partition(":")
    if not colon and not reference.endswith(".py"):
        module, _, name = reference.rpartition(".")
        if not module:
            raise AppNotFound(f"{reference!r} names no adapter: name a class as MODULE.CLASS, or an app as MODULE:APP")
    elif not name:
        return Commands(app=load_app(reference))
    found = getattr(load_module(module), name, None)
    if isinstance(found, App):
        return Commands(app=found)
    if not inspect.isclass(found):
        what = "nothing" if found is None else f"a {type(found).__name__}, neither a class nor a farhand.App,"
        raise AppNotFound(f"there is {what} named {name!r} in {module}")
    return adapted(found())


def adapted(adapter: object) -> Commands:
    """The commands of an adapter.

    Raises:
        InvalidArguments: it has none.
    """
    app = App()
    for name, method in inspect.getmembers(adapter, callable):
        if not name.startswith("_") and name not in _RESERVED and not inspect.isclass(method):
            app.handler(name=name)(method)
    unary, stream = _first(adapter, UNARY), _first(adapter, STREAM)
    if unary is not None:
        app.handler(name=ANY)(_for_any(unary))
    if stream is not None:
        app.handler(name=ANY_STREAM)(_for_any_stream(stream))
    if not app.handlers:
        raise InvalidArguments(f"{type(adapter).__name__} has no command: it needs a public method, or execute")
    known = _known(adapter) if unary is not None or stream is not None else ()
    return Commands(
        app=app,
        unary=ANY if unary is not None else "",
        stream=ANY_STREAM if stream is not None else "",
        known=known,
    )


def _first(adapter: object, names: Iterable[str]) -> Callable[..., Any] | None:
    found = (getattr(adapter, name, None) for name in names)
    return next((one for one in found if callable(one)), None)


def _known(adapter: object) -> tuple[str, ...]:
    for name in KNOWN:
        found = getattr(adapter, name, None)
        if found is not None:
            return tuple(map(str, found() if callable(found) else found))
    return ()


def _for_any(method: Callable[..., Any]) -> Callable[..., Any]:
    """A handler of `command` and `args` that asks the adapter's one method."""
    takes_context = "ctx" in inspect.signature(method).parameters
    if inspect.iscoroutinefunction(method):

        async def wait(ctx: Context, command: str, args: dict[str, Any]) -> Any:
            return await (method(command, args, ctx=ctx) if takes_context else method(command, args))

        return wait

    def run(ctx: Context, command: str, args: dict[str, Any]) -> Any:
        return method(command, args, ctx=ctx) if takes_context else method(command, args)

    return run


def _for_any_stream(method: Callable[..., Any]) -> Callable[..., Any]:
    """As `_for_any`, of the method that streams."""
    takes_context = "ctx" in inspect.signature(method).parameters
    if inspect.isasyncgenfunction(method):

        async def follow(ctx: Context, command: str, args: dict[str, Any]) -> Any:
            async for chunk in method(command, args, ctx=ctx) if takes_context else method(command, args):
                yield _chunk(chunk)

        return follow

    def run(ctx: Context, command: str, args: dict[str, Any]) -> Generator[Any, None, Any]:
        for chunk in method(command, args, ctx=ctx) if takes_context else method(command, args):
            yield _chunk(chunk)

    return run


def _chunk(chunk: Any) -> Any:
    """The chunk that an envelope has in it.

    Raises:
        HandlerFailed: the envelope says that the command failed.
    """
    if not isinstance(chunk, dict) or "data" not in chunk or not chunk.keys() <= {"data", FINAL, "error"}:
        return chunk
    if chunk.get("error"):
        raise HandlerFailed(str(chunk["error"]))
    data = chunk["data"] if isinstance(chunk["data"], dict) else {"result": chunk["data"]}
    return {**data, FINAL: True} if chunk.get(FINAL) else data
