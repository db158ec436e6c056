"""The routes under ``/api``: who may ask for what, how often, and how it is answered. Pages of any origin may ask, as
every route wants a key that no browser sends by itself."""

from __future__ import annotations

import hmac
import re
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Literal

import msgspec
import structlog

from farhand.core.rates import Rates
from farhand.errors import FarhandError, InvalidArguments, TooLarge
from farhand.fronts.devaria.options import DevariaOptions
from farhand.wire.devaria import told

BODY_LIMIT = 8 * 1024 * 1024
"""Bytes of a body: the largest output and console together, however they are written."""
PREFIX = "/api/"

Level = Literal["submit", "runner", "admin"]
Rate = Literal["submit", "status", "runner", ""]
CORS = (
    (b"access-control-allow-origin", b"*"),
    (b"access-control-allow-methods", b"GET, POST, DELETE, OPTIONS"),
    (b"access-control-allow-headers", b"Content-Type, Authorization, X-Runner-ID"),
)
_RUNNER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:@-]{0,199}")
_MISSING = "Missing Authorization header"
_FORMAT = "Invalid Authorization header format. Use: Bearer <token>"
_INVALID = "Invalid API key"


class Asking(msgspec.Struct, frozen=True, kw_only=True):
    """A request that was let in. `runner` is the runner that asks, empty for none; `id` is from the path."""

    id: str
    runner: str
    query: bytes
    body: bytes


class Answer(msgspec.Struct, frozen=True):
    """A status and a body."""

    status: int
    body: Mapping[str, Any]


Verb = Callable[[Asking], Awaitable[Answer]]


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """A method and a path, whose ``{id}`` is any part without a slash; who may ask, what its rate is, and whether it is
    a registered runner that asks."""

    method: str
    path: str
    level: Level
    rate: Rate = ""
    named: bool = False
    verb: Verb


class Refused(Exception):
    """A request that isn't let in."""

    def __init__(self, status: int, body: dict[str, Any]) -> None:
        super().__init__(body)
        self.answer = Answer(status, body)


class Front:
    """An ASGI application of these routes. `heard` is called with the id of each runner that asks."""

    def __init__(
        self, options: DevariaOptions, routes: Sequence[Route], heard: Callable[[str], Awaitable[None]]
    ) -> None:
        self._options = options
        self._routes = [(route, re.compile(_pattern(route.path))) for route in routes]
        self._heard = heard
        self._rates = Rates()
        runner, admin = options.runner_key, options.admin_key
        self._keys: dict[Level, tuple[str, ...]] = {
            "submit": (options.submit_key,),
            "runner": (runner,),
            "admin": (admin, runner),
        }
        self._log = structlog.get_logger("farhand.devaria")

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """One request."""
        if scope["method"] == "OPTIONS":
            await _send(send, 204, b"")
            return
        try:
            answer = await self._answer(scope, receive)
        except Refused as refused:
            answer = refused.answer
        except (InvalidArguments, TooLarge) as error:
            answer = Answer(400, {"error": error.message})
        except FarhandError as error:
            answer = Answer(error.http_status, {"error": error.message})
        except Exception as error:
            self._log.exception("a request failed in the hub", path=scope["path"][:200])
            answer = Answer(500, {"error": f"internal error: {type(error).__name__}; the hub's log has more"})
        await _send(send, answer.status, told.encode(answer.body))

    async def _answer(self, scope: Any, receive: Any) -> Answer:
        route, id = self._route(scope["method"], scope["path"])
        headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
        self._check_key(headers.get(b"authorization"), route.level)
        runner = headers.get(b"x-runner-id", "") if route.level == "runner" else ""
        if route.named and not runner:
            raise Refused(400, {"error": "Missing X-Runner-ID header"})
        if runner and not _RUNNER.fullmatch(runner):
            raise Refused(400, {"error": "Invalid X-Runner-ID header"})
        self._check_rate(route.rate, runner or str((scope.get("client") or ("",))[0]))
        if runner:
            await self._heard(runner)
        body = await _body(receive) if route.method == "POST" else b""
        return await route.verb(Asking(id=id, runner=runner, query=scope["query_string"], body=body))

    def _route(self, method: str, path: str) -> tuple[Route, str]:
        for route, pattern in self._routes:
            if route.method == method and (found := pattern.fullmatch(path)) is not None:
                return route, found.groupdict().get("id", "")
        raise Refused(404, {"error": "Not found"})

    def _check_key(self, given: str | None, level: Level) -> None:
        if given is None:
            raise Refused(401, {"error": _MISSING})
        scheme, _, token = given.partition(" ")
        if scheme != "Bearer" or not token:
            raise Refused(401, {"error": _FORMAT})
        shown = token.encode("latin-1")
        same = [hmac.compare_digest(shown, key.encode()) and bool(key) for key in self._keys[level]]
        if not any(same):
            raise Refused(401, {"error": _INVALID})

    def _check_rate(self, rate: Rate, who: str) -> None:
        options = self._options
        limits = {
            "submit": options.submit_rate,
            "status": options.status_rate,
            "runner": options.runner_rate,
            "": 0,
        }
        again = self._rates.take(f"{rate} {who}", limits[rate], time.time())
        if again is not None:
            raise Refused(429, {"error": "Rate limit exceeded", "resetTime": told.ms(again)})


def _pattern(path: str) -> str:
    return re.escape(path).replace(r"\{id\}", "(?P<id>[^/]+)")


async def _body(receive: Any) -> bytes:
    parts: list[bytes] = []
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Refused(400, {"error": "the peer has gone"})
        parts.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(parts)


async def _send(send: Any, status: int, body: bytes) -> None:
    headers = [*CORS]
    if status != 204:
        headers += [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
