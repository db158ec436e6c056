"""A store's only user, which claims from it. Arguments: the store's URL, and how many finished jobs it is to have."""

from __future__ import annotations

import asyncio
import sys

from bench.roles.obeying import obey
from bench.stores import claims, opened


async def main(url: str, count: str) -> None:
    """Measure what is asked."""
    store = await opened(url, int(count))

    async def p99(seconds: float) -> float:
        return await claims(store, seconds)

    await obey({"p99": p99})
    await store.close()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
