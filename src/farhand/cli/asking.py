"""run, stream, cancel and the listings."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import msgspec
import typer
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from farhand.cli import output
from farhand.client.aio import AsyncClient, HandlerView
from farhand.client.stream import Stream
from farhand.errors import FarhandError
from farhand.model import event as model
from farhand.model.handler import HandlerSpec

CONNECT_TIMEOUT = 3.0
_END = object()


class Ask(msgspec.Struct, frozen=True):
    """A call as the command line gave it."""

    handler: str
    pairs: list[str]
    json: str | None
    hub: str
    group: str
    timeout: float | None
    labels: dict[str, str]


def run(ask: Ask) -> None:
    """Run and print the result; of a handler that streams, the list of its chunks."""

    async def work() -> None:
        chunks: list[Any] = []
        async with AsyncClient(ask.hub, connect_timeout=CONNECT_TIMEOUT) as client:
            spec = await _spec(ask, client)
            result = await _follow(ask, client, arguments(ask, spec), chunks.append)
            output.print_json(chunks if chunks or (spec and spec.streams) else result)

    _interruptible(work())


def stream(ask: Ask) -> None:
    """Run and print the chunks, with a live bar on stderr."""

    async def work() -> None:
        async with AsyncClient(ask.hub, connect_timeout=CONNECT_TIMEOUT) as client:
            spec = await _spec(ask, client)
            result = await _follow(ask, client, arguments(ask, spec), output.print_json)
            if result is not None:
                output.print_json(result)

    _interruptible(work())


async def _follow(ask: Ask, client: AsyncClient, args: dict[str, Any], take: Callable[[Any], object]) -> Any:
    """Run to the end: chunks go to `take`, a bar and printed text to stderr; what the handler returned."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=output.stderr, transient=True, disable=not output.stderr.is_terminal) as bar:
        task = bar.add_task(ask.handler, total=None, visible=False)

        def progress(now: model.Progress) -> None:
            text = escape(now.message) or ask.handler
            bar.update(task, completed=now.current, total=now.total, description=text, visible=True)

        def console(text: str) -> None:
            output.stderr.print(text, end="", markup=False, soft_wrap=True)

        running = client.stream(
            ask.handler,
            args,
            group=ask.group,
            timeout=ask.timeout,
            labels=ask.labels,
            progress=progress,
            console=console,
        )
        try:
            # Not `async for`: leaving such a loop gives the job up, and with it the receipt.
            while (chunk := await anext(running, _END)) is not _END:
                take(chunk)
        except asyncio.CancelledError:
            await _give_up(running)
            raise
        return running.result


async def _give_up(running: Stream) -> None:
    """Cancel a job after Ctrl-C, and say what became of it."""
    try:
        receipt = await running.cancel()
    except FarhandError as error:
        output.stderr.print(f"[yellow]interrupted[/]: {escape(str(error))}", soft_wrap=True)
    else:
        output.stderr.print(f"[yellow]interrupted[/] ({receipt.outcome}): {escape(receipt.message)}", soft_wrap=True)


def cancel(job: str, hub: str) -> None:
    """Cancel and print the receipt."""

    async def work() -> None:
        async with AsyncClient(hub, connect_timeout=CONNECT_TIMEOUT) as client:
            output.print_json(await client.cancel(job))

    _interruptible(work())


def workers(hub: str, group: str, as_json: bool) -> None:
    """Print the workers."""

    async def work() -> None:
        async with AsyncClient(hub, connect_timeout=CONNECT_TIMEOUT) as client:
            found = await client.workers(group)
        if as_json:
            output.print_json(found)
            return
        rows = [
            (
                one.info.id,
                one.info.group,
                one.state.value,
                f"{one.running}/{one.info.slots}",
                str(one.sessions),
                f"{one.connected_for:.0f} s",
            )
            for one in found
        ]
        nothing = "no worker is connected: start one with `farhand worker MODULE:APP`"
        output.listing(("worker", "group", "state", "busy", "sessions", "up"), rows, nothing)

    _interruptible(work())


