"""submit, watch, result, retry and jobs: durable jobs from the shell."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from contextlib import aclosing
from typing import Any

import msgspec
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from farhand import config
from farhand.cli import output
from farhand.cli.arguments import Given
from farhand.cli.asking import connected, interruptible
from farhand.cli.keeping import Out
from farhand.cli.mistyped import known, unserved
from farhand.client.jobs import JobInfo
from farhand.client.progress import Board, Display, NoBoard, TerminalBoard, View, ticking
from farhand.client.stream import raise_fault
from farhand.client.submitting import JobFilter, SubmitOptions
from farhand.errors import InvalidArguments
from farhand.model import event as model
from farhand.model.durable import Entry
from farhand.model.payload import Payload
from farhand.wire.plain import entry_fields, value_of


class Order(msgspec.Struct, frozen=True):
    """A durable job as the command line asked for it."""

    handler: str
    given: Given
    hub: str
    options: SubmitOptions
    full: bool = False


def uncache(handler: str, given: Given, group: str, hub: str) -> None:
    """Let finished jobs of a handler, or those of these arguments, answer no more; print how many there were."""

    async def work() -> None:
        async with connected(hub) as client:
            views = await client.handlers()
            spec = next((v.handler for v in views if v.group == group and v.handler.name == handler), None)
            output.print_json(await client.uncache(handler, given.fit(spec) or None, group=group))

    interruptible(work())


def submit(order: Order) -> None:
    """Submit and print the job's id."""

    async def work() -> None:
        async with connected(order.hub) as client:
            views = await client.handlers()
            group = order.options.get("group", "default")
            spec = next((v.handler for v in views if v.group == group and v.handler.name == order.handler), None)
            job = await client.submit(order.handler, order.given.fit(spec), **order.options)
            if spec is None and job.how == "new":
                served = [view.handler.name for view in views if view.group == group]
                output.stderr.print(
                    f"[yellow]waits[/] {escape(unserved(order.handler, group, served))}", soft_wrap=True
                )
            if order.full:
                output.print_json({"id": job.id, "how": job.how, "cached": job.cached, "status": await job.status()})
                return
            if job.how != "new":
                output.stderr.print(f"[yellow]found[/] by its {_FOUND[job.how]}", soft_wrap=True)
            output.ready(job.id)

    interruptible(work())


_FOUND = {"key": "idempotency key", "twin": "work, which is under way", "cached": "work, which is done"}


def watch(id: str, from_offset: int | None, hub: str) -> None:
    """Print the log from an offset, or from where it begins, as lines of JSON up to the job's end, with a live bar on
    stderr; its failure is the status."""

    async def work() -> None:
        last: Entry | None = None
        where = "" if hub == config.resolve(config.HUB).value else hub
        async with connected(hub) as client:
            job = client.job(id)
            async with known(client, id):
                info = await job.info()
            view = View(id, info.handler)
            if from_offset is None and info.first:
                text = f"the log begins at offset {info.first}: what was before is not kept"
                output.stderr.print(text, style="dim", soft_wrap=True)
            log = job.kept() if from_offset is None else job.watch(from_offset)
            board: Board = TerminalBoard(output.stderr) if output.stderr.is_terminal else NoBoard(output.stderr)

            def read(payload: Payload) -> Any:
                try:
                    return client.reader.value(payload)
                except InvalidArguments:  # e.g. a library isn't installed here: that is no reason to end the log
                    return value_of(payload)

            with Display(view, board, where, read=read, prints=False, offset=from_offset or 0) as display:
                async with aclosing(ticking(log)) as entries:
                    async for entry in entries:
                        if entry is not None:
                            last = entry
                            output.print_json(entry_fields(entry, read))
                        display.take(entry)
        if last is not None:
            raise_fault(last.event)

    interruptible(work())


def result(id: str, timeout: float | None, hub: str, out: str = "") -> None:
    """Wait for the job's end and print its result, or put it where `out` says."""
    to = Out(out)

    async def work() -> None:
        async with connected(hub) as client:
            with _bar() as bar:
                task = bar.add_task(id, total=None, visible=False)

                def progress(now: model.Progress) -> None:
                    text = escape(now.message) or id
                    bar.update(task, completed=now.current, total=now.total, description=text, visible=True)

                async with known(client, id):
                    found = await client.job(id).result(timeout, progress=progress)
            to.result(found)

    interruptible(work())


def retry(id: str, hub: str) -> None:
    """Start an ended job anew and print the new one's id."""

    async def work() -> None:
        async with connected(hub) as client:
            async with known(client, id):
                again = await client.job(id).retry()
            output.ready(again.id)

    interruptible(work())


def jobs(hub: str, wanted: JobFilter, as_json: bool) -> None:
    """Print the jobs."""

    async def work() -> list[JobInfo]:
        async with connected(hub) as client:
            return await client.jobs(**wanted)

    found = interruptible(work())
    if as_json:
        output.print_json(found)
        return
    rows = [
        (one.id, one.handler, one.group, one.status, f"{one.attempt}/{one.attempts}", _when(one.created), _why(one))
        for one in found
    ]
    heads = ("job", "handler", "group", "status", "attempt", "submitted", "error")
    output.listing(heads, rows, "no durable job fits", _in_a_line)
    if len(found) == wanted.get("limit"):
        output.lines("older ones:", style="dim")
        output.stdout.print(f"--before {found[-1].id}", style="dim", soft_wrap=True)


def _in_a_line(row: Sequence[str]) -> str:
    """What a narrow terminal shows of a job below its id."""
    _, handler, group, status, attempt, submitted, why = row
    where = [] if group == "default" else [group]
    return " · ".join([handler, *where, status, attempt, submitted, *([why] if why else [])])


def _why(job: JobInfo) -> str:
    """The code and the first line of the message of a job that ended otherwise than by success."""
    first = job.message.partition("\n")[0]
    return f"{job.error}: {first}" if job.error and first else job.error


def _bar() -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, console=output.stderr, transient=True, disable=not output.stderr.is_terminal)


def _when(at: float) -> str:
    return datetime.datetime.fromtimestamp(at).strftime("%Y-%m-%d %H:%M:%S")
