"""A hub, two workers, and five things they do, on the source tree of Python's own standard library."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator

from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from farhand.assembly import serve_hub
from farhand.cli import output, supervisor
from farhand.client import AsyncClient
from farhand.errors import Unavailable
from farhand.model import event as model

CALLS = 10_000
BIG = 9_000
"""Packages of this many lines are shown as they come."""
WORDS = ("asyncio", "dataclass", "socket", "yield")
APP = "farhand.cli.demo.handlers:app"
INDENT = 13
NARROW = 60
START_TIMEOUT = 20.0
END_TIMEOUT = 5.0


async def show() -> int:
    """Run the demo; the exit status."""
    output.log_to_stderr("warning")
    began = time.perf_counter()
    page = _Page(output.stdout.width)
    async with await serve_hub("127.0.0.1:0") as hub, _workers(hub.address), AsyncClient(hub.address) as client:
        page.head("farhand", "", f"one hub on {hub.address}, two workers that dialled out to it")
        await _run(client, page)
        await _stream(client, page)
        await _session(client, page)
        await _map(client, page)
        await _cancel(client, page)
    page.head("done", "", f"in {time.perf_counter() - began:.1f} s; nothing is left running")
    return 0


class _Page:
    """The demo's lines: a title and what it says, indented below each other where the terminal is wide, the title on a
    line of its own where it is narrow. Text is broken between words only."""

    def __init__(self, width: int) -> None:
        self.width = width
        self.narrow = width < NARROW
        self.indent = 2 if self.narrow else INDENT

    def head(self, title: str, number: str, text: str) -> None:
        """A part of the show."""
        label = f"{number}  {title}" if number else title
        style = "bold cyan" if number else "bold"
        first, *others = output.wrapped(text, self.width - self.indent)
        if self.narrow:
            output.stdout.print(f"[{style}]{label}[/]")
            self._put(first)
        else:
            output.stdout.print(f"[{style}]{label:<{INDENT}}[/]{escape(first)}", soft_wrap=True)
        for line in others:
            self._put(line)

    def line(self, text: str) -> None:
        """Something that a part says."""
        for line in output.wrapped(text, self.width - self.indent):
            self._put(line)

    def _put(self, line: str) -> None:
        output.stdout.print(f"{'':<{self.indent}}{escape(line)}", soft_wrap=True)


@contextlib.asynccontextmanager
async def _workers(address: str) -> AsyncIterator[None]:
    """Two worker processes, ready. They read no settings: nobody's variables or files lead them elsewhere."""
    where = ["--hub", address, "--group", "default", "--slots", "64", "--processes", "1", "--grace", "1"]
    where += ["--log-level", "warning", "--log-format", "console"]
    pipe, devnull = asyncio.subprocess.PIPE, asyncio.subprocess.DEVNULL
    started: list[asyncio.subprocess.Process] = []
    try:
        for _ in range(2):
            started.append(await supervisor.start(["worker", APP, *where], stdout=pipe, stderr=devnull))
        async with asyncio.timeout(START_TIMEOUT):
            await asyncio.gather(*(_ready(process) for process in started))
        drains = [asyncio.ensure_future(_drain(process)) for process in started]
        yield
    finally:
        hurry = asyncio.Event()
        await asyncio.gather(*(supervisor.end(process, hurry, END_TIMEOUT) for process in started))
    await asyncio.gather(*drains)


async def _ready(process: asyncio.subprocess.Process) -> None:
    assert process.stdout is not None
    while b"ready" not in (line := await process.stdout.readline()):
        if not line:
            raise Unavailable(
                f"a worker of the demo {supervisor.how_it_ended(await process.wait())} before it was ready"
            )


async def _drain(process: asyncio.subprocess.Process) -> None:
    """Read what a worker prints, so that it never blocks."""
    assert process.stdout is not None
    while await process.stdout.read(65536):
        pass


async def _run(client: AsyncClient, page: _Page) -> None:
    result = await client.run("add", {"a": 1, "b": 2})
    page.head("run", "1", f"add(a=1, b=2) → {result}")


async def _stream(client: AsyncClient, page: _Page) -> None:
    page.head("stream", "2", "analyse the standard library, chunks as they come")
    totals = {"packages": 0, "files": 0, "lines": 0, "functions": 0, "classes": 0}
    longest: list[tuple[int, str]] = []
    largest: list[tuple[int, str]] = []
    name = TextColumn(f"{'':<{page.indent}}{{task.description:<16}}")
    columns, quiet = (name, BarColumn(), MofNCompleteColumn()), not output.stderr.is_terminal
    with Progress(*columns, console=output.stderr, transient=True, disable=quiet) as bar:
        task = bar.add_task("starting", total=None)

        def progress(now: model.Progress) -> None:
            bar.update(task, completed=now.current, total=now.total, description=escape(now.message[:16]))

        async for chunk in client.stream("analyse", progress=progress):
            totals["packages"] += 1
            if chunk["lines"] >= BIG:
                functions = "" if page.narrow else f", {chunk['functions']:>5,} functions"
                page.line(f"{chunk['package']:<16} {chunk['lines']:>6,} lines{functions}")
            for key in ("files", "lines", "functions", "classes"):
                totals[key] += chunk[key]
            largest.append((chunk["lines"], chunk["package"]))
            longest += [(one["lines"], one["name"]) for one in chunk["longest"]]
    page.line("in all: " + ", ".join(f"{value:,}\u00a0{name}" for name, value in totals.items()))
    page.line("largest: " + ", ".join(f"{name}\u00a0{lines:,}" for lines, name in sorted(largest)[:-4:-1]))
    page.line("longest functions: " + ", ".join(f"{name}\u00a0{n}" for n, name in sorted(longest)[:-4:-1]))


async def _session(client: AsyncClient, page: _Page) -> None:
    page.head("session", "3", "build an index once on one worker, search it there")
    async with client.session() as session:
        began = time.perf_counter()
        words = await session.run("build_index")
        page.line(f"{words:,} words indexed in {time.perf_counter() - began:.1f} s")
        for word in WORDS:
            began = time.perf_counter()
            hits = await session.run("search", {"word": word})
            took = (time.perf_counter() - began) * 1000
            best = f"{hits[0]['file']}, {hits[0]['count']} times" if hits else "nowhere"
            page.line(f"{word:<9} mostly in {best} ({took:.1f} ms)" if not page.narrow else f"{word}: {best}")


async def _map(client: AsyncClient, page: _Page) -> None:
    began = time.perf_counter()
    total = 0.0
    async for result in client.map("add", ({"a": i, "b": 1} for i in range(CALLS))):
        total += result
    took = time.perf_counter() - began
    page.head("map", "4", f"{CALLS:,} calls in {took:.2f} s: {CALLS / took:,.0f} a second (sum {total:,.0f})")


async def _cancel(client: AsyncClient, page: _Page) -> None:
    stream = client.stream("count_slowly", {"seconds": 60})
    async for event in stream.events():
        if event.kind is model.Kind.PROGRESS:
            receipt = await stream.cancel()
            page.head("cancel", "5", f"receipt: {receipt.outcome} — {receipt.message}")
            return
