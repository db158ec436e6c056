"""What is here: workers, handlers, schedules, health and metrics."""

from __future__ import annotations

from typing import Any

from litestar import Request, Response, get

from farhand.errors import Unavailable
from farhand.fronts.http import describing
from farhand.fronts.http import parameters as given
from farhand.fronts.http.door import door_of
from farhand.fronts.http.metrics import MEDIA
from farhand.ports.store import Filter
from farhand.wire.http import bodies
from farhand.wire.http.bodies import HandlersBody, HealthBody, SchedulesBody, WorkersBody


@get(
    "/v1/workers",
    operation_id="list_workers",
    summary="The connected workers",
    responses=describing.problems_of(),
    tags=["hub"],
)
async def workers(request: Request[Any, Any, Any], group: given.OnlyGroup = "") -> WorkersBody:
    """The connected workers."""
    return WorkersBody([bodies.worker_body(view) for view in door_of(request).hub.workers(group)])


@get(
    "/v1/handlers",
    operation_id="list_handlers",
    summary="The handlers that can be called",
    responses=describing.problems_of(),
    tags=["hub"],
)
async def handlers(request: Request[Any, Any, Any], group: given.OnlyGroup = "") -> HandlersBody:
    """The handlers that can be called."""
    return HandlersBody([bodies.handler_body(view) for view in door_of(request).hub.handlers(group)])


@get(
    "/v1/schedules",
    operation_id="list_schedules",
    summary="The schedules, by name",
    responses=describing.problems_of(*describing.OF_A_STORE),
    tags=["hub"],
)
async def schedules(request: Request[Any, Any, Any]) -> SchedulesBody:
    """The schedules."""
    return SchedulesBody([bodies.schedule_body(one) for one in await door_of(request).kept.schedules.all()])


@get("/health/live", operation_id="live", summary="Whether the hub lives", responses=describing.problems_of())
async def live() -> HealthBody:
    """Whether the hub lives."""
    return HealthBody("live")


@get(
    "/health/ready",
    operation_id="ready",
    summary="Whether the hub takes new work, and its store answers",
    responses=describing.problems_of(Unavailable),
)
async def ready(request: Request[Any, Any, Any]) -> HealthBody:
    """Whether the hub takes new work."""
    door = door_of(request)
    door.hub.check_open()
    if door.durables is not None:
        await door.durables.find(Filter(limit=1))
    return HealthBody("ready")


@get(
    "/metrics",
    operation_id="metrics",
    summary="What is measured, for Prometheus",
    responses=describing.problems_of(),
    operation_class=describing.MetricsOperation,
)
async def metrics(request: Request[Any, Any, Any]) -> Response[bytes]:
    """What is measured."""
    rendered = await request.app.state["metrics"]()
    return Response(rendered, headers={"content-type": MEDIA})
