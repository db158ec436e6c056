"""The routes of those who have jobs done."""

from __future__ import annotations

from farhand.fronts.devaria.app import Answer, Asking, Route
from farhand.fronts.devaria.jobs import Jobs
from farhand.hub.recalling import Recalled
from farhand.wire.devaria import asked, told


class Submitting:
    """Their verbs."""

    def __init__(self, jobs: Jobs) -> None:
        self._jobs = jobs
        self._recalling = jobs.durables.recalling

    def routes(self) -> list[Route]:
        """Theirs."""
        return [
            Route(method="POST", path="/api/jobs/check", level="submit", rate="submit", verb=self.check),
            Route(method="POST", path="/api/jobs/submit", level="submit", rate="submit", verb=self.submit),
            Route(method="GET", path="/api/jobs/{id}", level="submit", rate="status", verb=self.status),
        ]

    async def check(self, asking: Asking) -> Answer:
        """Whether a job is there, and how it is."""
        wanted = asked.read_job(asking.body)
        found = await self._recalling.find(wanted.identity, self._jobs.good)
        if found is None:
            return Answer(200, {"exists": False, "message": "Job does not exist"})
        return Answer(200, {"exists": True, **(await self._standing(found))})

    async def submit(self, asking: Asking) -> Answer:
        """Have a job done, or hear of the one that is there."""
        wanted = asked.read_job(asking.body)
        found = await self._recalling.submit(self._jobs.job_of(wanted), self._jobs.good, anew=wanted.retry)
        if found.new:
            body = {"job_id": found.kept.job.id, "status": "pending", "message": "Job queued successfully"}
            return Answer(201, body)
        return Answer(200, await self._standing(found))

    async def status(self, asking: Asking) -> Answer:
        """How a job is."""
        kept = await self._jobs.get(asking.id)
        if kept is None:
            return Answer(404, {"error": "Job not found"})
        status = await self._jobs.status(kept)
        progress, at = await self._jobs.durables.pulling.progress(kept)
        body = {
            "job_id": kept.job.id,
            "status": status,
            "job_type": kept.job.handler,
            "created_at": told.ms(kept.job.created),
            "updated_at": told.ms(at),
            **told.progress(progress),
            **await self._jobs.end(kept, status),
        }
        return Answer(200, body)

    async def _standing(self, found: Recalled) -> dict[str, object]:
        status = told.status_of(found.kept, found.outdated)
        return told.standing(found.kept, status, await self._jobs.end(found.kept, status))
