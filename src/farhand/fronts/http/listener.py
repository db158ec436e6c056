"""A socket that serves an application over HTTP/1.1, with bounds on what a peer may send and how long it may take."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from email.utils import formatdate
from typing import Any

from uvicorn.config import Config
from uvicorn.server import ServerState

from farhand.errors import Unavailable
from farhand.fronts.http.connection import KEEP_ALIVE, Connection

FAREWELL = 3.0
"""Seconds that answers on their way may take once the hub has stopped."""


class Listener:
    """Serves one ASGI application on the running event loop."""

    def __init__(self, app: Any, hint: str = "", bodies: Sequence[tuple[bytes, int]] = ()) -> None:
        """`hint` ends the error of an address that is taken; `bodies` are how large they may be below some paths."""
        self._hint = hint
        self._bodies = bodies
        self._config = Config(
            app,
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

    async def start(self, host: str, port: int) -> int:
        """Listen (port 0: a free one); the port it has.

        Raises:
            Unavailable: the address is taken.
        """
        bare = "127.0.0.1" if host.lower() == "localhost" else host.strip("[]")
        self.date()
        try:
            self._server = await asyncio.get_running_loop().create_server(
                lambda: Connection(self._config, self._state, self._bodies), bare, port, backlog=2048
            )
        except OSError as error:
            raise Unavailable(
                f"can't listen on {host}:{port} for HTTP: another program has the port, or it isn't allowed{self._hint}"
            ) from error
        bound: int = self._server.sockets[0].getsockname()[1]
        return bound

    def date(self) -> None:
        """Set the date of the answers; to be called each second."""
        self._state.default_headers = [(b"date", formatdate(usegmt=True).encode())]

    async def stop(self, leaving: Callable[[], None] = lambda: None) -> None:
        """Let nobody in, call `leaving`, give answers on their way a moment, and close."""
        if self._server is None:
            return
        self._server.close()
        leaving()
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

    async def wait_closed(self) -> None:
        """Until the socket is gone."""
        if self._server is not None:
            await self._server.wait_closed()
