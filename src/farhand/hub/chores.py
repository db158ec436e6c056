"""What the chores of a hub share: how often they look, and that a store which is away for a while ends none."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import structlog

from farhand.errors import FarhandError

LOOK_EVERY = 1.0
"""Seconds between looks: for jobs whose time has come, at what is overdue, and at what other hubs have done."""


class Troubles:
    """What goes wrong in chores, told of once until it goes well again."""

    def __init__(self) -> None:
        self._told: set[str] = set()
        self._log = structlog.get_logger("farhand.durable")

    @contextlib.contextmanager
    def excused(self, what: str) -> Iterator[None]:
        """Let a round of a chore fail; `what` says what can't be done meanwhile."""
        try:
            yield
        except FarhandError as error:
            if what not in self._told:
                self._told.add(what)
                self._log.warning(what, why=error.message)
        else:
            self._told.discard(what)
