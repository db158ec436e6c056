"""Many workers with nothing to do, each on a connection of its own. Arguments: HOST:PORT, their number, a prefix."""

from __future__ import annotations

import asyncio
import sys
from random import Random
from typing import Any

import grpc

from bench.roles.obeying import until_told
from bench.subject import CONNECT, IdleWire

DIALLING = 32
"""How many are dialling at once."""


class IdleWorker:
    """One stream: hello, then heartbeats."""

    def __init__(self, wire: IdleWire, hub: str, name: str) -> None:
        self._wire = wire
        self._name = name
        # A pool of its own, or all channels would share one connection.
        options = [*wire.options, ("grpc.use_local_subchannel_pool", 1)]
        self._channel = grpc.aio.insecure_channel(hub, options=options)
        self._stream: Any = self._channel.stream_stream(CONNECT)()
        self.every = 0.0

    async def dial(self) -> None:
        """Shake hands."""
        await self._stream.write(self._wire.hello(self._name))
        self.every = self._wire.heartbeat_seconds(await self._stream.read())

    async def listen(self) -> None:
        """Read what the hub says; it ends only with the stream, which is a failure."""
        while await self._stream.read() is not grpc.aio.EOF:
            pass
        raise RuntimeError(f"{self._name} was cut off: {await self._stream.details()}")

    async def beat(self, wait: float) -> None:
        """Send heartbeats, the first after `wait` seconds."""
        await asyncio.sleep(wait)
        while True:
            await self._stream.write(self._wire.beat)
            await asyncio.sleep(self.every)

    async def close(self) -> None:
        """End without a word: the measuring is over."""
        await self._channel.close()


async def main(hub: str, count: int, prefix: str) -> None:
    """Be idle until told to stop."""
    wire, random, gate = IdleWire(), Random(count), asyncio.Semaphore(DIALLING)
    tasks: list[asyncio.Task[None]] = []

    async def join(number: int) -> IdleWorker:
        async with gate:
            worker = IdleWorker(wire, hub, f"{prefix}-{number}")
            await worker.dial()
        tasks.append(asyncio.create_task(worker.listen()))
        tasks.append(asyncio.create_task(worker.beat(random.uniform(0, worker.every))))
        return worker

    workers = await asyncio.gather(*[join(number) for number in range(count)])
    told = asyncio.create_task(until_told())
    done, _ = await asyncio.wait({told, *tasks}, return_when=asyncio.FIRST_COMPLETED)
    for task in done:
        await task
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await asyncio.gather(*[worker.close() for worker in workers])


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), sys.argv[3]))
