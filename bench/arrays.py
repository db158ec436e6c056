"""The handler that arrays are sent to and back from."""

from __future__ import annotations

from typing import Any

import numpy as np

import farhand

app = farhand.App()


@app.handler
async def same(x: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Answer with the array that came."""
    return x
