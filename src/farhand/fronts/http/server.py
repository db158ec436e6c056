"""The HTTP server of a hub, on the hub's own event loop: how it starts, drains and ends."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from email.utils import formatdate
from importlib.metadata import version
from typing import Any

import msgspec
from litestar import Litestar, Router
from litestar.datastructures import State
from litestar.openapi.config import OpenAPIConfig
from uvicorn.config import Config
from uvicorn.server import ServerState

from farhand.errors import Unavailable
from farhand.fronts.http import about, events, faults, jobs, runs
from farhand.fronts.http.connection import BODY_LIMIT, KEEP_ALIVE, Connection
from farhand.fronts.http.describing import Document
from farhand.fronts.http.door import Door
from farhand.fronts.http.guard import Guard
from farhand.fronts.http.metrics import Metrics
from farhand.hub.durable import Durables
from farhand.hub.loopback import check_loopback
from farhand.hub.service import Hub

FAREWELL = 3.0
"""Seconds that answers on their way may take once the hub has stopped."""

ROUTES: tuple[Any, ...] = (
    runs.run,
    jobs.submit,
    jobs.find,
    jobs.get_job,
    events.follow,
    jobs.result,
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
    """A hub's HTTP door. `address` is set once it has started. Other fronts' `routers` are served beside its own."""

    def __init__(self, hub: Hub, durables: Durables | None = None, routers: Sequence[Router] = ()) -> None:
        self.address = ""
        self._door = Door(hub, durables)
        self._metrics = Metrics(self._door)
        app = application(self._door, self._metrics, routers)
        self._config = Config(
            Guard(app, self._door),
            interface="asgi3",
            loop="none",
            lifespan="off",
            ws="none",
            http=Connection,
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=KEEP_ALIVE,
        )
        self._config.load()
        self._state = ServerState()
        self._server: asyncio.Server | None = None
        self._chore: asyncio.Task[None] | None = None

    async def start(self, address: str) -> str:
        """Listen on ``HOST:PORT`` (port 0: a free one); the address it has.

        Raises:
            PermissionDenied: the host is not loopback.
            Unavailable: the address is taken.
        """
        host, port = check_loopback(address)
        bare = "127.0.0.1" if host.lower() == "localhost" else host.strip("[]")
        try:
            self._server = await asyncio.get_running_loop().create_server(
                lambda: Connection(self._config, self._state), bare, port, backlog=2048
            )
        except OSError as error:
            raise Unavailable(
                f"can't listen on {host}:{port} for HTTP: another program has the port, or it isn't allowed; "
                "--http HOST:PORT takes another, --http off does without"
            ) from error
        self._chore = asyncio.get_running_loop().create_task(self._tick())
        self.address = f"{host}:{self._server.sockets[0].getsockname()[1]}"
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
        if self._server is None:
            return
        self._server.close()
        self._door.end_followers()
        for connection in list(self._state.connections):
            connection.shutdown()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(FAREWELL):
                while self._state.tasks:
                    await asyncio.wait(set(self._state.tasks))
        for task in self._state.tasks:
            task.cancel()
        for connection in list(self._state.connections):
            if isinstance(connection, Connection):
                connection.close_now()
        await asyncio.gather(*self._state.tasks, return_exceptions=True)
        if self._chore is not None:
            self._chore.cancel()
            await asyncio.gather(self._chore, return_exceptions=True)
        self._metrics.close()
        await self._server.wait_closed()

    async def _tick(self) -> None:
        """Each second, the date of the answers, and how late the event loop is."""
        loop = asyncio.get_running_loop()
        while True:
            self._state.default_headers = [(b"date", formatdate(usegmt=True).encode())]
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
