"""A service's handlers, of every kind."""

from __future__ import annotations

import asyncio
import hashlib
import os
import signal
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import my_service_pb2 as pb  # type: ignore[import-not-found]

import farhand
from farhand.kits.service import Input

app = farhand.App()


@app.handler
def ProcessData(request: pb.Request) -> pb.Response:
    """The message by its type hint."""
    return pb.Response(text=request.name, count=len(request.values))


@app.handler
def Rows(name: str, values: list[float]) -> Iterator[dict[str, Any]]:
    """The message's fields; a stream."""
    for value in values:
        yield {"text": name, "count": int(value)}


@app.handler
def Named(ctx: farhand.Context, text: str = "x", seconds: float = 0.0) -> dict[str, Any]:
    """A dict that is the last result's message; with progress."""
    ctx.progress(1, 4)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        ctx.progress(2, 4)
        time.sleep(0.01)
    return {"text": text, "count": 1}


@app.handler
def Free() -> dict[str, Any]:
    """A dict that is no message."""
    return {"anything": [1, 2]}


@app.handler
def Blob(size: int, seed: int = 1) -> bytes:
    """Bytes."""
    return bytes([seed]) * size


@app.handler
def Big(mebibytes: int) -> Iterator[bytes]:
    """Many bytes, in pieces."""
    piece = bytes(range(256)) * 4096
    for _ in range(mebibytes):
        yield piece


@app.handler
async def Lines(count: int) -> AsyncIterator[dict[str, Any]]:
    """Objects, one a line, from a coroutine."""
    for number in range(count):
        await asyncio.sleep(0)
        yield {"number": number}


@app.handler
def Model() -> pb.TrainResponse:
    """Another message."""
    return pb.TrainResponse(model_path="m", accuracy=0.5)


@app.handler
def Values(inputs: list[Any]) -> dict[str, Any]:
    """What inputs mean."""
    return {"inputs": [one if isinstance(one, list | dict | str) else repr(one) for one in inputs]}


@app.handler
def Digest(inputs: list[Input]) -> dict[str, Any]:
    """What inputs are, in constant memory."""
    found = []
    for one in inputs:
        digest = hashlib.sha256()
        for chunk in one.chunks():
            digest.update(chunk)
        found.append({"size": one.size, "sha256": digest.hexdigest(), "in_file": one.path.stat().st_size})
    return {"found": found, "pid": os.getpid()}


@app.handler
def Raises(text: str = "no such column") -> None:
    """Raises."""
    raise ValueError(text)


@app.handler(timeout=0.3)
async def Hangs() -> None:
    """Never ends by itself."""
    await asyncio.Event().wait()


@app.handler(isolate="process", backoff=0.01)
def Dies() -> None:
    """Ends its process."""
    os.kill(os.getpid(), signal.SIGKILL)


@app.handler(isolate="process")
def Apart(size: int) -> Iterator[bytes]:
    """Bytes from a process of its own."""
    yield b"z" * size
