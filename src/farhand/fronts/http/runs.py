"""`POST /v1/run/{handler}`: one call, one answer."""

from __future__ import annotations

from typing import Any

from litestar import Request, Response, post
from litestar.openapi.datastructures import ResponseSpec

from farhand.errors import InvalidArguments
from farhand.fronts.http import content, describing
from farhand.fronts.http import parameters as given
from farhand.fronts.http.bodied import json_body
from farhand.fronts.http.door import door_of
from farhand.fronts.http.jobs import outcome
from farhand.hub.calling import Asked, Call
from farhand.model.limits import RUN_TIMEOUT
from farhand.model.order import Order
from farhand.model.payload import Media
from farhand.model.ref import from_payload
from farhand.wire.http import values
from farhand.wire.http.bodies import JobBody


@post(
    "/v1/run/{handler:str}",
    operation_id="run",
    summary="Run a handler and answer its result",
    description="The job is cancelled when the caller leaves, unless `wait` is given.",
    status_code=200,
    responses={
        202: ResponseSpec(JobBody, description="It still runs; `Location` says where.", generate_examples=False),
        **describing.problems_of(*describing.OF_A_RUN),
    },
    operation_class=describing.RunOperation,
    tags=["calls"],
)
async def run(
    request: Request[Any, Any, Any],
    handler: given.HandlerPath,
    timeout: given.Timeout = None,
    group: given.Group = "",
    priority: given.Priority = 0,
    label: given.Labels = None,
    wait: given.RunWait = None,
    idempotency_key: given.IdempotencyKey = None,
) -> Response[Any]:
    """Run a handler."""
    door = door_of(request)
    args = values.arguments(await json_body(request))
    labels = given.labels_of(label) if label else {}
    if timeout is not None:
        given.finite("timeout", timeout)
    if wait is not None:
        order = Order(
            handler=handler,
            group=group,
            args=args,
            labels=labels,
            priority=priority,
            timeout=timeout,
            key=idempotency_key or "",
            digest=values.digest_of(args),
        )
        return await _kept(request, order, given.finite("wait", wait))
    if idempotency_key is not None:
        raise InvalidArguments("Idempotency-Key is of durable jobs: give ?wait= too, or submit to /v1/jobs")
    call = Call(
        door.hub,
        Asked(handler, args, RUN_TIMEOUT if timeout is None else timeout, group, priority, labels),
        events=False,
    )
    try:
        result, chunks = await call.answer()
    finally:
        call.leave()
    if result.media == Media.REF:
        return await content.answer(request, door.hub.transfers, from_payload(result), {})
    body, media = values.answer(result, chunks)
    return Response(body, media_type=media)


async def _kept(request: Request[Any, Any, Any], order: Order, wait: float) -> Response[Any]:
    """The run as a durable job, which may outlive the request."""
    added = await door_of(request).kept.order(order)
    return await outcome(request, added.kept, wait, added.how)
