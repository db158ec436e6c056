"""SIGTERM drains, a second one hurries, and who was left behind finds the next hub: with real processes."""

from __future__ import annotations

import asyncio
import signal
import time
from pathlib import Path

import pytest

from farhand.assembly import RunningHub
from farhand.client import AsyncClient
from farhand.errors import OutcomeUnknown, Unavailable
from farhand.model.event import Kind
from farhand.model.worker import WorkerState
from tests.fronts.raw import FAILED, SUCCEEDED, RawClient, RawWorker, events, fault
from tests.hub.processes import exit_status, serving, until, worker

QUEUED = int(Kind.QUEUED)
HUB = ("hub", "--grpc", "127.0.0.1:0")


async def test_a_hub_told_to_stop_finishes_what_runs_refuses_the_rest_and_tells_its_peers() -> None:
    async with (
        serving(*HUB) as (process, address),
        RawWorker(address, group="default") as peer,
        RawClient(address) as caller,
        RawWorker(address, id="idle") as idle,
    ):
        for one in (peer, caller, idle):
            await one.greet()
        await caller.call(1, "work")
        await caller.call(2, "work", group="nobody", timeout_ms=300)
        job = await peer.job()
        process.send_signal(signal.SIGTERM)
        for one in (peer, caller, idle):
            await one.hear(lambda frame: frame.draining)
        await caller.call(3, "work")
        _, body, _ = await caller.event(3, FAILED)
        assert fault(body).code == "UNAVAILABLE"
        assert fault(body).retryable
        assert "the hub is stopping and takes no new work" in fault(body).message
        assert process.poll() is None
        await peer.say(events(job, (SUCCEEDED, b"\x07")))
        assert await caller.event(1, SUCCEEDED) == (SUCCEEDED, b"\x07", 0)
        for one in (peer, caller, idle):
            await one.ended()
            assert one.goodbye is not None
            assert (one.goodbye.code, one.goodbye.message) == ("", "the hub has stopped")
        assert await exit_status(process, 5) == 0


async def test_idle_streams_do_not_hold_up_a_hubs_end() -> None:
    async with (
        serving(*HUB, "--grace", "30") as (process, address),
        RawWorker(address) as one,
        RawWorker(address, id="other") as other,
        RawClient(address) as client,
        RawClient(address) as silent,
    ):
        for peer in (one, other, client):
            await peer.greet()
        await silent.say(b"")
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        assert await exit_status(process, 10) == 0
        assert time.monotonic() - began < 8


@pytest.mark.parametrize(("grace", "signals", "status"), [("0.3", 1, 0), ("30", 2, 128 + signal.SIGTERM)])
async def test_after_its_grace_or_a_second_signal_a_hub_stops_at_once_and_tells_its_callers(
    grace: str, signals: int, status: int
) -> None:
    async with (
        serving(*HUB, "--grace", grace) as (process, address),
        RawWorker(address, group="default") as peer,
        RawClient(address) as caller,
    ):
        await peer.greet()
        await caller.greet()
        await caller.call(1, "work")
        await caller.call(2, "work", group="nobody")
        await caller.event(2, QUEUED)
        await peer.job()
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        await caller.hear(lambda frame: frame.draining)
        for _ in range(signals - 1):
            process.send_signal(signal.SIGTERM)
        await caller.ended()
        ends = {
            call: fault(body).code
            for frame in caller.frames
            for call, kind, body in zip(frame.events.call, frame.events.kind, frame.events.body, strict=True)
            if kind == FAILED
        }
        assert ends == {1: "OUTCOME_UNKNOWN", 2: "NEVER_DISPATCHED"}
        assert await exit_status(process, 5) == status
        assert time.monotonic() - began < 5


@pytest.mark.parametrize("handler", ["wait", "wait_async"])
async def test_a_worker_told_to_stop_finishes_what_runs_and_gets_nothing_new(
    hub: RunningHub, tmp_path: Path, handler: str
) -> None:
    path = tmp_path / "now"
    async with serving(*worker(hub.address, "w1")) as (process, _), AsyncClient(hub.address) as client:

        async def runs() -> bool:
            return path.with_suffix(".begun").exists()

        async def drains() -> bool:
            return [(view.state, view.running) for view in await client.workers()] == [(WorkerState.DRAINING, 1)]

        async def waits() -> bool:
            return (await client.hub()).waiting == 1

        running = asyncio.ensure_future(client.run(handler, {"path": str(path)}))
        await until(runs)
        process.send_signal(signal.SIGTERM)
        await until(drains)
        later = asyncio.ensure_future(client.run("pid"))
        await until(waits)
        assert process.poll() is None
        path.touch()
        assert await running == "waited"
        assert await exit_status(process, 5) == 0
        async with serving(*worker(hub.address, "w2")) as (other, _):
            assert await later == other.pid


@pytest.mark.parametrize("handler", ["wait", "hold", "hog"])
@pytest.mark.parametrize(("grace", "signals"), [("0.3", 1), ("30", 2)], ids=["grace", "second signal"])
async def test_after_its_grace_or_a_second_signal_a_worker_stops_at_once(
    hub: RunningHub, tmp_path: Path, handler: str, grace: str, signals: int
) -> None:
    async with (
        serving(*worker(hub.address, "w1", "--grace", grace)) as (process, _),
        AsyncClient(hub.address) as client,
    ):
        call = asyncio.ensure_future(client.run(handler, {"path": str(tmp_path / "no")}))

        async def runs() -> bool:
            return (tmp_path / "no.begun").exists()

        await until(runs)
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        if signals == 2:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(asyncio.shield(call), 0.3)
            process.send_signal(signal.SIGTERM)
        status = await exit_status(process, 10)
        assert time.monotonic() - began < 6
        assert status == (0 if signals == 1 else 128 + signal.SIGTERM)
        with pytest.raises(OutcomeUnknown):
            await call


async def test_after_a_hub_is_killed_and_another_started_workers_and_clients_come_back(tmp_path: Path) -> None:
    async with (
        serving(*HUB) as (first, address),
        serving(*worker(address, "w1")) as (process, _),
        AsyncClient(address, connect_timeout=20) as client,
    ):
        call = asyncio.ensure_future(client.run("wait", {"path": str(tmp_path / "no")}))

        async def runs() -> bool:
            return [view.running for view in await client.workers()] == [1]

        await until(runs)
        first.send_signal(signal.SIGKILL)
        with pytest.raises(OutcomeUnknown, match="the connection to the hub was lost"):
            await call
        await exit_status(first, 5)
        async with serving("hub", "--grpc", address):
            assert await client.run("pid") == process.pid
            assert [result async for result in client.map("pid", [{}] * 100)] == [process.pid] * 100


async def test_after_a_hub_drained_and_another_started_workers_and_clients_come_back(tmp_path: Path) -> None:
    path = tmp_path / "now"
    async with (
        serving(*HUB) as (first, address),
        serving(*worker(address, "w1")) as (process, _),
        AsyncClient(address, connect_timeout=20) as client,
    ):
        call = asyncio.ensure_future(client.run("wait", {"path": str(path)}))

        async def runs() -> bool:
            return [view.running for view in await client.workers()] == [1]

        async def drains() -> bool:
            return (await client.hub()).draining

        await until(runs)
        first.send_signal(signal.SIGTERM)
        await until(drains)
        path.touch()
        assert await call == "waited"
        assert await exit_status(first, 5) == 0
        async with serving("hub", "--grpc", address):
            assert await client.run("pid") == process.pid
        with pytest.raises((Unavailable, OutcomeUnknown)):
            await client.run("pid", timeout=0.5)
