"""The way to a hub over plain HTTP, as Devaria's runners go it: they ask for jobs, claim them, and report.

All of it runs in a thread of its own with its own event loop, so that no handler holds up a heartbeat. What fails on
the way is asked again, later each time; a claim that is refused is another runner's, and the next job is tried.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import time
from collections.abc import Callable
from typing import Any, Protocol

import httpx
import msgspec

from farhand.core.retrying import Backoff
from farhand.errors import FarhandError
from farhand.model.event import Event, Kind
from farhand.wire.devaria import asked, told
from farhand.worker.pulled import Pulled, cut

POLL_LEAST, POLL_MOST, POLL_MORE = 1.0, 30.0, 1.5
"""Seconds between two polls: the least after work, longer each time where there is none, up to the most."""
BEAT_EVERY = 30.0
"""Seconds between the heartbeats of a job that says nothing."""
NEWS_EVERY = 3.0
"""The same of one that says something, for each job that runs."""
REPORT_WITHIN = 600.0
"""Seconds for which an end is told again where it can't be."""
TIMEOUT = httpx.Timeout(30.0, connect=10.0)
AGAIN = frozenset({408, 425, 429, 500, 502, 503, 504})
"""Statuses after which the same is asked again."""


class NotLetIn(FarhandError):
    """The hub doesn't take the key, or isn't one of Devaria's; the message says what to correct."""

    code = "NOT_LET_IN"
    grpc_status = "UNAUTHENTICATED"
    http_status = 401


class Work(Protocol):
    """Who runs the jobs. Called in the link's thread."""

    def begin(self, job: Pulled, params: dict[str, Any]) -> None:
        """Run a job; it says its end."""

    def give_up(self, job: Pulled) -> None:
        """Stop a job that is another's by now."""


class Identity(msgspec.Struct, kw_only=True):
    """How a runner is known. `types` are the jobs it can run; an empty `id` is given by the hub."""

    id: str = ""
    name: str
    types: tuple[str, ...]


class Answer(msgspec.Struct, frozen=True):
    """A status and an object."""

    status: int
    body: dict[str, Any]


