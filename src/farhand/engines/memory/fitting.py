"""What a job fits, and when it needs a decision: how a store in memory looks for jobs."""

from __future__ import annotations

from typing import Any

from farhand.model.durable import KeptJob
from farhand.model.event import Event
from farhand.model.state import LEASED
from farhand.ports.store import Claim, Filter


def can_take(kept: KeptJob, wanted: Claim) -> bool:
    """Whether a claim is for such a job."""
    return (
        kept.job.handler in wanted.handlers
        and kept.job.labels.items() <= wanted.labels.items()
        and kept.job.group == wanted.group
    )


def fits(kept: KeptJob, wanted: Filter) -> bool:
    """Whether it is to be listed; its cache key is looked at elsewhere."""
    job = kept.job
    texts: tuple[tuple[str, Any], ...] = (
        (wanted.handler, job.handler),
        (wanted.group, job.group),
        (wanted.schedule, job.schedule),
        (wanted.code, code_of(kept.last)),
        (wanted.retry_of, job.retry_of),
    )
    return (
        all(not text or text == own for text, own in texts)
        and (not wanted.states or kept.state in wanted.states)
        and (not wanted.before or job.id < wanted.before)
        and wanted.labels.items() <= job.labels.items()
    )


def code_of(last: Event | None) -> str:
    """The code of the fault that a job ended with, if it did."""
    return last.fault.code if last is not None and last.fault is not None else ""


def decisions(kept: KeptJob) -> list[float]:
    """When the job needs a decision."""
    times = [kept.job.end_by]
    if kept.state in LEASED:
        times.append(kept.lease_until)
    elif kept.attempt == 0:
        times.append(kept.job.begin_by)
    return times


def due_at(kept: KeptJob) -> float:
    """When it first needs a decision."""
    return min(decisions(kept))
