"""One connection: uvicorn's protocol with bounds on what a peer may send, and on how long it may take.

uvicorn waits for ever for a request that doesn't come whole, and takes headers and bodies of any size.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Any

import httptools
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from farhand.errors import FarhandError, HeadersTooLarge, Overloaded, ProtocolViolation, TooLarge, TooSlow
from farhand.model.limits import PAYLOAD_LIMIT
from farhand.wire.http import problems

HEADERS_LIMIT = 100
"""Headers of one request."""

HEAD_LIMIT = 32 * 1024
"""Bytes that the path and headers of one request may take together."""

BODY_LIMIT = PAYLOAD_LIMIT + 64 * 1024
"""Bytes of a request's body: a payload, and what a job is told beside it."""

HEAD_TIMEOUT = 10.0
"""Seconds within which a request's headers are there, from the connection or the first byte on."""

BODY_TIMEOUT = 30.0
"""Seconds within which a body is there, from its headers on."""

KEEP_ALIVE = 75
"""Seconds that a connection may wait for its next request."""

WRITE_TIMEOUT = 60.0
"""Seconds that a peer may read nothing of what waits for it."""

CONNECTIONS = 4_000
"""Connections at once; more are told to come back."""

PIPELINE = 16
"""Requests that may wait on one connection for the answer of the one before."""

LINGER, LINGER_BYTES = 2.0, 16 * 1024 * 1024
"""How long, and for how many bytes, one that was refused in the middle of its request is listened to, so that it reads
why."""

_silent = logging.getLogger("farhand.http.uvicorn")
_silent.addHandler(logging.NullHandler())
_silent.propagate = False  # what matters is logged by the door


class _Refused(Exception):
    """Ends the parser's work on a request that is refused."""