class DevariaLink:
    """One runner's. `on_known` is called with its id when the hub has given it one."""

    def __init__(
        self, url: str, key: str, who: Identity, slots: int, work: Work, on_known: Callable[[str], None]
    ) -> None:
        self._url = url.rstrip("/")
        self._key = key
        self._who = who
        self._slots = slots
        self._work = work
        self._on_known = on_known
        self._log = logging.getLogger("farhand.devaria")
        self._jobs: dict[str, asyncio.Task[None]] = {}
        self._free = asyncio.Event()
        self._stopping = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._web: httpx.AsyncClient

    # -- its life ----------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Pull and run jobs until `stop`, then wait for those that run.

        Raises:
            NotLetIn: the key isn't taken, or there are no such routes.
        """
        self._loop = asyncio.get_running_loop()
        headers = {"authorization": f"Bearer {self._key}"}
        limits = httpx.Limits(max_connections=self._slots + 4)
        async with httpx.AsyncClient(headers=headers, timeout=TIMEOUT, limits=limits) as self._web:
            await self._introduce()
            pause = POLL_LEAST
            while not self._stopping.is_set():
                self._free.clear()
                if len(self._jobs) < self._slots:
                    claimed = await self._poll()
                    pause = POLL_LEAST if claimed else min(POLL_MOST, pause * POLL_MORE)
                await self._wait(pause * random.uniform(0.8, 1.2))
            if self._jobs:
                self._log.info("Waiting for %d jobs to end", len(self._jobs))
                await asyncio.gather(*self._jobs.values(), return_exceptions=True)

    def stop(self) -> None:
        """Claim nothing more. From any thread."""
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # it has ended meanwhile
                self._loop.call_soon_threadsafe(self._stop)

    def _stop(self) -> None:
        self._stopping.set()
        self._free.set()

    async def _wait(self, seconds: float) -> None:
        """Until a slot is free, or for so long if one is."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds if len(self._jobs) < self._slots else None):
                await self._free.wait()

    # -- beginning ---------------------------------------------------------------------------------------------------

    async def _introduce(self) -> None:
        """Be known to the hub: as the runner that this one was before, or as a new one."""
        if self._who.id:
            found = await self._ask("GET", "/api/runner/verify")
            if found is None or found.status == 200:
                return
            self._let_in(found)
            self._log.warning("Runner %s is not known any more, and is registered anew", self._who.id)
            self._who.id = ""
        wanted = {"name": self._who.name, "capabilities": list(self._who.types)}
        found = await self._ask("POST", "/api/runner/register", wanted)
        if found is not None:
            self._let_in(found, 201)
            self._who.id = str(found.body.get("runner_id", ""))
            self._log.info("Registered as %s, runner ID %s", self._who.name, self._who.id)
            self._on_known(self._who.id)

    def _let_in(self, found: Answer, status: int = 404) -> None:
        """See that the hub has answered as one of Devaria's does.

        Raises:
            NotLetIn: it hasn't.
        """
        if found.status != status:
            why = found.body.get("error") or found.body.get("message") or f"status {found.status}"
            raise NotLetIn(f"Failed to register runner at {self._url}: {why}")

    async def _poll(self) -> int:
        """Claim as many jobs as there is room for; how many there were."""
        query = [("types[]", name) for name in self._who.types]
        found = await self._ask("GET", "/api/runner/jobs/available", query=query)
        if found is None or found.status != 200:
            self._complain("poll", found)
            return 0
        claimed = 0
        for offer in found.body.get("jobs", ()):
            if len(self._jobs) >= self._slots or self._stopping.is_set():
                break
            id = str(offer["job_id"])
            if id not in self._jobs and (job := await self._claim(id)) is not None:
                self._begin(id, job)
                claimed += 1
        return claimed

    async def _claim(self, id: str) -> dict[str, Any] | None:
        found = await self._ask("POST", f"/api/runner/jobs/{id}/claim", {})
        if found is not None and found.status == 200:
            job: dict[str, Any] = found.body["job"]
            return job
        if found is None or found.status != 409:  # which is another runner's
            self._complain("claim", found)
        return None

    def _begin(self, id: str, job: dict[str, Any]) -> None:
        loop, said = asyncio.get_running_loop(), asyncio.Event()

        def wake() -> None:
            with contextlib.suppress(RuntimeError):  # a job's last word after the link's end
                loop.call_soon_threadsafe(said.set)

        pulled = Pulled(id, str(job["job_type"]), asked.CONSOLE_LIMIT, wake)
        self._log.info("Executing job %s of type %r", id, pulled.job_type)
        self._jobs[id] = loop.create_task(self._accompany(pulled, job.get("input_params") or {}, said))

    # -- a job -------------------------------------------------------------------------------------------------------

    async def _accompany(self, job: Pulled, params: dict[str, Any], said: asyncio.Event) -> None:
        """Run a job, beat while it runs, and tell its end."""
        try:
            self._work.begin(job, params)
            while job.end is None:
                told_until, beat_at = job.said, time.monotonic()
                if not await self._beat(job):
                    self._log.warning("Job %s was lost: it is another's by now, or was cancelled", job.id)
                    self._work.give_up(job)
                    return
                await self._news(job, said, told_until, beat_at)
            await self._tell_end(job, job.end)
        except Exception:
            self._log.exception("Job %s can't be accompanied", job.id)
        finally:
            del self._jobs[job.id]
            self._free.set()

    async def _news(self, job: Pulled, said: asyncio.Event, told_until: int, beat_at: float) -> None:
        """Wait until the next heartbeat is due, or the job has ended."""
        while job.end is None:
            said.clear()
            pause = NEWS_EVERY * len(self._jobs) if job.said > told_until else BEAT_EVERY
            left = beat_at + min(pause, BEAT_EVERY) - time.monotonic()
            if left <= 0:
                return
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(left):
                    await said.wait()

    async def _beat(self, job: Pulled) -> bool:
        """Whether the job is still this runner's, as far as is known."""
        progress = job.progress
        body = {
            "progress_current": None if progress is None else progress.current,
            "progress_total": None if progress is None else progress.total,
            "console_output": job.console,
        }
        found = await self._ask("POST", f"/api/runner/jobs/{job.id}/heartbeat", body, within=BEAT_EVERY, job=job)
        return found is None or found.status != 400

    async def _tell_end(self, job: Pulled, end: Event) -> None:
        verb, body = _report(job, end)
        found = await self._tell(job, verb, body)
        if found is not None and found.status == 400 and "success" not in found.body and verb == "complete":
            verb, body = _broken(job, f"Job execution failed: {found.body.get('error', 'the result is refused')}")
            found = await self._tell(job, verb, body)
        if found is None or found.status != 200:
            self._complain(f"report the end of job {job.id}", found)
        elif verb == "complete":
            self._log.info("Successfully completed job %s", job.id)
        else:
            self._log.error("Job %s failed: %s", job.id, body["error_message"])

    async def _tell(self, job: Pulled, verb: str, body: dict[str, Any]) -> Answer | None:
        return await self._ask("POST", f"/api/runner/jobs/{job.id}/{verb}", body, within=REPORT_WITHIN)

    # -- asking ------------------------------------------------------------------------------------------------------

    async def _ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        query: Any = None,
        within: float | None = None,
        job: Pulled | None = None,
    ) -> Answer | None:
        """What the hub answers; None where it didn't within the time, the job has ended meanwhile, or, without a time,
        this runner stops."""
        backoff, began = Backoff(0.5, POLL_MOST), time.monotonic()
        while True:
            pause = backoff.next(random.random())
            try:
                found = await self._ask_once(method, path, body, query)
                if found.status not in AGAIN:
                    return found
                self._complain(f"{method} {path}", found)
                pause = max(pause, _until(found))
            except httpx.HTTPError as error:
                self._log.warning("%s %s failed: %s", method, path, str(error) or type(error).__name__)
            if within is None and not await self._rest(pause):
                return None
            if within is not None:
                if time.monotonic() + pause > began + within:
                    return None
                await asyncio.sleep(pause)
            if job is not None and job.end is not None:
                return None

    async def _ask_once(self, method: str, path: str, body: Any, query: Any) -> Answer:
        headers = {"x-runner-id": self._who.id} if self._who.id else {}
        content = None
        if body is not None:
            headers["content-type"] = "application/json"
            content = told.encode(body)
        answer = await self._web.request(method, self._url + path, params=query, content=content, headers=headers)
        try:
            found = msgspec.json.decode(answer.content)
        except (msgspec.MsgspecError, ValueError, RecursionError):
            found = {"error": f"{self._url} answers no JSON: status {answer.status_code}"}
        return Answer(answer.status_code, found if isinstance(found, dict) else {})

    async def _rest(self, seconds: float) -> bool:
        """Wait; whether to go on."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
        return not self._stopping.is_set()

    def _complain(self, what: str, found: Answer | None) -> None:
        if found is not None:
            why = found.body.get("error") or found.body.get("message") or "no reason given"
            self._log.error("Failed to %s: status %d, %s", what, found.status, why)
        elif not self._stopping.is_set():
            self._log.error("Failed to %s: no answer", what)


def _report(job: Pulled, end: Event) -> tuple[str, dict[str, Any]]:
    """The verb and the body that tell of a job's end."""
    if end.kind is not Kind.SUCCEEDED:
        return _broken(job, told.error(end.fault)["error"])
    try:
        output = told.output_of(end.payload, job.chunks)
    except FarhandError as error:
        return _broken(job, f"Job execution failed: {error.message}")
    return "complete", {"output_data": output, "console_output": job.console}


def _broken(job: Pulled, message: str) -> tuple[str, dict[str, Any]]:
    message = cut(message, asked.ERROR_LIMIT)
    printed = f"{job.console.rstrip()}\n{message}" if job.console else message
    return "error", {"error_message": message, "console_output": cut(printed, asked.CONSOLE_LIMIT)}


def _until(found: Answer) -> float:
    """Seconds until the hub lets this runner ask again, at most a minute."""
    again = found.body.get("resetTime")
    return min(60.0, max(0.0, again / 1000 - time.time())) if isinstance(again, int | float) else 0.0
