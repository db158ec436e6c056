"""Services and whoever orders from them."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx

from farhand.assembly import RunningService, serve_service
from farhand.kits.service.options import ServiceOptions

PROJECT = Path(__file__).parent / "project"
PROTO = str(PROJECT / "my_service_pb2.py")
APP = str(PROJECT / "service_app.py")
TEMPLATE = str(PROJECT / "template_module.py")
SERVICE = "/my_service.MyService"


class Orchestrator:
    """Orders, polls with the id of the answer, and asks for the output, as the real one does."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self.http = http

    async def order(
        self, method: str, inputs: Sequence[dict[str, Any]] = (), task_id: str = "node-1", **parameters: Any
    ) -> dict[str, Any]:
        """The answer to an order."""
        body = {"method": method, "workflow_id": "w", "task_id": task_id, "inputs": list(inputs)}
        answer = await self.http.post("/control/execute", json={**body, "parameters": parameters})
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    async def status(self, id: str) -> dict[str, Any]:
        """How a task is."""
        return dict((await self.http.get(f"/control/status/{id}")).json())

    async def end(self, id: str) -> dict[str, Any]:
        """A task's status once it has ended."""
        async with asyncio.timeout(50):
            while True:
                state = await self.status(id)
                if state["status"] != "running":
                    return state
                await asyncio.sleep(0.02)

    async def output(self, id: str) -> dict[str, Any]:
        """Where a task's result is."""
        answer = await self.http.get(f"/control/output/{id}")
        assert answer.status_code == 200, answer.text
        return dict(answer.json()["output"])

    async def run(self, method: str, inputs: Sequence[dict[str, Any]] = (), **parameters: Any) -> dict[str, Any]:
        """The reference to the result of a task that succeeds."""
        id = (await self.order(method, inputs, **parameters))["task_id"]
        state = await self.end(id)
        assert state == {"status": "complete", "progress": 100, "error": None}
        return await self.output(id)

    async def why(self, method: str, inputs: Sequence[dict[str, Any]] = (), **parameters: Any) -> str:
        """Why a task fails."""
        state = await self.end((await self.order(method, inputs, **parameters))["task_id"])
        assert state["status"] == "failed", state
        return str(state["error"])

    async def data(self, reference: dict[str, Any]) -> bytes:
        """What a reference over HTTP gives."""
        answer = await self.http.get(reference["uri"])
        assert answer.status_code == 200
        return answer.content


@contextlib.contextmanager
def modules() -> Iterator[None]:
    """Forget afterwards what a service has loaded, but for its protos, which protobuf keeps."""
    before, path = set(sys.modules), list(sys.path)
    try:
        yield
    finally:
        for name in set(sys.modules) - before - {"my_service_pb2"}:
            if str(PROJECT) in str(getattr(sys.modules[name], "__file__", "")):
                del sys.modules[name]
        sys.path[:] = path


@contextlib.asynccontextmanager
async def served(target: str = APP, **options: Any) -> AsyncIterator[tuple[RunningService, Orchestrator]]:
    """A service in this process, and an orchestrator."""
    wanted = ServiceOptions(target=target, protos=(PROTO,), port=0, grpc_port=0, **options)
    with modules():
        async with await serve_service(wanted) as service:
            key = {"authorization": f"Bearer {wanted.key}"} if wanted.key else {}
            async with httpx.AsyncClient(
                base_url=f"http://{service.http}", timeout=50, trust_env=False, headers=key
            ) as http:
                yield service, Orchestrator(http)
