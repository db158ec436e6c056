"""The HTTP server of a hub, on the hub's own event loop: how it starts, drains and ends."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

import msgspec
from litestar import Litestar, Router
from litestar.datastructures import State
from litestar.openapi.config import OpenAPIConfig

from farhand.fronts.http import about, events, faults, jobs, runs
from farhand.fronts.http.connection import BODY_LIMIT
from farhand.fronts.http.describing import Document
from farhand.fronts.http.door import Door, Mount
from farhand.fronts.http.guard import Guard
from farhand.fronts.http.listener import Listener
from farhand.fronts.http.metrics import Metrics
from farhand.hub.durable import Durables
from farhand.hub.loopback import check_loopback
from farhand.hub.service import Hub

ROUTES: tuple[Any, ...] = (
    runs.run,
    jobs.submit,
    jobs.find,
    jobs.get_job,
    events.follow,
    jobs.result,
    jobs.get_ref,
    jobs.fetch,
    jobs.cancel,
    jobs.retry,
    about.workers,
    about.handlers,
    about.schedules,
    about.live,
    about.ready,
    about.metrics,
)


class HttpServer:
    """A hub's HTTP door. `address` is set once it has started. Other fronts' `routers` are served beside its own, and
    their `mounts` below paths of theirs."""

    def __init__(
        self,
        hub: Hub,
        durables: Durables | None = None,
        routers: Sequence[Router] = (),
        mounts: Sequence[Mount] = (),
    ) -> None:
        self.address = ""
        self._door = Door(hub, durables)
        self._metrics = Metrics(self._door)
        app = application(self._door, self._metrics, routers)
        self._listener = Listener(
            Guard(app, self._door, mounts),
            "; --http HOST:PORT takes another, --http off does without",
            [(mount.path.encode(), mount.body) for mount in mounts],
        )
        self._chore: asyncio.Task[None] | None = None

    async def start(self, address: str) -> str:
        """Listen on ``HOST:PORT`` (port 0: a free one); the address it has.

        Raises:
            PermissionDenied: the host is not loopback.
            Unavailable: the address is taken.
        """
        host, port = check_loopback(address)
        bound = await self._listener.start(host, port)
        self._chore = asyncio.get_running_loop().create_task(self._tick())
        self.address = f"{host}:{bound}"
        return self.address

    async def drain(self, grace: float) -> bool:
        """Wait up to `grace` seconds for the requests being answered; whether all were. Those that follow a log are not
        waited for. The hub itself refuses what is new."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(grace):
                await self._door.quiet()
                return True
        return False

    async def stop(self) -> None:
        """Let nobody in, end those that follow logs, give answers on their way a moment, and close."""
        await self._listener.stop(self._door.end_followers)
        if self._chore is not None:
            self._chore.cancel()
            await asyncio.gather(self._chore, return_exceptions=True)
        self._metrics.close()
        await self._listener.wait_closed()

    async def _tick(self) -> None:
        """Each second, the date of the answers, and how late the event loop is."""
        loop = asyncio.get_running_loop()
        while True:
            self._listener.date()
            due = loop.time() + 1.0
            await asyncio.sleep(1.0)
            self._metrics.tick(max(0.0, loop.time() - due))


def application(door: Door, metrics: Metrics, routers: Sequence[Router] = ()) -> Litestar:
    """The routes."""
    return Litestar(
        [*ROUTES, *routers],
        openapi_config=OpenAPIConfig(
            title="farhand",
            version=version("farhand"),
            description="Run handlers, keep durable jobs and follow their logs. Problems are RFC 9457's.",
            path="/schema",
            render_plugins=[Document(path="/openapi.json")],
        ),
        exception_handlers={Exception: faults.answer},
        request_max_body_size=BODY_LIMIT,
        logging_config=None,
        state=State({"door": door, "metrics": metrics.render}),
        type_encoders={msgspec.Raw: bytes},
    )
