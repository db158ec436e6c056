"""Cheap HTTP clients, on sockets of their own: they ask again as soon as they are answered, or follow events.
Arguments: HOST:PORT."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from typing import Any

from bench.roles.obeying import obey

BODY = b'{"a":1,"b":2}'


class Asking(asyncio.Protocol):
    """One connection that asks again and again. All answers have one length, which the first one tells."""

    def __init__(self, path: str, until: float) -> None:
        self._request = (
            f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(BODY)}\r\n\r\n"
        ).encode() + BODY
        self._until = until
        self._got = b""
        self._size = 0
        self.count = 0
        self.over: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: Any) -> None:
        """Ask."""
        self._transport = transport
        transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        """Once the answer is whole, ask again."""
        self._got += data
        if not self._size:
            self._size = _size(self._got)
        if not self._size or len(self._got) < self._size:
            return
        if not self._got.startswith(b"HTTP/1.1 20"):
            self.over.set_exception(RuntimeError(self._got.decode()[:200]))
            return
        self._got = b""
        self.count += 1
        if time.perf_counter() < self._until:
            self._transport.write(self._request)
        else:
            self._transport.close()
            self.over.set_result(None)


class Following(asyncio.Protocol):
    """One connection that follows a job whose chunks are the times at which they were made."""

    def __init__(self, job: str) -> None:
        self._request = f"GET /v1/jobs/{job}/events HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode()
        self.latest = 0.0
        self.chunks = 0
        loop = asyncio.get_running_loop()
        self.begun: asyncio.Future[None] = loop.create_future()
        self.over: asyncio.Future[None] = loop.create_future()

    def connection_made(self, transport: Any) -> None:
        """Ask."""
        self._transport = transport
        transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        """See how old each chunk is."""
        if not self.begun.done() and b"event: queued" in data:
            self.begun.set_result(None)
        now = time.time()
        for line in data.split(b"\n"):
            if line.startswith(b"data: ") and b'"kind":"chunk"' in line:
                self.chunks += 1
                self.latest = max(self.latest, now - json.loads(line[6:])["value"])
        if b"event: succeeded" in data:
            self._transport.close()
            self.over.set_result(None)


def _size(answer: bytes) -> int:
    head, end, _ = answer.partition(b"\r\n\r\n")
    lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    return len(head) + 4 + int(lengths[0].split(b":")[1]) if end and lengths else 0


class Client:
    """What is asked of it."""

    def __init__(self, address: str) -> None:
        host, _, port = address.rpartition(":")
        self._where = host, int(port)
        self._following: list[Following] = []

    async def rate(self, in_flight: int, seconds: float, path: str) -> float:
        """Requests a second, on as many connections as are in flight."""
        began = time.perf_counter()
        loop = asyncio.get_running_loop()
        made = [
            await loop.create_connection(lambda: Asking(path, began + seconds), *self._where) for _ in range(in_flight)
        ]
        asking = [protocol for _, protocol in made]
        await asyncio.gather(*[one.over for one in asking])
        return sum(one.count for one in asking) / (time.perf_counter() - began)

    async def follow(self, job: str, count: int, seconds: float) -> float:
        """Let so many follow a job; how many do."""
        loop = asyncio.get_running_loop()
        for _ in range(count):
            _, protocol = await loop.create_connection(lambda: Following(job), *self._where)
            self._following.append(protocol)
        await asyncio.gather(*[one.begun for one in self._following])
        return len(self._following)

    async def delay(self, chunks: int, seconds: float) -> float:
        """Once the job has ended: the longest that any of its chunks took to reach anyone, in seconds."""
        await asyncio.gather(*[one.over for one in self._following])
        if {one.chunks for one in self._following} != {chunks}:
            raise RuntimeError(f"some have seen {sorted({one.chunks for one in self._following})} chunks, not {chunks}")
        return max(one.latest for one in self._following)


async def main(address: str) -> None:
    """Measure what is asked."""
    client = Client(address)
    await obey({"rate": client.rate, "follow": client.follow, "delay": client.delay})


if __name__ == "__main__":
    import uvloop

    uvloop.run(main(sys.argv[1]))
