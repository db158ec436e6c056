"""Stop a handler that would run for an hour: its process is killed, and the receipt says so.

Serve it with `farhand dev examples/cancel.py`, then run `python examples/cancel.py [HOST:PORT]`.
"""

import asyncio
import sys
from collections.abc import Iterator

import farhand

app = farhand.App()


@app.handler(isolate="process")
def spin(limit: int = 10**12) -> Iterator[int]:
    """Count without ever looking up."""
    yield 0
    number = 0
    while number < limit:
        number += 1


async def main(address: str) -> None:
    """Wait for the first chunk, then cancel."""
    async with farhand.AsyncClient(address) as hub, hub.stream("spin") as stream:
        print("first chunk:", await anext(stream))
        receipt = await stream.cancel()
        print("receipt:", receipt.outcome)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1] if len(sys.argv) > 1 else "localhost:50051"))
