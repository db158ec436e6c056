"""Drivers of the front conformance suite: each speaks one of the hub's own protocols as its clients do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any

import grpc
import httpx
import msgspec

from farhand.client import AsyncClient
from farhand.errors import FarhandError
from farhand.model.event import Event, Kind
from farhand.model.payload import Media
from farhand.testing.conformance.fronts import SCENARIOS, Told, end_of
from farhand.wire.farhand._pb import client_pb2, common_pb2
from farhand.wire.plain import value_of
from tests.fronts.raw import CLIENT, OPTIONS, Refusal

JSON: Any = int(Media.JSON)
Progress = tuple[float, float | None]


def leaving(leave: asyncio.Event | None, asked: asyncio.Future[Any]) -> asyncio.Task[None]:
    """Cancel what was asked when `leave` is set."""

    async def watch() -> None:
        await (leave or asyncio.Event()).wait()
        asked.cancel()

    return asyncio.ensure_future(watch())


def of_error(error: FarhandError) -> Told:
    """What an error tells."""
    return Told(end=end_of(error.code), message=str(error))


class Grpc:
    """A bare gRPC caller of `Run` or `Stream`."""

    def __init__(self, address: str, *, streams: bool) -> None:
        self.can = SCENARIOS if streams else SCENARIOS - {"progress"}
        self._address = address
        self._streams = streams

    async def ask(
        self,
        handler: str,
        args: Mapping[str, Any],
        *,
        timeout: float | None = None,
        leave: asyncio.Event | None = None,
    ) -> Told:
        payload = common_pb2.Payload(data=msgspec.json.encode(args), media=JSON)
        request = client_pb2.RunRequest(handler=handler, args=payload)
        async with grpc.aio.insecure_channel(self._address, options=OPTIONS) as channel:
            call = self._stream(channel, request, timeout) if self._streams else self._run(channel, request, timeout)
            asked = asyncio.ensure_future(call)
            watching = leaving(leave, asked)
            try:
                return await asked
            except asyncio.CancelledError:
                return Told(end="cancelled")
            except grpc.aio.AioRpcError as error:
                refusal = Refusal(error)
                if not refusal.reason and refusal.code is grpc.StatusCode.DEADLINE_EXCEEDED:
                    return Told(end="expired")  # gRPC's own deadline, which both ends keep
                return Told(end=end_of(refusal.reason), message=refusal.message)
            finally:
                watching.cancel()

    async def _run(self, channel: grpc.aio.Channel, request: Any, timeout: float | None) -> Told:
        run: Any = channel.unary_unary(
            CLIENT + "Run", client_pb2.RunRequest.SerializeToString, client_pb2.RunResponse.FromString
        )
        answer = await run(request, timeout=timeout)
        return Told(
            end="succeeded",
            result=_value(answer.result),
            chunks=tuple(_value(chunk) for chunk in answer.chunks),
        )

    async def _stream(self, channel: grpc.aio.Channel, request: Any, timeout: float | None) -> Told:
        stream: Any = channel.unary_stream(
            CLIENT + "Stream", client_pb2.RunRequest.SerializeToString, client_pb2.JobEvent.FromString
        )
        result, chunks, progress = None, list[Any](), list[Progress]()
        async for event in stream(request, timeout=timeout):
            if event.kind == Kind.CHUNK:
                chunks.append(_value(event.payload))
            elif event.kind == Kind.PROGRESS:
                progress.append((event.progress.current, event.progress.total))
            elif event.kind == Kind.SUCCEEDED:
                result = _value(event.payload)
        return Told(end="succeeded", result=result, chunks=tuple(chunks), progress=tuple(progress))


def _value(payload: Any) -> Any:
    return msgspec.json.decode(payload.data) if payload.data else None


class Channel:
    """The Python client, which multiplexes its calls on one stream."""

    can = SCENARIOS

    def __init__(self, client: AsyncClient) -> None:
        self._client = client

    async def ask(
        self,
        handler: str,
        args: Mapping[str, Any],
        *,
        timeout: float | None = None,
        leave: asyncio.Event | None = None,
    ) -> Told:
        events = list[Event]()
        stream = self._client.stream(handler, dict(args), timeout=timeout or 60.0)

        async def cancel() -> None:
            await (leave or asyncio.Event()).wait()
            await stream.cancel()

        cancelling = asyncio.ensure_future(cancel())
        try:
            async for event in stream.events():
                events.append(event)
        except FarhandError as error:
            return of_error(error)
        finally:
            cancelling.cancel()
        return Told(
            end="succeeded",
            result=stream.result,
            chunks=tuple(value_of(event.payload) for event in events if event.kind is Kind.CHUNK),
            progress=tuple((event.progress.current, event.progress.total) for event in events if event.progress),
        )


class HttpRun:
    """``POST /v1/run``."""

    can = SCENARIOS - {"progress"}

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
        query = {} if timeout is None else {"timeout": timeout}
        asked = asyncio.ensure_future(self._http.post(f"/v1/run/{handler}", json=dict(args), params=query))
        watching = leaving(leave, asked)
        try:
            answer = await asked
        except asyncio.CancelledError:
            return Told(end="cancelled")
        finally:
            watching.cancel()
        body = answer.json()
        if answer.status_code != 200:
            return Told(end=end_of(body["code"]), message=body["detail"])
        return Told(end="succeeded", result=body, chunks=tuple(body) if isinstance(body, list) else ())


class HttpJobs:
    """``POST /v1/jobs``, and the job's events as they come. A job whose handler nobody serves yet waits for one."""

    can = SCENARIOS - {"unknown_handler"}

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
        answer = await self._http.post("/v1/jobs", json={"handler": handler, "args": dict(args), "timeout": timeout})
        assert answer.status_code == 202, answer.text
        id = answer.json()["id"]

        async def cancel() -> None:
            await (leave or asyncio.Event()).wait()
            await self._http.post(f"/v1/jobs/{id}/cancel")

        cancelling = asyncio.ensure_future(cancel())
        try:
            entries = [entry async for entry in self._events(id)]
        finally:
            cancelling.cancel()
        last = entries[-1]
        if last["kind"] != "succeeded":
            return Told(end=end_of(last["error"]), message=last["message"])
        return Told(
            end="succeeded",
            result=last.get("value"),
            chunks=tuple(entry["value"] for entry in entries if entry["kind"] == "chunk"),
            progress=tuple((entry["current"], entry["total"]) for entry in entries if entry["kind"] == "progress"),
        )

    async def _events(self, id: str) -> AsyncIterator[dict[str, Any]]:
        async with self._http.stream("GET", f"/v1/jobs/{id}/events") as log:
            async for line in log.aiter_lines():
                if line.startswith("data: "):
                    yield msgspec.json.decode(line[6:], type=dict[str, Any])


class Control:
    """Orders, whose progress is a percentage that is asked for again and again."""

    can = frozenset({"result", "progress", "failure", "lost_worker", "unknown_handler"})

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
        order = {"method": handler, "workflow_id": "w", "task_id": "t", "parameters": dict(args)}
        answer = await self._http.post("/control/execute", json=order)
        if answer.status_code == 400 and answer.json()["detail"].startswith("Unknown method"):
            return Told(end="unknown", message=answer.json()["detail"])
        id = answer.json()["task_id"]
        progress = list[Progress]()
        while (state := (await self._http.get(f"/control/status/{id}")).json())["status"] == "running":
            if not progress or progress[-1] != (state["progress"], 100.0):
                progress.append((state["progress"], 100.0))
            await asyncio.sleep(0.02)
        if state["status"] == "failed":
            return Told(end="failed", message=state["error"])
        output = (await self._http.get(f"/control/output/{id}")).json()["output"]
        result = (await self._http.get(output["uri"])).json()
        return Told(end="succeeded", result=result, progress=tuple(progress))
