"""The routes of those who look after jobs and runners."""

from __future__ import annotations

import contextlib
from typing import Any
from urllib.parse import parse_qs

from farhand.errors import FarhandError, InvalidArguments
from farhand.fronts.devaria.app import Answer, Asking, Route, Verb
from farhand.fronts.devaria.jobs import Jobs
from farhand.hub.pulling import holder_of
from farhand.hub.runners import Runner
from farhand.model.durable import KeptJob
from farhand.model.limits import LIST_LIMIT
from farhand.model.state import State
from farhand.ports.store import Filter
from farhand.wire.devaria import asked, told

LISTED = 100
_UNKNOWN = Answer(404, {"error": "Job not found"})


class Admin:
    """Their verbs."""

    def __init__(self, jobs: Jobs) -> None:
        self._jobs = jobs
        self._durables = jobs.durables

    def routes(self) -> list[Route]:
        """Theirs."""
        own: list[tuple[str, str, Verb]] = [
            ("GET", "jobs", self.list_jobs),
            ("POST", "jobs/batch-delete", self.delete_batch),
            ("GET", "jobs/{id}", self.job),
            ("DELETE", "jobs/{id}", self.delete),
            ("POST", "jobs/{id}/reset", self.reset),
            ("GET", "runners", self.list_runners),
            ("GET", "runners/{id}", self.runner),
            ("GET", "stats", self.stats),
        ]
        return [Route(method=method, path=f"/api/admin/{path}", level="admin", verb=verb) for method, path, verb in own]

    async def list_jobs(self, asking: Asking) -> Answer:
        """The newest jobs, of one status or of all."""
        status, limit = _listing(asking.query)
        outdated = await self._durables.recalling.outdated()
        found = await self._of_status(status, limit, outdated)
        counts = await self._counts(outdated)
        total = counts[status] if status else counts["total"]
        rows = [self._row(kept, told.status_of(kept, kept.job.id in outdated)) for kept in found]
        return Answer(200, {"jobs": rows, "total": total})

    async def job(self, asking: Asking) -> Answer:
        """All of one job."""
        kept = await self._jobs.get(asking.id)
        if kept is None:
            return _UNKNOWN
        status = await self._jobs.status(kept)
        progress, at = await self._durables.pulling.progress(kept)
        more = {"input_params": self._jobs.params(kept), "updated_at": told.ms(at), **told.progress(progress)}
        return Answer(200, {**self._row(kept, status), **more, **await self._jobs.end(kept, status)})

    async def delete(self, asking: Asking) -> Answer:
        """Delete a job; one that hasn't ended is cancelled first."""
        if not await self._delete(asking.id):
            return _UNKNOWN
        return Answer(200, {"success": True, "message": "Job deleted successfully"})

    async def delete_batch(self, asking: Asking) -> Answer:
        """Delete some."""
        ids = dict.fromkeys(asked.read_batch(asking.body))
        failed = [id for id in ids if not await self._delete(id)]
        deleted = len(ids) - len(failed)
        message = f"Deleted {deleted} of {len(ids)} jobs"
        return Answer(200, {"success": not failed, "deleted": deleted, "failed": failed, "message": message})

    async def reset(self, asking: Asking) -> Answer:
        """Begin an ended job anew, whatever its end was."""
        kept = await self._jobs.get(asking.id)
        if kept is None:
            return _UNKNOWN
        new = await self._durables.recalling.begin_anew(kept)
        body = {"success": True, "job_id": new.job.id, "status": told.OF_STATE[new.state], "message": "Job reset"}
        return Answer(200, body)

    async def list_runners(self, asking: Asking) -> Answer:
        """All runners."""
        return Answer(200, {"runners": [self._runner(one) for one in await self._durables.runners.all()]})

    async def runner(self, asking: Asking) -> Answer:
        """One of them."""
        runner = await self._durables.runners.get(asking.id) if asking.id.isprintable() else None
        if runner is None:
            return Answer(404, {"error": "Runner not found"})
        return Answer(200, self._runner(runner))

    async def stats(self, asking: Asking) -> Answer:
        """How many there are."""
        runners = await self._durables.runners.all()
        active = sum(map(self._durables.runners.is_active, runners))
        jobs = await self._counts(await self._durables.recalling.outdated())
        return Answer(200, {"jobs": jobs, "runners": {"total": len(runners), "active": active}})

    # -- steps -------------------------------------------------------------------------------------------------------

    async def _of_status(self, status: str, limit: int, outdated: frozenset[str]) -> list[KeptJob]:
        group = self._jobs.options.group
        states = told.states_of(status) if status else frozenset[State]()
        if status not in ("completed", "expired") or not outdated:
            return await self._durables.find(Filter(group=group, states=states, limit=limit))
        found: list[KeptJob] = []
        before, looked_at = "", states | {State.SUCCEEDED}
        while page := await self._durables.find(Filter(group=group, states=looked_at, before=before, limit=LIST_LIMIT)):
            found += [kept for kept in page if told.status_of(kept, kept.job.id in outdated) == status]
            if len(found) >= limit or len(page) < LIST_LIMIT:
                break
            before = page[-1].job.id
        return found[:limit]

    async def _counts(self, outdated: frozenset[str]) -> dict[str, int]:
        counts = dict.fromkeys(told.STATUSES, 0)
        for state, count in (await self._durables.tally(self._jobs.options.group)).items():
            counts[told.OF_STATE[state]] += count
        counts["completed"] = max(0, counts["completed"] - len(outdated))
        counts["expired"] += len(outdated)
        return {**counts, "total": sum(counts.values())}

    async def _delete(self, id: str) -> bool:
        with contextlib.suppress(FarhandError):
            kept = await self._jobs.get(id)
            if kept is not None and kept.ended is None:
                kept = await self._durables.cancel(id)
            if kept is not None:
                await self._durables.recalling.forget(kept)
                return True
        return False

    def _row(self, kept: KeptJob, status: str) -> dict[str, Any]:
        return {
            "job_id": kept.job.id,
            "job_type": kept.job.handler,
            "status": status,
            "created_at": told.ms(kept.job.created),
            "updated_at": told.ms(kept.ended or self._durables.pulling.last_word(kept)),
            "claimed_by": holder_of(kept) or None,
        }

    def _runner(self, runner: Runner) -> dict[str, Any]:
        return {
            "runner_id": runner.id,
            "name": runner.name,
            "capabilities": list(runner.capabilities),
            "last_seen": told.ms(runner.seen),
            "is_active": self._durables.runners.is_active(runner),
        }


def _listing(query: bytes) -> tuple[str, int]:
    """The status and the limit of a listing.

    Raises:
        InvalidArguments: one of them makes no sense.
    """
    try:
        given = parse_qs(query.decode("latin-1"), max_num_fields=100)
    except ValueError:
        raise InvalidArguments("Invalid query") from None
    status, limit = given.get("status", [""])[-1], given.get("limit", [str(LISTED)])[-1]
    if status and status not in told.STATUSES:
        raise InvalidArguments(f"Invalid status: one of {', '.join(told.STATUSES)} is needed")
    if not (limit.isascii() and limit.isdigit() and len(limit) < 10 and 1 <= int(limit) <= LIST_LIMIT):
        raise InvalidArguments(f"Invalid limit: 1 to {LIST_LIMIT} is needed")
    return status, int(limit)
