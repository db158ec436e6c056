"""run, stream, cancel and the listings."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import msgspec
import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from farhand.cli import output
from farhand.client.aio import AsyncClient, HandlerView
from farhand.client.stream import Stream
from farhand.errors import InvalidArguments
from farhand.model import event as model

CONNECT_TIMEOUT = 3.0


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
    """Run and print the result."""

    async def work() -> None:
        async with AsyncClient(ask.hub, connect_timeout=CONNECT_TIMEOUT) as client:
            args = await arguments(ask, client)
            result = await client.run(ask.handler, args, group=ask.group, timeout=ask.timeout, labels=ask.labels)
            output.print_json(result)

    _interruptible(work())


def stream(ask: Ask) -> None:
    """Run and print the chunks, with a live bar on stderr."""

    async def work() -> None:
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        async with AsyncClient(ask.hub, connect_timeout=CONNECT_TIMEOUT) as client:
            args = await arguments(ask, client)
            with Progress(*columns, console=output.stderr, transient=True) as bar:
                task = bar.add_task(ask.handler, total=None, visible=False)

                def progress(now: model.Progress) -> None:
                    text = now.message or ask.handler
                    bar.update(task, completed=now.current, total=now.total, description=text, visible=True)

                def console(text: str) -> None:
                    bar.console.print(text, end="", markup=False)

                chunks = client.stream(
                    ask.handler,
                    args,
                    group=ask.group,
                    timeout=ask.timeout,
                    labels=ask.labels,
                    progress=progress,
                    console=console,
                )
                await _print(chunks)

    _interruptible(work())


async def _print(chunks: Stream) -> None:
    try:
        async for chunk in chunks:
            output.print_json(chunk)
    except asyncio.CancelledError:
        receipt = await chunks.cancel()
        output.stderr.print(f"[yellow]interrupted[/]: {receipt.message}")
        raise
    if chunks.result is not None:
        output.print_json(chunks.result)


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
        table = Table("worker", "group", "state", "busy", "sessions", "up", box=None)
        for one in found:
            busy = f"{one.running}/{one.info.slots}"
            up = f"{one.connected_for:.0f} s"
            table.add_row(one.info.id, one.info.group, one.state.value, busy, str(one.sessions), up)
        output.stdout.print(table if found else "no worker is connected: start one with `farhand worker MODULE:APP`")

    _interruptible(work())


def handlers(hub: str, group: str, as_json: bool) -> None:
    """Print the handlers."""

    async def work() -> None:
        async with AsyncClient(hub, connect_timeout=CONNECT_TIMEOUT) as client:
            found = await client.handlers(group)
        if as_json:
            output.print_json([_as_dict(view) for view in found])
            return
        table = Table("handler", "group", "arguments", "workers", "what it does", box=None)
        for view in found:
            spec = view.handler
            name = f"{spec.name} »" if spec.streams else spec.name
            first = spec.doc.split("\n", 1)[0]
            table.add_row(name, view.group, ", ".join(_shown(spec.parameters)), str(view.workers), first)
        output.stdout.print(table if found else "no handler is served: start one with `farhand worker MODULE:APP`")

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


async def arguments(ask: Ask, client: AsyncClient) -> dict[str, Any]:
    """The arguments: `--json` first, then the pairs over it.

    Raises:
        InvalidArguments: something isn't JSON where it must be.
    """
    found: dict[str, Any] = _from_json(_source(ask.json), "--json") if ask.json is not None else {}
    if not isinstance(found, dict):
        raise InvalidArguments("--json takes one object, as in '{\"a\": 1}'")
    plain: dict[str, str] = {}
    for pair in ask.pairs:
        key, equals, value = pair.partition("=")
        if not equals or not key.rstrip(":"):
            raise typer.BadParameter(f"{pair!r} is neither key=value nor key:=json")
        if key.endswith(":"):
            found[key[:-1]] = _from_json(value, key[:-1])
        else:
            plain[key] = value
    if plain:
        types = await _types(ask, client)
        found |= {key: _typed(value, types.get(key)) for key, value in plain.items()}
    return found


def _source(text: str) -> str:
    if text == "-":
        return sys.stdin.read()
    if text.startswith("@"):
        try:
            return Path(text[1:]).read_text()
        except OSError as error:
            raise InvalidArguments(f"{text[1:]} can't be read: {error.strerror}") from None
    return text


def _from_json(text: str, what: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError as error:
        raise InvalidArguments(f"{what} is not JSON: {error}") from None


async def _types(ask: Ask, client: AsyncClient) -> dict[str, Any]:
    for view in await client.handlers(ask.group):
        if view.handler.name == ask.handler:
            found: dict[str, Any] = _object(view.handler.parameters).get("properties", {})
            return found
    return {}


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
