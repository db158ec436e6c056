"""What holds for the routes that take a body."""

from __future__ import annotations

from typing import Any

from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler

from farhand.errors import UnsupportedMedia


def json_only(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
    """See that a body, if there is one, says that it is JSON.

    Raises:
        UnsupportedMedia: it says something else.
    """
    kind, has_body = b"", False
    for name, value in connection.scope["headers"]:
        if name == b"content-type":
            kind = value.partition(b";")[0].strip().lower()
        elif name == b"transfer-encoding" or (name == b"content-length" and value != b"0"):
            has_body = True
    if kind != b"application/json" and (kind or has_body):
        shown = kind[:80].decode("latin-1") or "nothing"
        raise UnsupportedMedia(f"the body has to be application/json, and says it is {shown}")
