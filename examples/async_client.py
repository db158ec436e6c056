"""Everything a caller can do, with `await`, beside `farhand dev examples/quickstart.py`.

Run it with `python examples/async_client.py [HOST:PORT]`.
"""

import asyncio
import sys

import farhand


async def main(address: str) -> None:
    """Run, run many, stream with progress, map, and meet an error."""
    async with farhand.AsyncClient(address) as hub:
        print(await hub.run("add", {"a": 1, "b": 2}, timeout=5))

        print(await asyncio.gather(*(hub.run("add", {"a": n, "b": n}) for n in range(3))))

        stream = hub.stream("countdown", {"start": 2, "pause": 0.01}, progress=lambda p: print(p.message))
        async for left in stream:
            print(left)

        print([total async for total in hub.map("add", ({"a": n, "b": 1} for n in range(3)))])

        try:
            await hub.run("ad", {"a": 1, "b": 2})
        except farhand.HandlerNotFound as error:
            print("did you mean", error.details["similar"])


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1] if len(sys.argv) > 1 else "localhost:50051"))
