"""A farhand client that sends arrays there and back, as Arrow and as JSON. Arguments: HOST:PORT."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import msgspec
import numpy as np

import farhand
from bench import timing
from bench.roles.obeying import obey
from farhand.model.limits import INLINE_LIMIT
from farhand.model.payload import Media, Payload
from farhand.model.ref import SIZE_LIMIT
from farhand.wire.codecs.base import Encoded, encoded
from farhand.wire.values import DEFAULT

DIGITS = 3
"""Decimals of the numbers, few enough that an array has room in the limit as JSON too."""
JSON = int(Media.JSON)


def numbers(size: int) -> Any:
    """float64 that take `size` bytes."""
    return np.random.default_rng(1).random(size // 8).round(DIGITS)


def as_json(array: Any) -> Payload | Encoded:
    """The argument object as a caller who speaks JSON sends it."""
    data = msgspec.json.encode({"x": array.tolist()})
    return Payload(data, JSON) if len(data) <= INLINE_LIMIT else encoded(JSON, (data,))


async def main(hub: str) -> None:
    """Measure what is asked: the median time in milliseconds of a call, and of encoding and decoding alone."""
    async with farhand.AsyncClient(hub) as client:

        async def call(size: int, seconds: float) -> float:
            array = numbers(size)

            async def once() -> None:
                timing.expect((await client.run("same", {"x": array}, timeout=None)).nbytes, array.nbytes)

            return await timing.latency(once, seconds)

        async def call_json(size: int, seconds: float) -> float:
            array = numbers(size)

            async def once() -> None:
                asked = client.connection().run("same", as_json(array), None, None, client.reader.value)
                timing.expect(np.array(await asked.future).nbytes, array.nbytes)

            return await timing.latency(once, seconds)

        async def codec(size: int, seconds: float) -> float:
            array = numbers(size)

            async def once() -> None:
                found = DEFAULT.encode({"x": array}, limit=SIZE_LIMIT)
                timing.expect(DEFAULT.read(found.payload())["x"].nbytes, array.nbytes)

            return await timing.latency(once, seconds)

        async def codec_json(size: int, seconds: float) -> float:
            array = numbers(size)

            async def once() -> None:
                text = msgspec.json.encode({"x": array.tolist()})
                timing.expect(np.array(DEFAULT.read(Payload(text, JSON))["x"]).nbytes, array.nbytes)

            return await timing.latency(once, seconds)

        await obey({"call": call, "call_json": call_json, "codec": codec, "codec_json": codec_json})


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
