"""run, stream and cancel."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import time
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import msgspec
import typer
from msgspec.structs import replace
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from farhand.cli import output
from farhand.cli.arguments import Given
from farhand.cli.keeping import Out
from farhand.cli.mistyped import known
from farhand.client.aio import AsyncClient
from farhand.client.stream import Stream
from farhand.errors import FarhandError
from farhand.model import event as model
from farhand.model.handler import HandlerSpec, HandlerView

T = TypeVar("T")

CONNECT_TIMEOUT = 3.0
LOOK_EVERY = 0.2
"""Seconds between two looks at whether a worker has come."""
INTERRUPTED = 130
PIPE_CLOSED = 141
"""What a shell shows for a program whose reader has left (128 + SIGPIPE)."""
_END = object()


class Ask(msgspec.Struct, frozen=True):
    """A call as the command line gave it. `timeout` in seconds."""

    handler: str
    given: Given
    hub: str
    group: str
    timeout: float
    labels: dict[str, str]


def connected(hub: str) -> AsyncClient:
    """A client that soon says when there is no hub."""
    return AsyncClient(hub, connect_timeout=CONNECT_TIMEOUT)


def run(ask: Ask, out: str = "") -> None:
    """Run and print the result, or put it where `out` says; of a handler that streams, the list of its chunks."""
    to = Out(out)

    async def work() -> None:
        chunks: list[Any] = []
        async with connected(ask.hub) as client:
            left, spec = await spec_of(ask, client)
            result = await follow(left, client, ask.given.fit(spec), chunks.append)
            to.result(chunks if chunks or (spec and spec.streams) else result)

    interruptible(work())


def stream(ask: Ask, out: str = "") -> None:
    """Run and print the chunks, with a live bar on stderr; their files go into the folder `out`."""
    to = Out(out, folder=True)

    async def work() -> None:
        async with connected(ask.hub) as client:
            left, spec = await spec_of(ask, client)
            result = await follow(left, client, ask.given.fit(spec), to.line)
            if result is not None:
                to.line(result)

    interruptible(work())


async def follow(ask: Ask, client: AsyncClient, args: dict[str, Any], take: Callable[[Any], object]) -> Any:
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
        async with connected(hub) as client:
            async with known(client, job):
                receipt = await client.cancel(job)
            output.print_json(receipt)

    interruptible(work())


async def spec_of(ask: Ask, client: AsyncClient) -> tuple[Ask, HandlerSpec | None]:
    """The handler as its group serves it, None where nobody does; and what is asked, with the time that is left. Where
    the whole group is empty, that is said, and a worker waited for whose handler says what plain arguments mean."""
    end = time.monotonic() + ask.timeout
    views = await client.handlers()
    spec = _served(ask, views)
    if any(view.group == ask.group for view in views):
        return ask, spec
    groups = ", ".join(sorted({view.group for view in views})) or "none"
    output.stderr.print(
        f"[yellow]waiting[/] up to {ask.timeout:g} s: no worker of group {escape(repr(ask.group))} is connected; "
        f"groups with workers: {escape(groups)}",
        soft_wrap=True,
    )
    if ask.given.texts:  # what they mean is the handler's to say
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(ask.timeout):
                while spec is None and not any(view.group == ask.group for view in views):
                    await asyncio.sleep(LOOK_EVERY)
                    views = await client.handlers()
                    spec = _served(ask, views)
    return replace(ask, timeout=max(LOOK_EVERY, end - time.monotonic())), spec


def _served(ask: Ask, views: list[HandlerView]) -> HandlerSpec | None:
    return next((view.handler for view in views if (view.group, view.handler.name) == (ask.group, ask.handler)), None)


def interruptible(work: Coroutine[Any, Any, T]) -> T:
    """Run it to its end; Ctrl-C, and a reader of stdout that has left, end it quietly, each with its exit status."""
    try:
        return asyncio.run(work)
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED) from None
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is still buffered goes nowhere
        raise typer.Exit(PIPE_CLOSED) from None
