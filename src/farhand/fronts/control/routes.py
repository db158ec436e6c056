"""The routes of ``/control``, and ``/health``: exact bodies, and ``{"detail": …}`` for what is no success."""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from typing import Any

import structlog
from litestar import Litestar, Request, Response, Router, get, post
from litestar.connection import ASGIConnection
from litestar.exceptions import HTTPException, NotAuthorizedException
from litestar.handlers import BaseRouteHandler
from litestar.params import FromPath

from farhand.errors import FarhandError, HandlerNotFound, InvalidArguments, JobNotFound
from farhand.fronts.control.tasks import Tasks
from farhand.model.limits import PAYLOAD_LIMIT
from farhand.wire.control import orders

BODY_LIMIT = PAYLOAD_LIMIT
AnyRequest = Request[Any, Any, Any]

_log = structlog.get_logger("farhand.control")


def control_router(tasks: Tasks, key: str = "", more: Sequence[Any] = ()) -> Router:
    """The routes over these tasks. With a `key`, all but ``/health`` ask for it. `more` are further route handlers,
    which let in whom they like."""

    def check_key(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
        if not has_key(connection, key):
            raise NotAuthorizedException("Unauthorized")

    @post("/control/execute", status_code=200, guards=[check_key], include_in_schema=False)
    async def execute(request: AnyRequest) -> Response[bytes]:
        try:
            order = orders.read_execute(await request.body())
        except InvalidArguments as error:
            return answer(orders.detail(error.message), 422)
        return answer(await tasks.execute(order, base_of(request)))

    @get("/control/status/{task_id:str}", guards=[check_key], include_in_schema=False)
    async def status(task_id: FromPath[str]) -> Response[bytes]:
        return answer(await tasks.status(task_id))

    @get("/control/output/{task_id:str}", guards=[check_key], include_in_schema=False)
    async def output(request: AnyRequest, task_id: FromPath[str]) -> Response[bytes]:
        return answer(await tasks.output(task_id, base_of(request)))

    @get("/health", include_in_schema=False)
    async def health() -> Response[bytes]:
        return answer({"status": "ok"})

    return Router(
        "/",
        route_handlers=[execute, status, output, health, *more],
        exception_handlers={Exception: refused},
        request_max_body_size=BODY_LIMIT,
    )


def application(router: Router) -> Litestar:
    """An application of these routes alone."""
    return Litestar([router], openapi_config=None, exception_handlers={Exception: refused}, logging_config=None)


def has_key(connection: ASGIConnection[Any, Any, Any, Any], key: str) -> bool:
    """Whether the key is there, or none is asked for."""
    given = connection.headers.get("authorization", "")
    scheme, _, token = given.partition(" ")
    same = hmac.compare_digest(token.strip().encode("utf-8", "surrogateescape"), key.encode())
    return not key or (same and scheme.lower() == "bearer")


def base_of(request: AnyRequest) -> str:
    """How the asker reached us."""
    return str(request.base_url).rstrip("/")


def answer(body: Any, status: int = 200) -> Response[bytes]:
    """A body as JSON."""
    return Response(orders.encode(body), status_code=status, media_type="application/json")


def refused(request: AnyRequest, raised: Exception) -> Response[bytes]:
    """What is no success, as ``{"detail": …}``."""
    if isinstance(raised, HandlerNotFound):
        return answer(orders.detail(raised.message), 400)
    if isinstance(raised, JobNotFound):
        return answer(orders.detail("Task not found"), 404)
    if isinstance(raised, FarhandError):
        return answer(orders.detail(str(raised)), raised.http_status)
    if isinstance(raised, HTTPException) and raised.status_code < 500:
        response = answer(orders.detail(raised.detail), raised.status_code)
        for name, value in (raised.headers or {}).items():
            response.headers[name] = value
        if raised.status_code == 401:
            response.headers["www-authenticate"] = "Bearer"
        return response
    if "disconnected" not in str(raised):
        _log.error("a request failed", path=request.scope["path"][:200], exc_info=raised)
    return answer(orders.detail(f"internal error: {type(raised).__name__}; the log has more"), 500)
