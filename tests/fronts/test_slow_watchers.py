"""Watchers that stop reading: ended with where to go on, and cheap meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from farhand import AsyncClient
from farhand.assembly import RunningHub, open_store, serve_hub
from farhand.fronts.grpc import patience
from farhand.model.event import Kind
from farhand.wire.farhand._pb import client_pb2
from tests.cli.processes import farhand, serving
from tests.conftest import working
from tests.fronts.raw import CLIENT, OPTIONS, Refusal

PIECES, SIZE = 1_000, 60_000
WATCHERS = 8
APP = """
import farhand

app = farhand.App()


@app.handler
async def count(n: int, size: int):
    for number in range(n):
        yield "x" * size
"""


@pytest.fixture
async def kept() -> AsyncIterator[RunningHub]:
    async with await serve_hub(store=await open_store("memory:")) as hub, working(hub.address):
        yield hub


async def long_log(client: AsyncClient) -> str:
    """A job whose log is much larger than what a connection holds."""
    job = await client.submit("count", {"n": PIECES, "size": SIZE})
    async for entry in job.watch(PIECES):
        assert not entry.event.kind.final or entry.event.kind is Kind.SUCCEEDED
    return job.id


def attach(channel: grpc.aio.Channel, id: str, offset: int = 0) -> Any:
    """A raw watcher; it reads nothing until it is asked to."""
    method: Any = channel.unary_stream(
        CLIENT + "Attach",
        request_serializer=client_pb2.AttachRequest.SerializeToString,
        response_deserializer=client_pb2.LogEntry.FromString,
    )
    return method(client_pb2.AttachRequest(job_id=id, offset=offset))


async def read_all(call: Any) -> tuple[list[int], Refusal]:
    """The offsets that come, and how it ends."""
    offsets: list[int] = []
    try:
        while (entry := await call.read()) is not grpc.aio.EOF:
            offsets.append(entry.offset)
    except grpc.aio.AioRpcError as error:
        return offsets, Refusal(error)
    return offsets, Refusal(None)


async def test_a_watcher_that_stops_reading_is_ended_with_its_offset(
    kept: RunningHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patience, "PATIENCE", 0.3)
    ended = asyncio.Event()
    write = patience.write

    async def told(*args: Any) -> None:
        try:
            await write(*args)
        except Exception:
            ended.set()
            raise

    monkeypatch.setattr("farhand.fronts.grpc.jobs.write", told)
    async with AsyncClient(kept.address) as client, grpc.aio.insecure_channel(kept.address, OPTIONS) as channel:
        id = await long_log(client)
        call = attach(channel, id)
        await call.read()
        await asyncio.wait_for(ended.wait(), 10)
        offsets, refusal = await read_all(call)
        assert refusal.code is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert (refusal.reason, refusal.retryable, refusal.details["job"]) == ("OVERLOADED", True, id)
        assert len(offsets) < PIECES
        assert offsets == list(range(1, refusal.details["offset"]))
        rest, end = await read_all(attach(channel, id, refusal.details["offset"]))
        assert end.code is grpc.StatusCode.OK
        assert rest == list(range(refusal.details["offset"], PIECES + 3))


async def test_the_clients_watch_goes_on_by_itself(kept: RunningHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "PATIENCE", 0.3)
    ends, write = 0, patience.write

    async def told(*args: Any) -> None:
        nonlocal ends
        try:
            await write(*args)
        except Exception:
            ends += 1
            raise

    monkeypatch.setattr("farhand.fronts.grpc.jobs.write", told)
    async with AsyncClient(kept.address) as client:
        job = client.job(await long_log(client))
        offsets = []
        async for entry in job.watch():
            offsets.append(entry.offset)
            before = ends
            while entry.offset == 3 and ends == before:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        assert offsets == list(range(PIECES + 3))
        assert ends >= 1


def resident(pid: int) -> int:
    """Bytes that a process has in memory."""
    (line,) = [one for one in Path(f"/proc/{pid}/status").read_text().splitlines() if one.startswith("VmRSS")]
    return int(line.split()[1]) * 1024


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads /proc")
async def test_watchers_that_read_nothing_cost_the_hub_little(tmp_path: Path) -> None:
    """Eight of them at a log of 60 MB: a page each would be 480 MB."""
    (tmp_path / "work.py").write_text(APP)
    with (
        serving("hub", "--grpc", "127.0.0.1:0", "--store", f"sqlite:///{tmp_path}/farhand.db") as (process, address),
        serving("worker", str(tmp_path / "work.py"), "--hub", address),
    ):
        id = farhand("submit", "count", f"n:={PIECES}", f"size:={SIZE}", "--hub", address).stdout.strip()
        async with AsyncClient(address) as client, grpc.aio.insecure_channel(address, OPTIONS) as channel:
            async for _ in client.job(id).watch(PIECES):
                pass
            before = resident(process.pid)
            calls = [attach(channel, id) for _ in range(WATCHERS)]
            for call in calls:
                await call.read()
            for _ in range(50):
                await client.hub()  # the hub has had its turns, and does its work
                await asyncio.sleep(0.02)
            grown = resident(process.pid) - before
            for call in calls:
                call.cancel()
    print(f"{WATCHERS} watchers that read nothing cost {grown / 2**20:.0f} MiB")
    assert grown < 160 * 2**20
