"""The first service of a pipeline: many readings, as a stream of bytes. In this folder:

farhand service measure --proto measures_pb2
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

import farhand

app = farhand.App()


@app.handler
def Measure(ctx: farhand.Context, start: float, readings: int = 500_000) -> Iterator[bytes]:
    """Doubles, from `start` on, 1,000 at a time: as many as one likes, in constant memory."""
    for at in range(0, readings, 1000):
        ctx.progress(at, readings, "measuring")
        yield struct.pack("<1000d", *(start + number for number in range(at, at + 1000)))
