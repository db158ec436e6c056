"""A headless Chromium, spoken to over its debugging pipe."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--remote-debugging-pipe",
)

ON_3_AND_4 = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.dup2(int(sys.argv[2]), 4)
os.execv(sys.argv[3], sys.argv[3:])
"""
"""Becomes the browser, with the pipe where it looks for it."""


def found() -> str:
    """Where it is; without one the test is skipped aloud, or fails where services must be there."""
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        why = "there is no chromium here (Debian: apt-get install chromium): no browser was tried"
        if os.environ.get("FARHAND_REQUIRE_SERVICES") == "1":
            pytest.fail(why)
        pytest.skip(why)
    return path


class Page:
    """One page of a browser."""

    def __init__(self, reader: asyncio.StreamReader, write: int) -> None:
        self._reader = reader
        self._write = write
        self._numbers = itertools.count(1)
        self._session = ""

    async def open(self, url: str) -> None:
        """Go to an address."""
        target = await self._ask("Target.createTarget", url="about:blank")
        attached = await self._ask("Target.attachToTarget", targetId=target["targetId"], flatten=True)
        self._session = attached["sessionId"]
        await self._ask("Page.enable")
        await self._ask("Page.navigate", url=url)
        await self._until(lambda message: message.get("method") == "Page.loadEventFired")

    async def run(self, script: str) -> Any:
        """What a script gives, once its promise is kept."""
        answer = await self._ask("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    async def _ask(self, method: str, **params: Any) -> dict[str, Any]:
        number = next(self._numbers)
        message = {"id": number, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._write, msgspec.json.encode(message) + b"\0")
        answer = await self._until(lambda message: message.get("id") == number)
        assert "error" not in answer, answer
        result: dict[str, Any] = answer["result"]
        return result

    async def _until(self, wanted: Any) -> dict[str, Any]:
        while True:
            message: dict[str, Any] = msgspec.json.decode((await self._reader.readuntil(b"\0"))[:-1])
            if wanted(message):
                return message


@asynccontextmanager
async def page(url: str) -> AsyncIterator[Page]:
    """A page of a browser of its own, ended with the block."""
    path = found()
    to_read, to_write = os.pipe()
    from_read, from_write = os.pipe()
    with tempfile.TemporaryDirectory(prefix="farhand-chromium", ignore_cleanup_errors=True) as folder:
        command = [sys.executable, "-c", ON_3_AND_4, str(to_read), str(from_write), path, *FLAGS]
        command.append(f"--user-data-dir={folder}")
        process = await asyncio.create_subprocess_exec(
            *command,
            pass_fds=(to_read, from_write),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        os.close(to_read)
        os.close(from_write)
        reader = asyncio.StreamReader(limit=1 << 24)
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(from_read, "rb")
        )
        try:
            opened = Page(reader, to_write)
            await opened.open(url)
            yield opened
        finally:
            with contextlib.suppress(BrokenPipeError):
                os.write(to_write, msgspec.json.encode({"id": 0, "method": "Browser.close"}) + b"\0")
            try:
                await asyncio.wait_for(process.wait(), 10)
            except TimeoutError:
                process.kill()
                await process.wait()
            os.close(to_write)
            transport.close()
