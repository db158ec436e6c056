"""`GET /v1/jobs/{id}/events`: a durable job's log as server-sent events, from any offset."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import Any

from litestar import Request, Response, get
from litestar.openapi.datastructures import ResponseSpec

from farhand.errors import FarhandError, LogPruned
from farhand.fronts.http import describing
from farhand.fronts.http import parameters as given
from farhand.fronts.http.door import Door, door_of
from farhand.hub.following import pruned
from farhand.model.durable import Entry
from farhand.wire.http import events as wire

HEARTBEAT = 12.0
"""Seconds without an event after which a comment says that the line is alive."""

_HEADERS = [
    (b"content-type", wire.MEDIA.encode() + b"; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),
]


class _Log:
    """The answer that a log is. How fast its peer reads is the connection's concern, which cuts off one that doesn't:
    it comes back with the last id it saw."""

    def __init__(self, door: Door, job: str, offset: int) -> None:
        self._door = door
        self._job = job
        self._offset = offset

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Send the log up to its end, or until either end leaves."""
        await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
        await _part(send, wire.RETRY)
        with self._door.following():
            try:
                await self._follow(send)
            except asyncio.CancelledError:
                if not self._door.ending:
                    raise
            except FarhandError:
                return  # cut off, so that its reader comes back for the rest
        await send({"type": "http.response.body", "body": b""})

    async def _follow(self, send: Any) -> None:
        pages = self._door.kept.pages(self._job, self._offset, HEARTBEAT)
        async with aclosing(pages):
            async for entries in pages:
                await _part(send, _encoded(entries) if entries else wire.HEARTBEAT)


_last: tuple[list[Entry], bytes] = ([], b"")


def _encoded(entries: list[Entry]) -> bytes:
    """A page as events; those who follow one job get the same page one after the other."""
    global _last
    if entries is not _last[0]:
        _last = (entries, wire.events_of(entries))
    return _last[1]


async def _part(send: Any, body: bytes) -> None:
    await send({"type": "http.response.body", "body": body, "more_body": True})


class _Follow(Response[bytes]):
    """A response that is a log."""

    def __init__(self, log: _Log) -> None:
        super().__init__(b"")
        self._log = log

    def to_asgi_response(self, *_: Any, **__: Any) -> Any:
        """The log."""
        return self._log


@get(
    "/v1/jobs/{job:str}/events",
    operation_id="follow",
    summary="Follow a durable job's log",
    description="Each event has the offset as its id, so that a browser's EventSource goes on where it was. "
    "Without one it begins with the first event that is kept.",
    responses={
        204: ResponseSpec(None, description="The log is over, and all of it was seen: come back no more."),
        **describing.problems_of(LogPruned, *describing.OF_A_JOB),
    },
    operation_class=describing.EventsOperation,
    tags=["jobs"],
)
async def follow(
    request: Request[Any, Any, Any],
    job: given.JobPath,
    from_: given.From = 0,
    last_event_id: given.LastEventId = None,
) -> Response[bytes]:
    """Follow a durable job's log."""
    door = door_of(request)
    offset = wire.first_wanted(last_event_id, from_)
    kept = await door.kept.get(job)
    if kept.ended is not None and offset >= kept.offset:
        return Response(b"", status_code=204)
    if 0 < offset < kept.first:
        raise pruned(job, kept.first)
    return _Follow(_Log(door, job, offset or kept.first))
