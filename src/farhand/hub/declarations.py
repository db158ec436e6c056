"""What workers have declared of their handlers, remembered for durable jobs that are submitted while none is there."""

from __future__ import annotations

from farhand.model.handler import JobDefaults
from farhand.model.worker import WorkerInfo

REMEMBERED = 10_000
"""Handlers of which something is remembered; of more, those declared last."""

NOTHING_DECLARED = JobDefaults()


class Declarations:
    """By group and handler, what the worker that came last declared."""

    def __init__(self) -> None:
        self._declared: dict[tuple[str, str], JobDefaults] = {}

    def hear(self, info: WorkerInfo) -> None:
        """A worker introduced itself."""
        for spec in info.handlers:
            self._declared.pop((info.group, spec.name), None)
            self._declared[info.group, spec.name] = spec.durable
        while len(self._declared) > REMEMBERED:
            del self._declared[next(iter(self._declared))]

    def of(self, group: str, handler: str) -> JobDefaults:
        """What holds for the durable jobs of a handler; the defaults of the defaults where none has been declared."""
        return self._declared.get((group, handler), NOTHING_DECLARED)
