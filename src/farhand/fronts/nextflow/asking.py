"""A policy that is a handler: the hub is asked for it, as by any caller."""

from __future__ import annotations

from typing import Any

import structlog

from farhand.errors import InvalidArguments
from farhand.fronts.nextflow.deciding import Deciding, Policy
from farhand.hub.calling import Asked, Call
from farhand.hub.service import Hub
from farhand.model.limits import RUN_TIMEOUT
from farhand.model.payload import Media
from farhand.wire.nextflow.actions import Action
from farhand.wire.nextflow.observations import TaskObservation, plain
from farhand.wire.plain import value_of
from farhand.wire.values import to_payload

_log = structlog.get_logger("farhand.nextflow")


def hub_deciding(hub: Hub, handler: str) -> Deciding:
    """What a hub's doors answer by: this handler of group ``default``, or by default where it is empty. Each decision
    is in the hub's log."""
    return Deciding(asked_of(hub, handler) if handler else None, _tell)


def asked_of(hub: Hub, handler: str) -> Policy:
    """A policy that runs a handler with the argument `observation`, for at most 30 s."""

    async def decide(observation: TaskObservation, left: float | None) -> Any:
        args = to_payload({"observation": plain(observation)}, int(Media.JSON), what="the observation")
        call = Call(hub, Asked(handler, args, RUN_TIMEOUT if left is None else min(left, RUN_TIMEOUT)), events=False)
        try:
            result, chunks = await call.answer()
        finally:
            call.leave()
        if chunks or not result.media:
            raise InvalidArguments(f"{handler!r} streams, and a policy answers once")
        return value_of(result)

    return decide


def _tell(observation: TaskObservation, action: Action, seconds: float) -> None:
    _log.info(
        "decided",
        observation=observation.event_id[:200],
        type=observation.event_type[:200],
        decision=action.action_details[:200],
        success=action.success,
        latency=round(seconds, 6),
    )
