"""The HTTP door: ``POST /nextflow/weblog``, to which Nextflow itself posts its events (``-with-weblog URL``)."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Request, Response, Router, post

from farhand.fronts.nextflow.deciding import Deciding
from farhand.wire.nextflow.actions import plain
from farhand.wire.nextflow.weblog import read_weblog

PATH = "/nextflow/weblog"


def weblog_router(deciding: Deciding) -> Router:
    """The route. Its answer is the action as JSON, which Nextflow doesn't read; what is no event of Nextflow's is
    refused as every route of the hub refuses."""

    @post(PATH, status_code=200, include_in_schema=False)
    async def weblog(request: Request[Any, Any, Any]) -> Response[bytes]:
        action = await deciding.decide(read_weblog(await request.body()))
        return Response(msgspec.json.encode(plain(action)), media_type="application/json")

    return Router("/", route_handlers=[weblog])
