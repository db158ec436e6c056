"""Handlers of large values."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import numpy as np

import farhand
from farhand.worker import File

app = farhand.App()


@app.handler(isolate="thread")
def echo(value: Any) -> Any:
    return value


@app.handler
async def aecho(value: Any) -> Any:
    return value


@app.handler(isolate="none")
def here(value: Any) -> Any:
    return value


@app.handler(isolate="process")
def child(value: Any) -> Any:
    return value


@app.handler(isolate="process")
def child_chunks(n: int, size: int) -> Iterator[bytes]:
    for k in range(n):
        yield bytes([k]) * size


@app.handler
async def ones(size: int) -> bytes:
    return b"\1" * size


@app.handler(isolate="thread")
def chunks(n: int, size: int) -> Iterator[bytes]:
    for k in range(n):
        yield bytes([k]) * size


@app.handler
async def achunks(n: int, size: int) -> AsyncIterator[bytes]:
    for k in range(n):
        yield bytes([k]) * size
        await asyncio.sleep(0)


@app.handler(isolate="thread")
def file(path: str) -> File:
    return File(path)


@app.handler(isolate="thread")
def digest(data: File) -> dict[str, Any]:
    """What a file is."""
    hasher = hashlib.sha256()
    for piece in data.buffers():
        hasher.update(piece)
    return {"name": data.name, "size": data.size, "sha256": hasher.hexdigest(), "on_disk": data.span is not None}


@app.handler(isolate="process")
def child_digest(data: File) -> dict[str, Any]:
    return digest(data)


@app.handler(isolate="thread")
def total(array: np.ndarray[Any, Any]) -> float:
    return float(array.sum())


@app.handler(isolate="thread")
def lengths(**values: Any) -> dict[str, int]:
    """How long each argument is."""
    return {name: len(value) for name, value in values.items()}


@app.handler(isolate="process")
def child_file(folder: str) -> File:
    path = Path(folder) / "made.bin"
    path.write_bytes(b"made" * 1_000_000)
    return File(path)
