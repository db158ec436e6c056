"""Devaria's job handlers: `JobHandler` to derive from, and `app_of` to serve a ``JOB_HANDLERS`` dict on any worker."""

from __future__ import annotations

from farhand.kits.devaria.handlers import Heartbeat, JobHandler, app_of, load_app
from farhand.kits.devaria.hello import HelloWorld

JOB_HANDLERS: dict[str, type[JobHandler]] = {"hello_world": HelloWorld}
"""What a runner serves that is given nothing else."""

__all__ = ["JOB_HANDLERS", "Heartbeat", "HelloWorld", "JobHandler", "app_of", "load_app"]
