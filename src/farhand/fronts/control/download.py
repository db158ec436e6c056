"""A task's data over HTTP, in constant memory: whole, or a range of it."""

from __future__ import annotations

import asyncio
import base64
import hmac
import re
from collections.abc import AsyncIterator, Iterator
from typing import Any

from litestar import Request, Response, get, head
from litestar.exceptions import NotAuthorizedException
from litestar.params import FromPath
from litestar.response import Stream

from farhand.errors import ResultGone, TaskFailed
from farhand.fronts.control.results import ServiceWays
from farhand.fronts.control.routes import answer, has_key
from farhand.fronts.control.tasks import Tasks
from farhand.model.spooled import Spooled
from farhand.ports.spool import Spool
from farhand.wire.control import orders
from farhand.wire.control.results import MEDIA, read_result

_RANGE = re.compile(r"bytes=(\d*)-(\d*)")


def data_routes(tasks: Tasks, ways: ServiceWays, spool: Spool, key: str) -> list[Any]:
    """``GET`` and ``HEAD /control/data/{task_id}``, for those who have the key or the task's own token."""

    async def found(request: Request[Any, Any, Any], task_id: str) -> Spooled:
        token = request.query_params.get("token", "").encode("utf-8", "surrogateescape")
        if not hmac.compare_digest(token, ways.token(task_id).encode()) and not has_key(request, key):
            raise NotAuthorizedException("Unauthorized")
        kept = await tasks.get(task_id)
        if orders.status_of(kept) != "complete":
            raise TaskFailed("Task not complete")
        spooled = read_result(await tasks.result(task_id)).spooled
        if spooled is None or not spool.has(spooled):
            raise ResultGone(f"the data of task {task_id} is not kept any more: run it again")
        return spooled

    @get("/control/data/{task_id:str}", include_in_schema=False)
    async def data(request: Request[Any, Any, Any], task_id: FromPath[str]) -> Response[Any]:
        spooled = await found(request, task_id)
        headers = _headers(spooled)
        if headers["etag"] in request.headers.get("if-none-match", ""):
            return Response(b"", status_code=304, headers=headers, media_type=MEDIA[spooled.content])
        wanted = request.headers.get("range")
        if (
            wanted is not None
            and _RANGE.fullmatch(wanted)
            and request.headers.get("if-range", headers["etag"]) == headers["etag"]
        ):
            part = _part(wanted, spooled.size)
            if part is None:
                refusal = answer(orders.detail(f"the data has {spooled.size:,} bytes: no such range"), 416)
                refusal.headers["content-range"] = f"bytes */{spooled.size}"
                return refusal
            start, stop = part
            headers |= {"content-range": f"bytes {start}-{stop - 1}/{spooled.size}"}
            return _stream(spool.read(spooled, start, stop), stop - start, spooled, headers, 206)
        return _stream(spool.read(spooled), spooled.size, spooled, headers, 200)

    @head("/control/data/{task_id:str}", include_in_schema=False)
    async def about(request: Request[Any, Any, Any], task_id: FromPath[str]) -> Response[None]:
        spooled = await found(request, task_id)
        more = {"content-length": str(spooled.size), "content-type": MEDIA[spooled.content]}
        return Response(None, headers=_headers(spooled) | more)

    return [data, about]


def _headers(spooled: Spooled) -> dict[str, str]:
    digest = base64.b64encode(bytes.fromhex(spooled.sha256)).decode()
    return {"etag": f'"{spooled.sha256}"', "accept-ranges": "bytes", "repr-digest": f"sha-256=:{digest}:"}


def _stream(
    pieces: Iterator[bytes], length: int, spooled: Spooled, headers: dict[str, str], status: int
) -> Response[Any]:
    async def sent() -> AsyncIterator[bytes]:
        while (piece := await asyncio.to_thread(next, pieces, None)) is not None:
            yield piece

    return Stream(
        sent(),
        status_code=status,
        headers={**headers, "content-length": str(length)},
        media_type=MEDIA[spooled.content],
    )


def _part(wanted: str, size: int) -> tuple[int, int] | None:
    """The first and the behind-last byte of a range; None where it has none."""
    found = _RANGE.fullmatch(wanted)
    assert found is not None
    if not found[1]:
        start, stop = max(0, size - int(found[2] or 0)), size
    else:
        start, stop = int(found[1]), min(size, int(found[2]) + 1 if found[2] else size)
    return (start, stop) if start < stop else None
