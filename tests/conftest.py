"""A real hub and real workers, on free ports, in this process."""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from farhand.assembly import RunningHub, build_worker, serve_hub
from farhand.client import AsyncClient
from farhand.worker.worker import Worker, WorkerOptions
from tests import sizes, tallies
from tests.apps import app
from tests.engines.s3 import s3, s3_server

__all__ = ["s3", "s3_server"]

REFERENCE = str(Path(__file__).parent / "apps.py")


def pytest_configure(config: pytest.Config) -> None:
    """Make the numbers of the reliability tests known."""
    for line in sizes.markers():
        config.addinivalue_line("markers", line)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Tell what the reliability tests counted, whether they passed or not."""
    reports = [one for kind in ("passed", "failed") for one in terminalreporter.stats.get(kind, [])]
    if told := tallies.lines(kept for report in reports for kept in report.user_properties):
        terminalreporter.section("reliability")
        for line in told:
            terminalreporter.write_line(line)


@pytest.fixture
def tally(request: pytest.FixtureRequest, record_property: Callable[[str, object], None]) -> tallies.Tally:
    """Where a reliability test puts what it counted."""
    (name,) = {one.name for one in request.node.iter_markers()} & {sizes.number_of(one) for one in sizes.SIZES}
    return tallies.Tally(name, record_property)


@asynccontextmanager
async def working(address: str, **options: Any) -> AsyncIterator[Worker]:
    """A worker that has been let in, until the block ends."""
    ready = asyncio.Event()
    loop = asyncio.get_running_loop()

    def on_ready(id: str) -> None:
        loop.call_soon_threadsafe(ready.set)

    wanted = WorkerOptions(hub=address, reference=REFERENCE, **options)
    worker = build_worker(app, wanted, on_ready)
    task = asyncio.ensure_future(worker.run(grace=1.0))
    async with asyncio.timeout(20):
        await asyncio.wait({task, asyncio.ensure_future(ready.wait())}, return_when=asyncio.FIRST_COMPLETED)
    try:
        yield worker
    finally:
        worker.stop()
        await task


@pytest.fixture
async def hub() -> AsyncIterator[RunningHub]:
    async with await serve_hub() as running:
        yield running


@pytest.fixture
async def client(hub: RunningHub) -> AsyncIterator[AsyncClient]:
    async with working(hub.address), AsyncClient(hub.address, connect_timeout=5.0) as client:
        yield client


Eventually = Callable[[Callable[[], Awaitable[bool]]], Awaitable[None]]


@pytest.fixture
def eventually() -> Eventually:
    """Wait until a condition that nothing signals holds."""

    async def wait(condition: Callable[[], Awaitable[bool]]) -> None:
        async with asyncio.timeout(10):
            held = await condition()
            while not held:
                held = await condition()

    return wait


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 16 MiB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    done = subprocess.run(
        ("mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", str(disk)), capture_output=True, text=True, timeout=20
    )
    if done.returncode:
        text = f"a disk of 16 MiB can't be mounted (are you root?): {done.stderr.strip()}"
        if os.environ.get("FARHAND_REQUIRE_SERVICES") == "1":
            pytest.fail(text)
        pytest.skip(text)
    yield disk
    subprocess.run(("umount", "-l", str(disk)), check=True, timeout=20)