def handlers(hub: str, group: str, as_json: bool) -> None:
    """Print the handlers."""

    async def work() -> None:
        async with AsyncClient(hub, connect_timeout=CONNECT_TIMEOUT) as client:
            found = await client.handlers(group)
        if as_json:
            output.print_json([_as_dict(view) for view in found])
            return
        rows = [
            (
                view.handler.name + (" »" if view.handler.streams else ""),
                view.group,
                ", ".join(_shown(view.handler.parameters)),
                str(view.workers),
                view.handler.doc.split("\n", 1)[0],
            )
            for view in found
        ]
        nothing = "no handler is served: start one with `farhand worker MODULE:APP`"
        output.listing(("handler", "group", "arguments", "workers", "what it does"), rows, nothing)

    _interruptible(work())


def _as_dict(view: HandlerView) -> dict[str, Any]:
    spec = view.handler
    return {
        "name": spec.name,
        "group": view.group,
        "doc": spec.doc,
        "streams": spec.streams,
        "isolate": spec.isolate,
        "timeout": spec.timeout,
        "workers": view.workers,
        "slots_free": view.slots_free,
        "parameters": msgspec.Raw(spec.parameters),
        "result": msgspec.Raw(spec.result),
    }


def _object(schema: bytes) -> dict[str, Any]:
    """The object schema behind a reference."""
    found: dict[str, Any] = msgspec.json.decode(schema)
    name = str(found.get("$ref", "")).rpartition("/")[2]
    inner: dict[str, Any] = found.get("$defs", {}).get(name, found)
    return inner


def _shown(schema: bytes) -> list[str]:
    inner = _object(schema)
    required = inner.get("required", [])
    return [name if name in required else f"[{name}]" for name in inner.get("properties", {})]


def arguments(ask: Ask, spec: HandlerSpec | None) -> dict[str, Any]:
    """The arguments: `--json` first, then the pairs over it; plain values follow the handler's schema.

    Raises:
        typer.BadParameter: something isn't JSON where it must be.
    """
    found: dict[str, Any] = _from_json(_source(ask.json), "--json") if ask.json is not None else {}
    if not isinstance(found, dict):
        raise typer.BadParameter("--json takes one object, as in '{\"a\": 1}'")
    types: dict[str, Any] = _object(spec.parameters).get("properties", {}) if spec else {}
    for pair in ask.pairs:
        key, equals, value = pair.partition("=")
        if not equals or not key.rstrip(":"):
            raise typer.BadParameter(f"{pair!r} is neither key=value nor key:=json")
        if key.endswith(":"):
            found[key[:-1]] = _from_json(value, key[:-1])
        else:
            found[key] = _typed(value, types.get(key))
    return found


def _source(text: str) -> str:
    if text == "-":
        return sys.stdin.read()
    if text.startswith("@"):
        try:
            return Path(text[1:]).read_text()
        except OSError as error:
            raise typer.BadParameter(f"{text[1:]} can't be read: {error.strerror}") from None
    return text


def _from_json(text: str, what: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError as error:
        raise typer.BadParameter(f"{what} is not JSON: {error}") from None


async def _spec(ask: Ask, client: AsyncClient) -> HandlerSpec | None:
    """The handler as its group serves it; None while nobody does."""
    views = await client.handlers(ask.group)
    return next((view.handler for view in views if view.handler.name == ask.handler), None)


def _typed(text: str, schema: dict[str, Any] | None) -> Any:
    """A plain value as its parameter's schema wants it: JSON where that isn't text, else as it stands."""
    kinds = {one.get("type") for one in [schema or {}, *(schema or {}).get("anyOf", [])]}
    if schema and "string" not in kinds:
        with contextlib.suppress(msgspec.DecodeError):
            return msgspec.json.decode(text)
    return text


def _interruptible(work: Coroutine[Any, Any, None]) -> None:
    try:
        asyncio.run(work)
    except KeyboardInterrupt:
        raise typer.Exit(130) from None
