"""A worker that is told to stop while its hub has not welcomed it yet."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import grpc

from farhand.errors import FarhandError
from farhand.model.limits import PROTOCOL
from farhand.model.worker import Hold, WorkerInfo
from farhand.wire.farhand import incoming
from farhand.wire.farhand._pb import worker_pb2
from farhand.wire.farhand.outgoing import ToWorker
from farhand.worker.links.farhand import HubLink


class SlowHub:
    """A hub that welcomes a worker when it is let."""

    def __init__(self) -> None:
        self.greeted = asyncio.Event()
        self.go = asyncio.Event()
        self.told = asyncio.Event()
        self.heard: list[str] = []
        self._server = grpc.aio.server()

    async def start(self) -> str:
        """Listen; the address."""
        method: Any = grpc.stream_stream_rpc_method_handler(self._connect)
        handler = grpc.method_handlers_generic_handler("farhand.v1.WorkerService", {"Connect": method})
        self._server.add_generic_rpc_handlers((handler,))
        port = self._server.add_insecure_port("127.0.0.1:0")
        await self._server.start()
        return f"127.0.0.1:{port}"

    async def stop(self) -> None:
        """Close."""
        await self._server.stop(0)

    async def _connect(self, requests: Any, context: Any) -> None:
        assert incoming.parse(worker_pb2.WorkerFrame, await context.read()).hello.protocol == PROTOCOL
        self.greeted.set()
        await self.go.wait()
        buffer = ToWorker()
        buffer.welcome("hub", "0.1.0", 0.0)
        await context.write(buffer.take()[0])
        while (data := await context.read()) is not grpc.aio.EOF:
            frame = incoming.parse(worker_pb2.WorkerFrame, data)
            self.heard += ["draining"] * frame.draining + ["goodbye"] * frame.HasField("goodbye")
            self.told.set()
            if frame.HasField("goodbye"):
                return


class Quiet:
    """The worker behind the link: it has nothing to do."""

    running = 0
    holding = False

    def __init__(self, wake: Callable[[], object]) -> None:
        self.refused: list[FarhandError] = []
        self._wake = wake

    def on_work(self, frame: worker_pb2.HubFrame) -> None:
        """Nothing comes."""

    def announce(self) -> None:
        """Nothing waits."""

    def on_ready(self) -> None:
        """It is welcome."""

    def holds(self) -> list[Hold]:
        """Nothing."""
        return []

    def on_lost(self, held_until: float | None) -> None:
        """Nothing is lost."""

    def on_look(self, now: float, held_until: float) -> None:
        """Nothing is leased."""

    def on_refused(self, error: FarhandError) -> None:
        """It may not go on."""
        self.refused.append(error)
        self._wake()


async def test_a_worker_told_to_stop_before_it_is_welcome_says_so_once_it_is() -> None:
    hub, loop = SlowHub(), asyncio.get_running_loop()
    worker = Quiet(lambda: loop.call_soon_threadsafe(hub.told.set))
    info = WorkerInfo(id="w", group="default", slots=1, handlers=())
    link = HubLink(info, await hub.start(), worker, asyncio.new_event_loop)
    link.start()
    try:
        async with asyncio.timeout(20):
            await hub.greeted.wait()
            link.say_draining()
            await asyncio.sleep(0.05)  # before it was mended, what it said went out now, and ended the link
            hub.go.set()
            await hub.told.wait()
    finally:
        await asyncio.to_thread(link.stop)
        await hub.stop()
    assert worker.refused == []
    assert hub.heard == ["draining", "goodbye"]
