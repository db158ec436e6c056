"""Whatever a route raises becomes a problem (RFC 9457); also what the framework refuses by itself."""

from __future__ import annotations

from typing import Any

import structlog
from litestar import Litestar, Request, Response
from litestar.exceptions import HTTPException, ValidationException

from farhand.errors import (
    FarhandError,
    InvalidArguments,
    MethodNotAllowed,
    PermissionDenied,
    RouteNotFound,
    TooLarge,
    UnsupportedMedia,
)
from farhand.wire.http import problems

_BY_STATUS: dict[int, type[FarhandError]] = {
    403: PermissionDenied,
    404: RouteNotFound,
    405: MethodNotAllowed,
    413: TooLarge,
    415: UnsupportedMedia,
}
_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD")
_log = structlog.get_logger("farhand.http")


def answer(request: Request[Any, Any, Any], raised: Exception) -> Response[bytes]:
    """The answer to a request whose route raised this."""
    error = _error_of(raised, request)
    headers = {"retry-after": again} if (again := problems.retry_after(error)) else {}
    if isinstance(raised, HTTPException) and raised.headers:
        headers |= {name.lower(): value for name, value in raised.headers.items()}
    if isinstance(error, MethodNotAllowed):
        headers.setdefault("allow", allowed(request.app, request.scope["path"]))
    body = problems.problem_bytes(error, request.scope["path"])
    return Response(body, status_code=error.http_status, media_type=problems.MEDIA, headers=headers)


def _error_of(raised: Exception, request: Request[Any, Any, Any]) -> FarhandError:
    if isinstance(raised, FarhandError):
        return raised
    if isinstance(raised, ValidationException):
        extra: Any = raised.extra if isinstance(raised.extra, list) else []
        wrong = [{"path": str(one.get("key", "")), "message": str(one.get("message", ""))} for one in extra]
        text = "; ".join(f"{one['path']}: {one['message']}" for one in wrong) or raised.detail
        return InvalidArguments(f"the request doesn't fit: {text}", problems=wrong)
    if isinstance(raised, HTTPException) and raised.status_code < 500:
        kind = _BY_STATUS.get(raised.status_code, InvalidArguments)
        asked = f"{request.scope['method']} {request.scope['path'][:200]}"
        return kind(f"{asked}: {raised.detail}")
    if "disconnected" not in str(raised):
        _log.error("a request failed in the hub", path=request.scope["path"][:200], exc_info=raised)
    return FarhandError(f"internal error: {type(raised).__name__}; the hub's log has more")


def allowed(app: Litestar, path: str) -> str:
    """The methods that a path has, as `Allow` says them."""
    return ", ".join(method for method in _METHODS if _has(app, path.rstrip("/") or "/", method))


def _has(app: Litestar, path: str, method: Any) -> bool:
    try:
        app.asgi_router.handle_routing(path=path, method=method)
    except HTTPException:
        return False
    return True
