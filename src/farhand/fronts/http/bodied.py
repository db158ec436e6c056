"""What holds for the routes that take a body."""

from __future__ import annotations

from typing import Any

from litestar import Request

from farhand.errors import UnsupportedMedia


async def json_body(request: Request[Any, Any, Any]) -> bytes:
    """The body of a request, which says that it is JSON if there is one. It is no guard of litestar's, as each of those
    is given a copy of its route, which costs a fifth of a run.

    Raises:
        UnsupportedMedia: it says something else.
    """
    kind, has_body = b"", False
    for name, value in request.scope["headers"]:
        if name == b"content-type":
            kind = value.partition(b";")[0].strip().lower()
        elif name == b"transfer-encoding" or (name == b"content-length" and value != b"0"):
            has_body = True
    if kind != b"application/json" and (kind or has_body):
        shown = kind[:80].decode("latin-1") or "nothing"
        raise UnsupportedMedia(f"the body has to be application/json, and says it is {shown}")
    return await request.body()
