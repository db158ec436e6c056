"""Puts the parts together: the only file that knows concrete engines and fronts."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType

from farhand.core.machine import Limits
from farhand.engines.local.processes import LocalProcesses
from farhand.engines.local.threads import LocalThreads
from farhand.fronts.grpc.server import Server
from farhand.hub.service import Hub
from farhand.worker.app import App
from farhand.worker.worker import Worker, WorkerOptions


class RunningHub:
    """A hub that serves. `address` is ``HOST:PORT`` as it listens; an async context manager that stops at the end."""

    def __init__(self, hub: Hub, server: Server) -> None:
        self.hub = hub
        self._server = server

    @property
    def address(self) -> str:
        """``HOST:PORT`` of the gRPC door."""
        return self._server.address

    async def drain(self, grace: float) -> bool:
        """Take nothing new and wait up to `grace` seconds for what runs; whether all of it finished."""
        return await self._server.drain(grace)

    async def stop(self) -> None:
        """Close every connection; callers whose jobs are left are told."""
        await self._server.stop()

    async def __aenter__(self) -> RunningHub:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()


async def serve_hub(address: str = "127.0.0.1:0", limits: Limits | None = None) -> RunningHub:
    """Start a hub on ``HOST:PORT`` (port 0: a free one), loopback only.

    Raises:
        PermissionDenied: the host is not loopback.
        Unavailable: the port is taken.
    """
    hub = Hub(limits)
    server = Server(hub)
    await server.start(address)
    return RunningHub(hub, server)


def build_worker(app: App, options: WorkerOptions, on_ready: Callable[[str], None] | None = None) -> Worker:
    """A worker for `app` that runs handlers in this machine's threads and processes; see `Worker`."""
    return Worker(app, options, LocalThreads(), LocalProcesses(), on_ready)
