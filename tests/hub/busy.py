"""An app whose handlers wait for a file to appear, each in another way. It is served by real worker processes."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import farhand

app = farhand.App()


def begin(path: str) -> None:
    """Leave a mark beside the file that the handler has begun."""
    Path(path + ".begun").touch()


def there(path: str) -> bool:
    """Whether the file is there."""
    return Path(path).exists()


@app.handler
def wait(path: str) -> str:
    """In a thread, where it disturbs nobody."""
    begin(path)
    while not there(path):
        time.sleep(0.01)
    return "waited"


@app.handler
async def wait_async(path: str) -> str:
    """On the handlers' loop, as it should be."""
    begin(path)
    while not there(path):  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    return "waited"


@app.handler
async def hold(path: str) -> str:
    """On the handlers' loop, which it holds."""
    begin(path)
    while not there(path):
        time.sleep(0.01)  # noqa: ASYNC251
    return "waited"


@app.handler(isolate="none")
def hold_plainly(path: str) -> str:
    """A plain function there."""
    begin(path)
    while not there(path):
        time.sleep(0.01)
    return "waited"


@app.handler
def hog(path: str) -> str:
    """In a thread that gives the GIL away only when it is taken from it."""
    begin(path)
    while not there(path):
        for _ in range(1_000_000):
            pass
    return "waited"


@app.handler
def grip(letters: int) -> str:
    """In one call of C code that never gives the GIL away: each letter doubles its time."""
    re.match("(a+)+$", "a" * letters + "b")
    return "waited"


@app.handler
def grip_for(path: str, seconds: float) -> str:
    """In many such calls, after a line in a file that it has begun."""
    with open(path, "a") as runs:
        runs.write("begun\n")
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        grip(22)
    return "waited"


def note(path: str, word: str) -> None:
    """Add a line to what happened."""
    with open(path, "a") as notes:
        notes.write(f"{word} {time.time()}\n")


@app.handler
async def count(ctx: farhand.Context, path: str, numbers: int) -> AsyncIterator[int]:
    """Count up until the file is there, but no less than so far; on the handlers' loop."""
    note(path + ".notes", "begun")
    try:
        number = 0
        while number < numbers or not there(path):
            number += 1
            ctx.progress(number)
            yield number
            await asyncio.sleep(0.002)
    except asyncio.CancelledError:
        note(path + ".notes", "stopped")
        raise


def _count(ctx: farhand.Context, path: str, numbers: int) -> Iterator[int]:
    note(path + ".notes", "begun")
    number = 0
    while number < numbers or not there(path):
        number += 1
        print(number)
        yield number
        time.sleep(0.002)
        if ctx.cancelled:
            note(path + ".notes", "stopped")
            return


@app.handler
def count_in_thread(ctx: farhand.Context, path: str, numbers: int) -> Iterator[int]:
    """The same in a thread."""
    yield from _count(ctx, path, numbers)


@app.handler(isolate="process")
def count_in_process(ctx: farhand.Context, path: str, numbers: int) -> Iterator[int]:
    """The same in a process."""
    yield from _count(ctx, path, numbers)


@app.handler
async def square(number: int) -> int:
    """A short one."""
    return number * number


@app.handler
async def square_then(path: str, runs: str, number: int) -> int:
    """One that is noted where others are too, and waits."""
    note(runs, str(number))
    while not there(path):  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    return number * number


@app.handler
def end_deaf(path: str) -> int:
    """In a thread that hears of nothing: the first to begin waits for one file, any other for another; whose process
    it was."""
    first = not there(path)
    note(path, f"begun {os.getpid()}")
    while not there(path + (".stale" if first else ".now")):
        time.sleep(0.01)
    note(path, f"ended {os.getpid()}")
    return os.getpid()


@app.handler
async def kill_me() -> None:
    """The end of its worker."""
    os.kill(os.getpid(), signal.SIGKILL)


@app.handler
def pid() -> int:
    """Whose process this is."""
    return os.getpid()


@app.handler
def remember(ctx: farhand.Context, word: str) -> list[str]:
    """Add a word to the session's."""
    assert ctx.session is not None
    words: list[str] = ctx.session.setdefault("words", [])
    words.append(word)
    return words


@app.restore
def restore(session: dict[str, list[str]]) -> None:
    """Tell that the session moved here."""
    session["words"] = ["moved"]
