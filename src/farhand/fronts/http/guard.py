"""Who may ask at all: this machine's own programs, and pages that the hub itself served.

The hub listens on loopback and asks nobody who they are, so a page of any web site, open in a browser on this machine,
could reach it. Browsers say where a request comes from; whatever says that it comes from elsewhere is refused.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import structlog
from litestar import Litestar

from farhand.errors import FarhandError, MethodNotAllowed, PermissionDenied, ProtocolViolation
from farhand.fronts.http.door import Door, Mount
from farhand.fronts.http.faults import allowed
from farhand.hub.loopback import is_loopback
from farhand.wire.http import problems

_SITES = (b"same-origin", b"none")


def check_origin(headers: list[tuple[bytes, bytes]]) -> None:
    """See that a request was made by a program of this machine, or by a page of the hub's own.

    Raises:
        PermissionDenied: its host is a name that others own, or it comes from another site's page.
        ProtocolViolation: it names no host.
    """
    host = origin = site = None
    for name, value in headers:
        if name == b"host":
            host = value if host is None else b"?"  # two of them: a proxy and we might read different ones
        elif name == b"origin":
            origin = value
        elif name == b"sec-fetch-site":
            site = value
    if not host:
        raise ProtocolViolation("the request has no Host header")
    if host not in _known and not is_loopback(_name(host)):
        shown = host[:80].decode("latin-1")
        raise PermissionDenied(f"this hub is not {shown!r}: ask it by 127.0.0.1, [::1] or localhost")
    if len(_known) < 100:
        _known.add(host)
    if origin is not None and origin.lower() != b"http://" + host.lower():
        raise PermissionDenied("pages of other origins may not ask this hub")
    if site is not None and site not in _SITES:
        raise PermissionDenied("pages of other sites may not ask this hub")


_known: set[bytes] = set()
"""Hosts that were found to be loopback."""


def _name(host: bytes) -> str:
    text = host.decode("latin-1")
    if text.startswith("["):
        return text.partition("]")[0] + "]"
    return text.partition(":")[0]


class Guard:
    """Wraps the application: checks who asks, counts what is served, and ends what its peer has left. What is below
    the path of a mount is the mount's, whoever asks."""

    def __init__(self, app: Litestar, door: Door, mounts: Sequence[Mount] = ()) -> None:
        self._app = app
        self._door = door
        self._mounts = mounts
        self._log = structlog.get_logger("farhand.http")

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """One request."""
        with self._door.serving():
            for mount in self._mounts:
                if scope["path"].startswith(mount.path):
                    await self._serve(mount.app, scope, receive, send)
                    return
            try:
                check_origin(scope["headers"])
                if scope["method"] == "OPTIONS":  # whoever asks for leave first is a page of another origin
                    raise MethodNotAllowed("no path takes OPTIONS", allow=allowed(self._app, scope["path"]))
            except FarhandError as error:
                await _answer(send, error, scope["path"])
                return
            await self._serve(self._app, scope, receive, send)

    async def _serve(self, app: Any, scope: Any, receive: Any, send: Any) -> None:
        try:
            await app(scope, receive, send)
        except asyncio.CancelledError:
            return  # the peer has left, or the hub ends
        except Exception:
            self._log.exception("a request failed in the hub", path=scope["path"][:200])
            raise


async def _answer(send: Any, error: FarhandError, path: str) -> None:
    body = problems.problem_bytes(error, path)
    headers = [(b"content-type", problems.MEDIA.encode()), (b"content-length", str(len(body)).encode())]
    if "allow" in error.details:
        headers.append((b"allow", str(error.details["allow"]).encode()))
    await send({"type": "http.response.start", "status": error.http_status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
