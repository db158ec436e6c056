"""What every front must do that can express it: the same eight scenarios, asked through the front's own protocol.

A front's tests have a driver, which speaks the protocol as its clients do, and something behind the front that serves
`app`: usually a hub with `worker_process`. Subclass `FrontConformance` and give it a fixture `driver`; a scenario that
is not in its `can` is not run.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, ClassVar, Literal, Protocol
from unittest import SkipTest

import msgspec

import farhand

APP = "farhand.testing.conformance.fronts:app"
"""How a worker process finds the scenarios' handlers."""
MORTAL = "FARHAND_SCENARIO_MORTAL"
"""Set in a worker process that `lost` may kill."""
PATIENCE = 30.0
"""Seconds in which each scenario must be over, on a machine that does other things too."""
SCENARIOS = frozenset(
    {"result", "stream", "progress", "failure", "cancel", "deadline", "lost_worker", "unknown_handler"}
)

End = Literal["succeeded", "failed", "cancelled", "expired", "lost", "unknown"]


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """What a front told its caller of one call or job. `progress` has (current, total) as they came; a front that
    tells percents has them of 100."""

    end: End
    result: Any = None
    chunks: tuple[Any, ...] = ()
    progress: tuple[tuple[float, float | None], ...] = ()
    message: str = ""


class FrontDriver(Protocol):
    """A client of the front. `can` names the scenarios that its protocol can express, of `SCENARIOS`."""

    can: frozenset[str]

    async def ask(
        self,
        handler: str,
        args: Mapping[str, Any],
        *,
        timeout: float | None = None,
        leave: asyncio.Event | None = None,
    ) -> Told:
        """Ask for a handler and wait for the end. `timeout` is the front's own deadline, in seconds. When `leave` is
        set, the caller cancels by the front's own way, be it by leaving or by a verb."""


_ENDS: Mapping[str, End] = {
    "HANDLER_FAILED": "failed",
    "CANCELLED": "cancelled",
    "DEADLINE_EXCEEDED": "expired",
    "OUTCOME_UNKNOWN": "lost",
    "NEVER_DISPATCHED": "lost",
    "HANDLER_NOT_FOUND": "unknown",
}


def end_of(code: str) -> End:
    """What an error's code says of the end.

    Raises:
        AssertionError: no scenario may end with this code.
    """
    end = _ENDS.get(code)
    assert end is not None, f"no scenario ends with {code}"
    return end


# -- the handlers --------------------------------------------------------------------------------------------------

app = farhand.App()


@app.handler
def add(a: float, b: float) -> float:
    """A result."""
    return a + b


@app.handler
def count(n: int) -> Iterator[int]:
    """A stream of n numbers from 0."""
    yield from range(n)


@app.handler
def steps(ctx: farhand.Context, n: int) -> str:
    """Progress in n steps, each of which lasts long enough for those that ask again and again."""
    for step in range(n):
        ctx.progress(step + 1, n)
        time.sleep(0.3)
    return "done"


@app.handler
def wrong(text: str) -> None:
    """A failure."""
    raise ValueError(text)


@app.handler
async def wait(folder: str) -> None:
    """Wait for ever; `folder` gets a file ``begun``, and ``over`` once it is told to end."""
    _note(folder, "begun")
    try:
        await asyncio.Event().wait()
    finally:
        _note(folder, "over")


@app.handler
def lost(folder: str) -> str:
    """End this worker's process as by ``kill -9``; when it is run again, say so. Each run is a line of ``begun``."""
    if os.environ.get(MORTAL) != "1":
        raise RuntimeError("this process is not to be killed: serve the scenarios by worker_process")
    if _note(folder, "begun") == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return "again"


def _note(folder: str, name: str) -> int:
    """Add a line to a file; how many it has."""
    path = Path(folder, name)
    with path.open("a") as file:
        file.write("x\n")
    return _lines(path)


def _lines(path: Path) -> int:
    return len(path.read_text().splitlines()) if path.exists() else 0


@asynccontextmanager
async def worker_process(address: str, app: str = APP, *more: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """A worker of the hub at `address` that serves the scenarios in a process of its own, which may be killed.

    `more` are further flags of ``farhand worker``. It is killed at the end.
    """
    settings = {name: value for name, value in os.environ.items() if not name.startswith("FARHAND_")}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "farhand", "worker", app, "--hub", address, *more),
        env={**settings, MORTAL: "1"},
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        async with asyncio.timeout(PATIENCE):
            while b"ready" not in (line := await process.stdout.readline()):
                assert line, "the worker ended before it was ready"
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


# -- the scenarios -------------------------------------------------------------------------------------------------


