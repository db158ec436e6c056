"""The app that the tests of handlers in processes serve, loaded there by its file."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from typing import Any

import farhand

app = farhand.App()


@app.handler(isolate="process")
def pid(ctx: farhand.Context) -> int:
    """Its process."""
    return os.getpid()


@app.handler(isolate="process")
def leave(status: int) -> None:
    """End the process in the middle of the job."""
    os._exit(status)


@app.handler(isolate="process")
def hang(ctx: farhand.Context) -> None:
    """Say that it runs, then never look up again."""
    ctx.progress(1)
    while True:
        time.sleep(60)


@app.handler(isolate="process")
def squares(n: int) -> Iterator[int]:
    """Stream."""
    for number in range(n):
        yield number * number


@app.handler(isolate="process")
def talk() -> str:
    """Print to both."""
    print("out")
    print("err", file=sys.stderr)
    return "said"


@app.handler(isolate="process")
def chat(lines: int) -> int:
    """Print much."""
    for number in range(lines):
        print(f"{number:99}")
    return lines


@app.handler(isolate="process")
def large(size: int) -> bytes:
    """Return too much."""
    return b"x" * size


@app.handler(isolate="process")
def boom(text: str) -> None:
    """Fail."""
    raise ValueError(text)


@app.handler(isolate="process")
async def later(ctx: farhand.Context) -> dict[str, Any]:
    """Async in a process."""
    return {"worker": ctx.worker_id, "attempt": ctx.attempt, "left": ctx.deadline}


@app.handler(isolate="process")
def remember(ctx: farhand.Context, word: str) -> list[str]:
    """Keep what can't be sent, too."""
    assert ctx.session is not None
    ctx.session["lock"] = object()
    words: list[str] = ctx.session.setdefault("words", [])
    words.append(word)
    return words
