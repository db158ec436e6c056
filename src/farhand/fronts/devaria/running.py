"""The routes of pull runners."""

from __future__ import annotations

from urllib.parse import parse_qs

from farhand.errors import InvalidArguments
from farhand.fronts.devaria.app import Answer, Asking, Route, Verb
from farhand.fronts.devaria.jobs import Jobs
from farhand.hub.pulling import Word
from farhand.model.names import check_name
from farhand.wire.devaria import asked, told

OFFERED = 50
TYPES_LIMIT = 1_000
_NOT_YOURS = "Job not found or not claimed by this runner"
_NOT_TO_BE_HAD = "Job already claimed or not found"


class Running:
    """Their verbs."""

    def __init__(self, jobs: Jobs) -> None:
        self._jobs = jobs
        self._pulling = jobs.durables.pulling
        self._runners = jobs.durables.runners

    def routes(self) -> list[Route]:
        """Theirs."""
        own: list[tuple[str, str, Verb]] = [
            ("POST", "register", self.register),
            ("GET", "verify", self.verify),
            ("GET", "jobs/available", self.available),
            ("POST", "jobs/{id}/claim", self.claim),
            ("POST", "jobs/{id}/heartbeat", self.heartbeat),
            ("POST", "jobs/{id}/complete", self.complete),
            ("POST", "jobs/{id}/error", self.error),
        ]
        return [
            Route(
                method=method,
                path=f"/api/runner/{path}",
                level="runner",
                rate="runner",
                named=path != "register",
                verb=verb,
            )
            for method, path, verb in own
        ]

    async def register(self, asking: Asking) -> Answer:
        """Take a new runner in."""
        given = asked.read_registration(asking.body)
        runner = await self._runners.register(given.name, given.capabilities)
        return Answer(201, {"runner_id": runner.id, "message": "Runner registered successfully"})

    async def verify(self, asking: Asking) -> Answer:
        """Whether a runner is known."""
        runner = await self._runners.get(asking.runner)
        if runner is None:
            return Answer(404, {"exists": False, "message": "Runner not found"})
        return Answer(200, {"exists": True, "runner_name": runner.name, "message": "Runner verified successfully"})

    async def available(self, asking: Asking) -> Answer:
        """What it may claim."""
        types = _types(asking.query)
        found = await self._pulling.due(self._jobs.options.group, types, OFFERED) if types else []
        offers = [
            {
                "job_id": kept.job.id,
                "job_type": kept.job.handler,
                "input_params": params,
                "created_at": told.ms(kept.job.created),
            }
            for kept in found
            if (params := self._jobs.params(kept)) is not None
        ]
        return Answer(200, {"jobs": offers})

    async def claim(self, asking: Asking) -> Answer:
        """Give it a job."""
        options, kept = self._jobs.options, await self._jobs.get(asking.id)
        params = None if kept is None else self._jobs.params(kept)
        if kept is not None and params is not None:
            kept = await self._pulling.claim(asking.id, options.group, asking.runner, options.lease)
        if kept is None or params is None:
            return Answer(409, {"success": False, "message": _NOT_TO_BE_HAD})
        job = {"job_id": kept.job.id, "job_type": kept.job.handler, "input_params": params}
        return Answer(200, {"success": True, "message": "Job claimed successfully", "job": job})

    async def heartbeat(self, asking: Asking) -> Answer:
        """It goes on with its job."""
        beat = asked.read_beat(asking.body)
        word = Word(job=asking.id, runner=asking.runner, console=beat.console, progress=beat.progress)
        held = await self._is_ours(asking) and await self._pulling.go_on(word, self._jobs.options.lease)
        return _heard(held, "Heartbeat received")

    async def complete(self, asking: Asking) -> Answer:
        """Its job has a result."""
        done = asked.read_completed(asking.body)
        word = Word(job=asking.id, runner=asking.runner, console=done.console)
        held = await self._is_ours(asking) and await self._pulling.succeed(word, done.output)
        return _heard(held, "Job completed successfully")

    async def error(self, asking: Asking) -> Answer:
        """Its job failed."""
        broken = asked.read_broken(asking.body)
        word = Word(job=asking.id, runner=asking.runner, console=broken.console)
        held = await self._is_ours(asking) and await self._pulling.fail(word, broken.message)
        return _heard(held, "Job error recorded")

    async def _is_ours(self, asking: Asking) -> bool:
        """Whether it is a job of Devaria's that this runner holds."""
        kept = await self._jobs.get(asking.id)
        return kept is not None and self._pulling.holds(kept, asking.runner)


def _heard(held: bool, message: str = "") -> Answer:
    return Answer(200 if held else 400, {"success": held, "message": message if held else _NOT_YOURS})


def _types(query: bytes) -> frozenset[str]:
    """The types that are asked for; what can be no handler's name is none."""
    try:
        given = parse_qs(query.decode("latin-1"), max_num_fields=TYPES_LIMIT).get("types[]", [])
    except ValueError:
        raise InvalidArguments(f"at most {TYPES_LIMIT} types[] may be asked for") from None
    found = set()
    for one in given:
        try:
            found.add(check_name("type", one))
        except InvalidArguments:
            continue
    return frozenset(found)