async def result(driver: FrontDriver, folder: Path) -> None:
    """One answer."""
    told = await driver.ask("add", {"a": 1, "b": 2.5})
    assert (told.end, told.result) == ("succeeded", 3.5), told


async def stream(driver: FrontDriver, folder: Path) -> None:
    """Chunks in their order, and an end."""
    told = await driver.ask("count", {"n": 5})
    assert (told.end, told.chunks) == ("succeeded", (0, 1, 2, 3, 4)), told


async def progress(driver: FrontDriver, folder: Path) -> None:
    """What the handler reports on the way, some of it at least, in its order."""
    told = await driver.ask("steps", {"n": 4})
    assert (told.end, told.result) == ("succeeded", "done"), told
    shares = [current / total for current, total in told.progress if total]
    assert shares, told
    assert shares == sorted(shares), told
    assert set(shares) & {0.25, 0.5, 0.75}, told
    assert set(shares) <= {0.0, 0.25, 0.5, 0.75, 1.0}, told


async def failure(driver: FrontDriver, folder: Path) -> None:
    """What the handler raises reaches the caller in its words, whatever characters they are of."""
    told = await driver.ask("wrong", {"text": "no such column: größe"})
    assert told.end == "failed", told
    assert "no such column: größe" in told.message, told


async def cancel(driver: FrontDriver, folder: Path) -> None:
    """A caller who doesn't want it any more, and a handler that is told so."""
    leave = asyncio.Event()
    asked = asyncio.ensure_future(driver.ask("wait", {"folder": str(folder)}, leave=leave))
    await _until(folder / "begun", asked)
    leave.set()
    told = await asked
    assert told.end == "cancelled", told
    await _until(folder / "over")


async def deadline(driver: FrontDriver, folder: Path) -> None:
    """A call that takes too long, and a handler that is told so."""
    began = time.monotonic()
    told = await driver.ask("wait", {"folder": str(folder)}, timeout=1.0)
    assert told.end == "expired", told
    assert time.monotonic() - began >= 0.9
    if (folder / "begun").exists():
        await _until(folder / "over")


async def lost_worker(driver: FrontDriver, folder: Path) -> None:
    """A worker that is killed in the middle. A call ends, and was begun once; a durable job is done by another worker,
    which was begun twice."""
    told = await driver.ask("lost", {"folder": str(folder)})
    runs = _lines(folder / "begun")
    assert (told.end, runs) == ("lost", 1) or (told.end, told.result, runs) == ("succeeded", "again", 2), (told, runs)


async def unknown_handler(driver: FrontDriver, folder: Path) -> None:
    """A handler that nobody serves."""
    told = await driver.ask("nobody_serves_this", {})
    assert told.end == "unknown", told


async def _until(path: Path, asked: asyncio.Future[Told] | None = None) -> None:
    """Wait until a file is there; what was asked must not be over before."""
    while not path.exists():  # noqa: ASYNC240
        assert asked is None or not asked.done(), asked
        await asyncio.sleep(0.01)


Scenario = Callable[[FrontDriver, Path], Awaitable[None]]


class FrontConformance:
    """Give it a fixture `driver`. `cannot` is to name the scenarios that it leaves out, so that none is by mistake."""

    cannot: ClassVar[frozenset[str]] = frozenset()

    async def play(self, driver: FrontDriver, scenario: Scenario) -> None:
        """Play a scenario, if the driver can."""
        name = scenario.__name__
        assert driver.can == SCENARIOS - self.cannot, f"can and cannot together are all of {sorted(SCENARIOS)}"
        if name not in driver.can:
            raise SkipTest(f"this front can't express {name}")
        with tempfile.TemporaryDirectory() as folder:
            async with asyncio.timeout(PATIENCE):
                await scenario(driver, Path(folder))

    async def test_result(self, driver: FrontDriver) -> None:
        await self.play(driver, result)

    async def test_stream(self, driver: FrontDriver) -> None:
        await self.play(driver, stream)

    async def test_progress(self, driver: FrontDriver) -> None:
        await self.play(driver, progress)

    async def test_failure(self, driver: FrontDriver) -> None:
        await self.play(driver, failure)

    async def test_cancel(self, driver: FrontDriver) -> None:
        await self.play(driver, cancel)

    async def test_deadline(self, driver: FrontDriver) -> None:
        await self.play(driver, deadline)

    async def test_lost_worker(self, driver: FrontDriver) -> None:
        await self.play(driver, lost_worker)

    async def test_unknown_handler(self, driver: FrontDriver) -> None:
        await self.play(driver, unknown_handler)


__all__ = [
    "APP",
    "SCENARIOS",
    "End",
    "FrontConformance",
    "FrontDriver",
    "Told",
    "app",
    "end_of",
    "worker_process",
]
