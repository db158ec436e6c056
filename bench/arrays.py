"""The handler that arrays are sent to and back from."""

from __future__ import annotations

from typing import Any

import numpy as np

import farhand

app = farhand.App()


_BLOCKS: dict[int, bytes] = {}


@app.handler
async def block(size: int) -> bytes:
    """So many bytes, made once."""
    if size not in _BLOCKS:
        _BLOCKS[size] = b"x" * size
    return _BLOCKS[size]


@app.handler
async def nothing() -> None:
    """Answer at once."""


@app.handler
async def same(x: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Answer with the array that came."""
    return x
