"""A hub with Devaria's door, and whoever asks it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx

from farhand.assembly import Doors, RunningHub, open_store, serve_hub
from farhand.fronts.devaria.options import DevariaOptions

SUBMIT, RUNNER, ADMIN = "submit-key", "runner-key", "admin-key"
KEYS = {"submit_key": SUBMIT, "runner_key": RUNNER, "admin_key": ADMIN}
NO_RATES = {"submit_rate": 0, "status_rate": 0, "runner_rate": 0}
NOBODY = "00000000-0000-4000-8000-000000000000"
"""An id that nothing has."""


def devaria_options(**options: Any) -> DevariaOptions:
    """The keys above, and no bounds on rates, unless they are given."""
    return DevariaOptions(**{**KEYS, **NO_RATES, **options})


@asynccontextmanager
async def devaria_hub(
    store: str = "memory:", *, address: str = "127.0.0.1:0", **options: Any
) -> AsyncIterator[RunningHub]:
    """A hub whose keys are the ones above, without bounds on rates unless they are given."""
    store_of_it = await open_store(store)
    async with await serve_hub(store=store_of_it, http=address, doors=Doors(devaria=devaria_options(**options))) as hub:
        yield hub


class Web:
    """Whoever asks: a submitter, a runner and an administrator in one."""

    def __init__(self, address: str) -> None:
        self.client = httpx.AsyncClient(base_url=f"http://{address}", timeout=30, trust_env=False)
        self.runner = ""
        self.submit_key = SUBMIT

    async def ask(self, method: str, path: str, body: Any = None, *, key: str = "", **more: Any) -> httpx.Response:
        """Ask with the key that the path is for."""
        level = (
            RUNNER if path.startswith("/api/runner") else ADMIN if path.startswith("/api/admin") else self.submit_key
        )
        headers = {"Authorization": f"Bearer {key or level}", **more.pop("headers", {})}
        if level == RUNNER and self.runner:
            headers.setdefault("X-Runner-ID", self.runner)
        if body is not None:
            more["json"] = body
        return await self.client.request(method, path, headers=headers, **more)

    async def told(self, method: str, path: str, body: Any = None, status: int = 200, **more: Any) -> Any:
        """What it is answered with this status."""
        answer = await self.ask(method, path, body, **more)
        assert answer.status_code == status, (answer.status_code, answer.text)
        assert answer.headers["access-control-allow-origin"] == "*"
        return answer.json()

    async def submit(self, job_type: str = "hello", status: int = 201, *, retry: Any = None, **params: Any) -> Any:
        """Submit a job."""
        body = {"job_type": job_type, "input_params": params} | ({} if retry is None else {"retry": retry})
        return await self.told("POST", "/api/jobs/submit", body, status)

    async def check(self, job_type: str = "hello", **params: Any) -> Any:
        """Check one."""
        return await self.told("POST", "/api/jobs/check", {"job_type": job_type, "input_params": params})

    async def job(self, id: str) -> Any:
        """A job's status."""
        return await self.told("GET", f"/api/jobs/{id}")

    async def register(self, name: str = "tester", *types: str) -> str:
        """Be a runner."""
        body = {"name": name, "capabilities": list(types or ("hello",))}
        self.runner = (await self.told("POST", "/api/runner/register", body, 201))["runner_id"]
        return self.runner

    async def available(self, *types: str) -> list[dict[str, Any]]:
        """What may be claimed."""
        params = [("types[]", one) for one in types or ("hello",)]
        jobs: list[dict[str, Any]] = (await self.told("GET", "/api/runner/jobs/available", params=params))["jobs"]
        return jobs

    async def claim(self, id: str, status: int = 200) -> Any:
        """Claim a job."""
        return await self.told("POST", f"/api/runner/jobs/{id}/claim", status=status)

    async def beat(self, id: str, console: str = "", current: Any = None, total: Any = None, status: int = 200) -> Any:
        """Say that it goes on."""
        body = {"progress_current": current, "progress_total": total, "console_output": console}
        return await self.told("POST", f"/api/runner/jobs/{id}/heartbeat", body, status)

    async def complete(self, id: str, output: Any = None, console: str = "", status: int = 200) -> Any:
        """Say its result."""
        body = {"output_data": {"done": True} if output is None else output, "console_output": console}
        return await self.told("POST", f"/api/runner/jobs/{id}/complete", body, status)

    async def fail(self, id: str, message: str = "no", console: str = "", status: int = 200) -> Any:
        """Say that it failed."""
        body = {"error_message": message, "console_output": console}
        return await self.told("POST", f"/api/runner/jobs/{id}/error", body, status)


@asynccontextmanager
async def web_of(hub: RunningHub) -> AsyncIterator[Web]:
    """Whoever asks this hub."""
    web = Web(hub.http)
    async with web.client:
        yield web
