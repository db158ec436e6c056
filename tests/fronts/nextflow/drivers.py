"""Drivers of the front conformance suite for Nextflow's doors. A failure is told in an action's message, which begins
with the error's code where it isn't the handler's own."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import grpc
import httpx

from farhand.kits.nextflow import AiServer, send_task_observation
from farhand.testing.conformance.fronts import Told, end_of

CAN = frozenset({"result", "failure", "cancel", "deadline", "lost_worker"})


def told(success: bool, details: str, message: str) -> Told:
    """What an action tells."""
    if success:
        return Told(end="succeeded", result=json.loads(details) if details != "again" else details)
    code = message.partition(":")[0]
    return Told(end=end_of(code) if code.isupper() else "failed", message=message)


async def sent(observation: dict[str, Any], address: str, timeout: float | None, leave: asyncio.Event | None) -> Told:
    """Send an observation as plugins do; cancel it when `leave` is set."""
    ended, loop = asyncio.Event(), asyncio.get_running_loop()
    future = send_task_observation(observation, address, timeout=timeout)
    future.add_done_callback(lambda _: loop.call_soon_threadsafe(ended.set))

    async def cancel() -> None:
        await (leave or asyncio.Event()).wait()
        future.cancel()

    cancelling = asyncio.ensure_future(cancel())
    await ended.wait()
    cancelling.cancel()
    if future.cancelled():
        return Told(end="cancelled")
    action = future.result()
    if future.code() is grpc.StatusCode.DEADLINE_EXCEEDED:
        assert not action.success
        return Told(end="expired", message=action.message)
    return told(action.success, action.action_details, action.message)


class Server:
    """An `AiServer` whose policy is a handler."""

    can = CAN | {"unknown_handler"}

    def __init__(self, hub: str, log: str) -> None:
        self._hub = hub
        self._log = log

    async def ask(
        self,
        handler: str,
        args: Mapping[str, Any],
        *,
        timeout: float | None = None,
        leave: asyncio.Event | None = None,
    ) -> Told:
        with AiServer(port=0, log_file=self._log, policy=handler, hub=self._hub) as server:
            observation = {"task_name": json.dumps(args)}
            return await sent(observation, f"127.0.0.1:{server.port}", timeout, leave)


class HubActions:
    """The hub's own gRPC port."""

    can = CAN

    def __init__(self, hub: str) -> None:
        self._hub = hub

    async def ask(
        self,
        handler: str,
        args: Mapping[str, Any],
        *,
        timeout: float | None = None,
        leave: asyncio.Event | None = None,
    ) -> Told:
        observation = {"process_name": handler, "task_name": json.dumps(args)}
        return await sent(observation, self._hub, timeout, leave)


class Weblog:
    """The hub's HTTP port. Nextflow says no deadline."""

    can = CAN - {"deadline"}

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http

    async def ask(
        self,
        handler: str,
        args: Mapping[str, Any],
        *,
        timeout: float | None = None,
        leave: asyncio.Event | None = None,
    ) -> Told:
        event = {
            "runName": "r",
            "runId": "i",
            "event": "process_completed",
            "utcTime": "2026-03-01T11:00:00Z",
            "trace": {"process": handler, "name": json.dumps(args)},
        }
        asked = asyncio.ensure_future(self._http.post("/nextflow/weblog", json=event))

        async def cancel() -> None:
            await (leave or asyncio.Event()).wait()
            asked.cancel()

        cancelling = asyncio.ensure_future(cancel())
        try:
            answer = await asked
        except asyncio.CancelledError:
            return Told(end="cancelled")
        finally:
            cancelling.cancel()
        assert answer.status_code == 200, answer.text
        action = answer.json()
        return told(action["success"], action["action_details"], action["message"])
