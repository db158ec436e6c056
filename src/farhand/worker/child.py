"""The process of an isolated handler: ``python -m farhand.worker.child FD REFERENCE WORKER_ID``.

It serves jobs that come as frames on FD, one at a time, and ends when its parent does.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable

from farhand.core.link import Says
from farhand.ports.runner import Threads
from farhand.wire.farhand import incoming
from farhand.wire.farhand._pb import worker_pb2
from farhand.wire.farhand.outgoing import FromWorker
from farhand.worker.carrying import ByFile
from farhand.worker.context import capture_prints
from farhand.worker.executor import Executor
from farhand.worker.loading import load_app
from farhand.worker.outbox import Outbox

LOOK_EVERY = 1.0


class _OneThread(Threads):
    """Threads for a process that has one job at a time: a new one each."""

    def run(self, work: Callable[[], None]) -> None:
        """Begin `work` in a new thread."""
        threading.Thread(target=work, daemon=True).start()

    def close(self) -> None:
        """Nothing is kept."""


async def serve(fd: int, reference: str, worker_id: str) -> None:
    """Serve until the parent closes its end."""
    reader, writer = await asyncio.open_connection(sock=socket.socket(fileno=fd))
    loop, needed = asyncio.get_running_loop(), asyncio.Event()

    def wake(soon: bool) -> None:
        loop.call_soon_threadsafe(needed.set)

    outbox = Outbox(wake)
    writing = asyncio.ensure_future(_write(outbox, needed, writer))
    try:
        executor = Executor(load_app(reference), outbox, _OneThread(), None, worker_id, ByFile())
        await executor.start()
    except Exception as error:
        buffer = FromWorker()
        buffer.goodbye("UNAVAILABLE", f"the process can't start: {type(error).__name__}: {error}")
        frame, _ = buffer.take()
        writing.cancel()
        await _send(writer, frame)
        return
    capture_prints()
    while True:
        try:
            size = int.from_bytes(await reader.readexactly(4), "big")
            frame = await reader.readexactly(size)
        except (asyncio.IncompleteReadError, ConnectionError):
            os._exit(0)
        _perform(executor, incoming.parse(worker_pb2.HubFrame, frame))


async def _write(outbox: Outbox, needed: asyncio.Event, writer: asyncio.StreamWriter) -> None:
    """Send what the job says, no faster than the parent takes it; a thread that prints faster is held up."""
    while True:
        await needed.wait()
        needed.clear()
        while (taken := outbox.take()) is not None:
            await _send(writer, taken[0])


async def _send(writer: asyncio.StreamWriter, frame: bytes) -> None:
    with contextlib.suppress(ConnectionError):  # the parent is gone: the reader ends this process
        writer.write(len(frame).to_bytes(4, "big") + frame)
        await writer.drain()


def _end_with(parent: int) -> None:
    """End when the parent is gone, whatever keeps the event loop from seeing it."""
    while os.getppid() == parent:
        time.sleep(LOOK_EVERY)
    os._exit(1)


def _perform(executor: Executor, frame: worker_pb2.HubFrame) -> None:
    if incoming.hub_says(frame) & Says.WORK:
        executor.assign(incoming.assignments(frame.assign, time.monotonic()), 0)
        for job, amount in incoming.credits(frame.credit):
            executor.credit(job, amount)


def main() -> None:
    """Run as a process of its own."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
    asyncio.run(serve(int(sys.argv[1]), sys.argv[2], sys.argv[3]))


if __name__ == "__main__":
    main()
