"""procrastinate's app and task, for both of its ends."""

from __future__ import annotations

import logging
from importlib import import_module
from typing import Any


async def echo(text: str) -> str:
    """Answer with what came; procrastinate keeps no results."""
    return text


def make(url: str, schema: str, connections: int) -> tuple[Any, Any]:
    """The app on a schema of its own, and the task."""
    procrastinate: Any = import_module("procrastinate")
    logging.getLogger("procrastinate").setLevel(logging.ERROR)
    options = {"options": f"-c search_path={schema}"}
    connector = procrastinate.PsycopgConnector(conninfo=url, kwargs=options, max_size=connections)
    app = procrastinate.App(connector=connector)
    return app, app.task(name="echo", queue="bench")(echo)
