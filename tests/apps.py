"""The app that tests serve."""

from __future__ import annotations

import asyncio
import dataclasses
import os
import signal
import threading
import time
from collections.abc import AsyncIterator, Generator, Iterator
from typing import Any

import farhand

app = farhand.App()
go = threading.Event()
restored: list[dict[str, Any]] = []


@dataclasses.dataclass
class Item:
    name: str
    price: float = 1.0


@app.lifespan
def load(state: Any) -> Iterator[None]:
    state.model = "loaded"
    yield
    state.model = "gone"


@app.restore
def restore(session: dict[str, Any]) -> None:
    session["restored"] = True


@app.handler
def add(a: float, b: float) -> float:
    """Add two numbers."""
    return a + b


@app.handler
async def echo(value: Any) -> Any:
    return value


@app.handler
def total(items: list[Item]) -> float:
    return sum(item.price for item in items)


@app.handler
async def count(n: int, size: int = 0) -> AsyncIterator[Any]:
    for number in range(n):
        yield "x" * size if size else number


@app.handler
async def chunk_until(path: str) -> AsyncIterator[str]:
    """A chunk, and the end once there is a file."""
    yield "first"
    while not os.path.exists(path):  # noqa: ASYNC110, ASYNC240
        await asyncio.sleep(0.01)


@app.handler
async def chunks_after(path: str, count: int, then: float = 0.0) -> AsyncIterator[int]:
    """So many chunks once there is a file, and a pause before the end."""
    while not os.path.exists(path):  # noqa: ASYNC110, ASYNC240
        await asyncio.sleep(0.01)
    for number in range(count):
        yield number
    await asyncio.sleep(then)


@app.handler
async def chunks_slowly(count: int) -> AsyncIterator[int]:
    """A chunk each hundredth of a second."""
    for number in range(count):
        await asyncio.sleep(0.01)
        yield number


@app.handler
def lines(ctx: farhand.Context, n: int) -> Generator[int, None, str]:
    for number in range(n):
        print("line", number)
        ctx.progress(number + 1, n, "counting")
        yield number
    return "all"


@app.handler
def boom(text: str = "no") -> None:
    raise ValueError(text)


@app.handler
async def sleep(seconds: float = 60.0) -> str:
    await asyncio.sleep(seconds)
    return "slept"


@app.handler
def spin(ctx: farhand.Context, seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        ctx.progress(1)
        go.wait(0.005)


@app.handler
def deaf(seconds: float = 1.0) -> str:
    go.wait(seconds)
    return "heard nothing"


@app.handler
async def block(seconds: float) -> None:
    """A mistake on purpose: it holds the handlers' loop."""
    go.wait(seconds)


@app.handler(timeout=0.2)
async def limited() -> None:
    await asyncio.sleep(60)


@app.handler(isolate="process")
def apart(ctx: farhand.Context, seconds: float = 0.0) -> int:
    print("in a process")
    go.wait(seconds)
    return os.getpid()


@app.handler(isolate="process")
def crash() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@app.handler
def remember(ctx: farhand.Context, word: str) -> dict[str, Any]:
    assert ctx.session is not None
    ctx.session.setdefault("words", []).append(word)
    return ctx.session


@app.handler
async def about(ctx: farhand.Context) -> dict[str, Any]:
    return {"model": ctx.state.model, "attempt": ctx.attempt, "session": ctx.session, "left": ctx.deadline}


@app.handler
async def large(size: int) -> str:
    return "x" * size


@app.handler
async def odd() -> Any:
    return object()
