"""The jobs of one group that wait for a free slot: FIFO within priority, in lanes of equal needs.

A lane holds the jobs that any one worker either all can take or all can't, so choosing the next job for a worker looks
at the lanes' heads only.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import NamedTuple

from farhand.model.job import Job

Labels = frozenset[tuple[str, str]]
NO_LABELS: Labels = frozenset()


class Need(NamedTuple):
    """What a job asks of a worker: the handler, the labels, and the one link its session is pinned to."""

    handler: str
    labels: Labels = NO_LABELS
    pinned: int | None = None


class Lane:
    """Waiting jobs with one need."""

    __slots__ = ("_jobs", "need")

    def __init__(self, need: Need) -> None:
        self.need = need
        self._jobs: dict[int, OrderedDict[str, tuple[int, Job]]] = {}

    def __bool__(self) -> bool:
        return bool(self._jobs)

    def add(self, job: Job, order: int, *, front: bool = False) -> None:
        """Append a job; `order` is its place among all lanes of the group, lower is earlier."""
        jobs = self._jobs.setdefault(job.priority, OrderedDict())
        jobs[job.id] = (order, job)
        if front:
            jobs.move_to_end(job.id, last=False)

    def head(self) -> tuple[int, int]:
        """The sort key of its next job, lower is earlier. Only while there is one."""
        priority = max(self._jobs)
        return -priority, next(iter(self._jobs[priority].values()))[0]

    def pop(self) -> Job:
        """Take its next job."""
        priority = max(self._jobs)
        jobs = self._jobs[priority]
        _, (_, job) = jobs.popitem(last=False)
        if not jobs:
            del self._jobs[priority]
        return job

    def remove(self, job: Job) -> None:
        """Take out this job, which is in it."""
        jobs = self._jobs[job.priority]
        del jobs[job.id]
        if not jobs:
            del self._jobs[job.priority]

    def oldest(self) -> float:
        """When its longest-waiting job was submitted."""
        return min(next(iter(jobs.values()))[1].submitted for jobs in self._jobs.values())
