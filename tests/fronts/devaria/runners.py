"""Runners as real processes: those of the package index, and our own."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.fronts.devaria.serving import RUNNER, Web

ROOT = Path(__file__).parents[3]
OTHERS = ROOT / ".venv-devaria" / "bin"
Process = asyncio.subprocess.Process


def command(kind: str, *arguments: str) -> list[str]:
    """How a runner is started: "devaria" and "runpack" are others', "ours" is ours. Where the others' venv isn't there
    the test is skipped, or fails if FARHAND_REQUIRE_SERVICES=1."""
    if kind == "ours":
        return [sys.executable, "-m", "farhand", "devaria-runner", *arguments]
    if not (OTHERS / kind).exists():
        text = f"there is no {OTHERS / kind}: make devaria"
        if os.environ.get("FARHAND_REQUIRE_SERVICES") == "1":
            pytest.fail(text)
        pytest.skip(text)
    return [str(OTHERS / kind), "runner"]


@asynccontextmanager
async def runner(kind: str, http: str, folder: Path, *arguments: str, key: str = RUNNER) -> AsyncIterator[Process]:
    """A runner of the hub at `http`, in a folder of its own. It is killed at the end."""
    await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("FARHAND_", "DEVARIA_"))}
    own = {f"{name}_{what}": value for name in ("DEVARIA", "RUNPACK") for what, value in _told(http, key).items()}
    process = await asyncio.create_subprocess_exec(
        *command(kind, *arguments),
        cwd=folder,
        env={**inherited, **own, "NO_PROXY": "127.0.0.1", "PYTHONUNBUFFERED": "1", "PYTHONPATH": str(ROOT)},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


def _told(http: str, key: str) -> dict[str, str]:
    return {"WORKER_URL": f"http://{http}", "RUNNER_API_KEY": key}


async def until(condition: Callable[[], Any], seconds: float = 40.0) -> Any:
    """Wait for what a coroutine function says, asked again and again; what it says once that is true."""
    async with asyncio.timeout(seconds):
        while not (found := await condition()):  # noqa: ASYNC110, what is asked is another process
            await asyncio.sleep(0.05)
    return found


async def is_now(web: Web, id: str, *statuses: str) -> Any:
    """Wait until a job has one of these statuses; the job."""

    async def look() -> Any:
        job = await web.job(id)
        return job if job["status"] in statuses else None

    return await until(look)
