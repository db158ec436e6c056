"""The task that runs here, for code that is called without it."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any

from farhand.kits.service.fetching import Fetcher
from farhand.kits.service.inputs import Input
from farhand.wire.control.orders import Execute
from farhand.worker.context import Context, Stop


class Running:
    """One task of a service, while its handler runs."""

    def __init__(self, context: Context, order: Execute, fetcher: Fetcher) -> None:
        self.context = context
        self.order = order
        self._fetcher = fetcher

    @property
    def id(self) -> str:
        """Its id."""
        return self.context.job_id

    def check(self) -> None:
        """
        Raises:
            BaseException: the task was cancelled; let it pass.
        """
        if self.context.cancelled:
            raise Stop

    def fetch(self, item: dict[str, Any]) -> Input:
        """One of its inputs, fetched.

        Raises:
            InputRefused: it can't be had, or isn't what the reference says.
        """
        return self._fetcher.fetch(item, self.id, self.check)


running: ContextVar[Running | None] = ContextVar("farhand_service_task", default=None)


class Told:
    """What a handler says of its result: the data, if there is some, and the reference it wants told, if it has one."""

    def __init__(self, result: Any, output: dict[str, Any] | None) -> None:
        self.result = result
        self.output = output