class Connection(HttpToolsProtocol):
    """As uvicorn's, bounded. A request whose peer has gone is cancelled."""

    def __init__(self, config: Config, state: ServerState, bodies: Sequence[tuple[bytes, int]] = ()) -> None:
        """`bodies` are how large they may be below some paths."""
        super().__init__(config, state, {}, asyncio.get_running_loop())
        self._bodies = bodies
        self._body_limit = BODY_LIMIT
        self.logger = _silent
        self.access_log = False
        self._timer: asyncio.TimerHandle | None = None
        self._patience: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None
        self._phase = ""
        self._head = 0
        self._body = 0
        self._why: FarhandError | None = None
        self._lingered = 0

    # -- its life ----------------------------------------------------------------------------------------------------

    def connection_made(self, transport: Any) -> None:
        """Serve it, if it isn't one too many."""
        super().connection_made(transport)
        if len(self.connections) > CONNECTIONS:
            self.refuse(Overloaded(f"the hub has {CONNECTIONS:,} connections: retry later", retry_after=1.0))
        else:
            self._arm(HEAD_TIMEOUT)

    def connection_lost(self, exc: Exception | None) -> None:
        """It is gone: what it still asked for is cancelled."""
        self._disarm()
        if self._patience is not None:
            self._patience.cancel()
        super().connection_lost(exc)
        self._unset_keepalive_if_required()
        self.pipeline.clear()
        if self._task is not None and not self._task.done():
            self._task.cancel()

    def close_now(self) -> None:
        """End it, whatever it is doing."""
        self.transport.abort()

    def pause_writing(self) -> None:
        """Its peer doesn't read: wait, but not for ever."""
        super().pause_writing()
        self._patience = self.loop.call_later(WRITE_TIMEOUT, self.close_now)

    def resume_writing(self) -> None:
        """Its peer has read."""
        super().resume_writing()
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None

    # -- what comes --------------------------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        """Take what came, within the bounds."""
        if self._why is not None:
            self._lingered += len(data)
            if self._lingered > LINGER_BYTES:
                self.close_now()
            return
        self._unset_keepalive_if_required()
        try:
            self.parser.feed_data(data)
            if self._phase == "head":
                self._head += len(data)
                if self._head > HEAD_LIMIT:
                    self._why = _head_too_large()
        except httptools.HttpParserUpgrade:
            pass  # there is nothing to upgrade to; the request itself is answered
        except httptools.HttpParserError:
            self._why = self._why or ProtocolViolation("that is no HTTP/1.1 request")
        if self._why is not None:
            self.refuse(self._why)
        elif self._phase and self._timer is None:
            self._arm(HEAD_TIMEOUT if self._phase == "head" else BODY_TIMEOUT)

    def on_message_begin(self) -> None:
        """A request begins."""
        super().on_message_begin()
        self._phase, self._head, self._body = "head", 0, 0

    def on_header(self, name: bytes, value: bytes) -> None:
        """Count a header, and keep it."""
        self._head += len(name) + len(value) + 4
        if len(self.headers) >= HEADERS_LIMIT or self._head + len(self.url) > HEAD_LIMIT:
            self._why = _head_too_large()
            raise _Refused
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """See whether the body will be too large before any of it is read, and begin."""
        self._phase = "body"
        self._disarm()
        if len(self.url) > HEAD_LIMIT:
            self._why = _head_too_large()
            raise _Refused
        self._body_limit = next((size for path, size in self._bodies if self.url.startswith(path)), BODY_LIMIT)
        for name, value in self.headers:
            if name == b"content-length" and value.isdigit() and int(value) > self._body_limit:
                self._why = _body_too_large(self._body_limit)
                raise _Refused
        if len(self.pipeline) >= PIPELINE:
            self._why = Overloaded(f"{PIPELINE} requests wait on this connection already", retry_after=1.0)
            raise _Refused
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Keep a part of the body, unless it is one too many."""
        self._body += len(body)
        if self._body > self._body_limit:
            self._why = _body_too_large(self._body_limit)
            raise _Refused
        super().on_body(body)

    def on_message_complete(self) -> None:
        """The request is there."""
        self._phase = ""
        self._disarm()
        super().on_message_complete()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._task = self.loop.create_task(cycle.run_asgi(app))
        self._task.add_done_callback(self.tasks.discard)
        self.tasks.add(self._task)

    # -- refusing ----------------------------------------------------------------------------------------------------

    def refuse(self, error: FarhandError) -> None:
        """Answer with a problem, take nothing more, and close; no answer where another is on its way already."""
        self._why = error
        self._disarm()
        cycle = self.cycle
        if cycle is not None and not cycle.response_complete:
            begun = cycle.response_started or bool(self.pipeline) or self._phase != "body"
            cycle.disconnected = True
            cycle.message_event.set()
            if self._task is not None:
                self._task.cancel()
            if begun:
                self.close_now()
                return
        if self.transport.is_closing():
            return
        self.transport.write(answer_bytes(error))
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.flow.resume_reading()
        self._arm(LINGER)

    def _arm(self, seconds: float) -> None:
        self._timer = self.loop.call_later(seconds, self._late, seconds)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _late(self, seconds: float) -> None:
        self._timer = None
        if self._why is not None:
            self.close_now()
        elif self.flow.read_paused:  # it is we who don't read
            self._arm(seconds)
        else:
            what = "the request's body" if self._phase == "body" else "a request"
            self.refuse(TooSlow(f"{what} did not come whole within {seconds:g} s"))


def answer_bytes(error: FarhandError) -> bytes:
    """A whole answer that says an error, after which the connection is closed."""
    body = problems.problem_bytes(error)
    again = problems.retry_after(error)
    head = [
        STATUS_LINE[error.http_status],
        b"content-type: " + problems.MEDIA.encode() + b"\r\n",
        b"content-length: %d\r\n" % len(body),
        b"retry-after: " + again.encode() + b"\r\n" if again else b"",
        b"connection: close\r\n\r\n",
    ]
    return b"".join([*head, body])


def _head_too_large() -> HeadersTooLarge:
    return HeadersTooLarge(
        f"a request may have {HEADERS_LIMIT} headers, and {HEAD_LIMIT:,} bytes in them and its path", limit=HEAD_LIMIT
    )


def _body_too_large(limit: int) -> TooLarge:
    return TooLarge(f"a body may take {limit:,} bytes: send less", limit=limit)
