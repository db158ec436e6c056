"""Schedules, as the clients list them."""

from __future__ import annotations

import msgspec

from farhand.wire.farhand._pb import client_pb2


class ScheduleInfo(msgspec.Struct, frozen=True, kw_only=True):
    """A handler that runs at times. `next_at` is seconds since 1970, None for never again; `fired` is how many jobs it
    has added, and `last_job` the id of the last one, empty for none."""

    name: str
    handler: str
    group: str
    cron: str
    timezone: str
    missed: str
    next_at: float | None
    fired: int
    last_job: str


def schedule_info(view: client_pb2.ScheduleView) -> ScheduleInfo:
    """What a view says."""
    return ScheduleInfo(
        name=view.name,
        handler=view.handler,
        group=view.group,
        cron=view.cron,
        timezone=view.timezone,
        missed=view.missed,
        next_at=view.next_at if view.HasField("next_at") else None,
        fired=view.fired,
        last_job=view.last_job,
    )
