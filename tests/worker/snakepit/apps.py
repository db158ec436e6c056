"""Commands that the tests call, as handlers and as classes."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Generator, Iterator
from typing import Any

import farhand

app = farhand.App()
began, over = asyncio.Event(), asyncio.Event()


def renew() -> None:
    """Events for another test, whose event loop is another."""
    global began, over
    began, over = asyncio.Event(), asyncio.Event()


@app.handler
async def echo(text: str) -> str:
    """What came."""
    return text


@app.handler
def add(a: float, b: float = 1) -> float:
    """A sum."""
    return a + b


@app.handler
def kinds(**values: Any) -> dict[str, Any]:
    """Each argument, and what it came as."""
    return {
        name: [type(value).__name__, value if not isinstance(value, bytes) else len(value)]
        for name, value in values.items()
    }


@app.handler
def raw(data: bytes) -> bytes:
    """Bytes as they are."""
    return data


@app.handler
def answers() -> dict[str, Any]:
    """One of each kind of value."""
    return {
        "text": "plain",
        "bytes": b"\xff\x00",
        "number": 1.5,
        "list": [1, "a"],
        "none": None,
        "yes": True,
        "nan": float("nan"),
    }


@app.handler
def nothing() -> None:
    """None."""


@app.handler
def wrong(text: str = "") -> None:
    """Raises."""
    raise ValueError(text)


@app.handler
def count(n: int) -> Iterator[dict[str, int]]:
    """A stream."""
    for number in range(n):
        yield {"number": number}


@app.handler
def summed(n: int) -> Generator[int, None, dict[str, int]]:
    """A stream with an answer."""
    yield from range(n)
    return {"sum": sum(range(n))}


@app.handler
def breaks(n: int) -> Iterator[int]:
    """A stream that fails after n chunks."""
    yield from range(n)
    raise RuntimeError("no more")


@app.handler
async def live() -> AsyncIterator[dict[str, Any]]:
    """A stream that says that its first chunk isn't the last, and waits."""
    yield {"first": 1, "is_final": False}
    await hang()


@app.handler
async def marked(last: bool) -> AsyncIterator[dict[str, Any]]:
    """A stream whose handler marks its chunks."""
    yield {"n": 1, "is_final": False}
    if last:
        yield {"n": 2, "is_final": True}
        yield {"n": 3}


@app.handler
async def hang() -> None:
    """Wait until it is cancelled."""
    began.set()
    try:
        await asyncio.Event().wait()
    finally:
        over.set()


@app.handler
async def stubborn() -> None:
    """Will not be cancelled."""
    while True:
        try:
            began.set()
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            continue


@app.handler
def visits(ctx: farhand.Context) -> int:
    """How often this session was here."""
    assert ctx.session is not None
    ctx.session["visits"] = ctx.session.get("visits", 0) + 1
    return int(ctx.session["visits"])


@app.handler
def outside(ctx: farhand.Context) -> bool:
    """Whether there is no session."""
    return ctx.session is None


@app.handler(isolate="process")
def own_process(ctx: farhand.Context, die: bool = False) -> list[int]:
    """This process and how often this session was in it."""
    if die:
        os.kill(os.getpid(), signal.SIGKILL)
    seen = 0
    if ctx.session is not None:
        seen = ctx.session["seen"] = ctx.session.get("seen", 0) + 1
    return [os.getpid(), seen]


@app.handler
def large(size: int) -> bytes:
    """So many bytes."""
    return bytes(size)


class Plain:
    """An adapter whose methods are commands."""

    def __init__(self) -> None:
        self.calls = 0

    def ping(self) -> dict[str, Any]:
        self.calls += 1
        return {"status": "ok", "calls": self.calls}

    async def later(self, text: str) -> str:
        return text.upper()

    def numbers(self, n: int) -> Iterator[int]:
        yield from range(n)

    def remember(self, ctx: farhand.Context, key: str) -> list[str]:
        assert ctx.session is not None
        keys: list[str] = ctx.session.setdefault("keys", [])
        keys.append(key)
        return keys

    def _hidden(self) -> None: ...


class Dispatching:
    """An adapter with one method for all commands, as pools' own are written."""

    def get_supported_commands(self) -> list[str]:
        return ["compute", "stream"]

    def process_command(self, command: str, args: dict[str, Any]) -> dict[str, Any]:
        return {"command": command, "sum": args["a"] + args["b"]}

    def process_stream_command(self, command: str, args: dict[str, Any]) -> Iterator[dict[str, Any]]:
        for number in range(int(args["n"])):
            yield {"data": {"number": number}, "is_final": False}
        if args.get("fail"):
            yield {"data": {}, "is_final": True, "error": "it broke"}
        yield {"data": {"number": "last"}, "is_final": True}


class Open:
    """An adapter that takes any command, and says what it got."""

    async def execute(self, command: str, args: dict[str, Any], ctx: Any) -> dict[str, Any]:
        return {"command": command, "args": args, "in_session": ctx.session is not None}

    async def execute_stream(self, command: str, args: dict[str, Any]) -> AsyncIterator[Any]:
        yield command
        yield args


class Empty:
    """No command."""
