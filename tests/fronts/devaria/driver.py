"""Devaria's driver of the front conformance suite: a submitter, and an administrator who deletes what is not wanted."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from farhand.testing.conformance.fronts import Told
from tests.fronts.devaria.serving import Web


class Driver:
    """Asks for a job's status again and again. Results that are no objects come as one."""

    can = frozenset({"result", "stream", "progress", "failure", "cancel", "lost_worker"})

    def __init__(self, web: Web) -> None:
        self._web = web

    async def ask(
        self,
        handler: str,
        args: Mapping[str, Any],
        *,
        timeout: float | None = None,
        leave: asyncio.Event | None = None,
    ) -> Told:
        body = {"job_type": handler, "input_params": dict(args)}
        id = (await self._web.told("POST", "/api/jobs/submit", body, 201))["job_id"]
        progress = list[tuple[float, float | None]]()
        while True:
            job = await self._web.job(id)
            if (told := job.get("progress")) and (told["current"], told["total"]) not in progress:
                progress.append((told["current"], told["total"]))
            if job["status"] == "completed":
                output = job["result"]["output_data"]
                chunks = tuple(output.get("chunks", ()))
                return Told(end="succeeded", result=output.get("result"), chunks=chunks, progress=tuple(progress))
            if job["status"] == "failed":
                return Told(end="failed", message=job["error"])
            if leave is not None and leave.is_set():
                await self._web.told("DELETE", f"/api/admin/jobs/{id}")
                await self._web.told("GET", f"/api/jobs/{id}", status=404)
                return Told(end="cancelled")
            await asyncio.sleep(0.02)
