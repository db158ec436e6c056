"""A hub, two workers, and five things they do, on the source tree of Python's own standard library."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sys
import time
from collections.abc import AsyncIterator

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table

from farhand.assembly import serve_hub
from farhand.cli import output
from farhand.client import AsyncClient
from farhand.model import event as model

CALLS = 10_000
BIG = 9_000
"""Packages of this many lines are shown as they come."""
WORDS = ("asyncio", "dataclass", "socket", "yield")
APP = "farhand.cli.demo.handlers:app"


async def show() -> int:
    """Run the demo; the exit status."""
    output.log_to_stderr(logging.WARNING)
    began = time.perf_counter()
    console = output.stdout
    async with await serve_hub("127.0.0.1:0") as hub, _workers(hub.address), AsyncClient(hub.address) as client:
        console.print(f"[bold]farhand[/]  one hub on {hub.address}, two workers that dialled out to it\n")
        await _run(client, console)
        await _stream(client, console)
        await _session(client, console)
        await _map(client, console)
        await _cancel(client, console)
    console.print(f"\n[green]done[/] in {time.perf_counter() - began:.1f} s; nothing is left running")
    return 0


@contextlib.asynccontextmanager
async def _workers(address: str) -> AsyncIterator[None]:
    """Two worker processes, ready."""
    command = ["-m", "farhand", "worker", APP, "--hub", address, "--slots", "64", "--grace", "1"]
    pipe = asyncio.subprocess.PIPE
    devnull = asyncio.subprocess.DEVNULL
    started = [
        await asyncio.create_subprocess_exec(sys.executable, *command, stdout=pipe, stderr=devnull) for _ in range(2)
    ]
    try:
        for process in started:
            assert process.stdout is not None
            async with asyncio.timeout(20):
                while b"ready" not in await process.stdout.readline():
                    if process.returncode is not None:
                        raise RuntimeError(f"a worker ended with status {process.returncode}")
        drains = [asyncio.ensure_future(_drain(process)) for process in started]
        yield
    finally:
        for process in started:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
        await asyncio.gather(*(process.wait() for process in started))
    await asyncio.gather(*drains)


async def _drain(process: asyncio.subprocess.Process) -> None:
    """Read what a worker prints, so that it never blocks."""
    assert process.stdout is not None
    while await process.stdout.read(65536):
        pass


async def _run(client: AsyncClient, console: Console) -> None:
    result = await client.run("add", {"a": 1, "b": 2})
    console.print(f"[bold cyan]1  run[/]      add(a=1, b=2) → {result}")


async def _stream(client: AsyncClient, console: Console) -> None:
    console.print("[bold cyan]2  stream[/]   analyse the standard library, chunks as they come")
    totals = {"packages": 0, "files": 0, "lines": 0, "functions": 0, "classes": 0}
    longest: list[tuple[int, str]] = []
    largest: list[tuple[int, str]] = []
    columns = (TextColumn("             {task.description:<16}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=output.stderr, transient=True) as bar:
        task = bar.add_task("starting", total=None)

        def progress(now: model.Progress) -> None:
            bar.update(task, completed=now.current, total=now.total, description=now.message[:16])

        async for chunk in client.stream("analyse", progress=progress):
            totals["packages"] += 1
            if chunk["lines"] >= BIG:
                size = f"{chunk['lines']:>6,} lines, {chunk['functions']:>5,} functions"
                console.print(f"             {chunk['package']:<16} {size}")
            for key in ("files", "lines", "functions", "classes"):
                totals[key] += chunk[key]
            largest.append((chunk["lines"], chunk["package"]))
            longest += [(one["lines"], one["name"]) for one in chunk["longest"]]
    table = Table(box=None, padding=(0, 2), show_header=False)
    table.add_row("", ", ".join(f"{value:,} {name}" for name, value in totals.items()))
    table.add_row("", "largest: " + ", ".join(f"{name} {lines:,}" for lines, name in sorted(largest)[:-4:-1]))
    table.add_row("", "longest functions: " + ", ".join(f"{name} {n}" for n, name in sorted(longest)[:-4:-1]))
    console.print(table)


async def _session(client: AsyncClient, console: Console) -> None:
    console.print("[bold cyan]3  session[/]  build an index once on one worker, search it there")
    async with client.session() as session:
        began = time.perf_counter()
        words = await session.run("build_index")
        console.print(f"             {words:,} words indexed in {time.perf_counter() - began:.1f} s")
        for word in WORDS:
            began = time.perf_counter()
            hits = await session.run("search", {"word": word})
            took = (time.perf_counter() - began) * 1000
            best = f"{hits[0]['file']} ({hits[0]['count']}×)" if hits else "nowhere"
            console.print(f"             {word:<10} mostly in {best}, {took:.1f} ms")


async def _map(client: AsyncClient, console: Console) -> None:
    began = time.perf_counter()
    total = 0.0
    async for result in client.map("add", ({"a": i, "b": 1} for i in range(CALLS))):
        total += result
    took = time.perf_counter() - began
    console.print(
        f"[bold cyan]4  map[/]      {CALLS:,} calls in {took:.2f} s: {CALLS / took:,.0f} a second (sum {total:,.0f})"
    )


async def _cancel(client: AsyncClient, console: Console) -> None:
    stream = client.stream("count_slowly", {"seconds": 60})
    async for event in stream.events():
        if event.kind is model.Kind.PROGRESS:
            receipt = await stream.cancel()
            console.print(f"[bold cyan]5  cancel[/]   receipt: [yellow]{receipt.outcome}[/] — {receipt.message}")
            return
