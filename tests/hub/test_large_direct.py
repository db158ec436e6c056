"""Large results from a worker's own data port, and what becomes of them when it leaves."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from msgspec.structs import replace

from farhand.assembly import RunningHub, build_worker, serve_hub
from farhand.carriage.carriage import Carriage
from farhand.carriage.landing import Landing
from farhand.client import AsyncClient, Ref
from farhand.engines.memory.store import MemoryStore
from farhand.errors import InvalidArguments, OutcomeUnknown, PermissionDenied, RefExpired
from farhand.model.ref import from_payload
from farhand.worker.worker import Worker, WorkerOptions
from tests.hub.large import app

BIG = 3 * 1024 * 1024


def _set_soon(loop: asyncio.AbstractEventLoop, event: asyncio.Event) -> None:
    loop.call_soon_threadsafe(event.set)


@asynccontextmanager
async def working(address: str, **options: Any) -> AsyncIterator[Worker]:
    loop, ready = asyncio.get_running_loop(), asyncio.Event()
    wanted = WorkerOptions(hub=address, id="w1", reference="tests/hub/large.py", **options)
    worker = build_worker(app, wanted, lambda id: _set_soon(loop, ready))
    running = asyncio.ensure_future(worker.run(grace=5))
    try:
        async with asyncio.timeout(20):
            await ready.wait()
        yield worker
    finally:
        worker.stop()
        await running


@pytest.fixture
async def hub() -> AsyncIterator[RunningHub]:
    async with await serve_hub(store=MemoryStore()) as running:
        yield running


async def unread(client: AsyncClient, size: int = BIG) -> Ref:
    """The ref of a result that its caller didn't fetch."""
    taken: asyncio.Future[Ref] = asyncio.get_running_loop().create_future()
    connection = client.connection()

    async def keep(payload: Any, due: float) -> Any:
        taken.set_result(from_payload(payload))
        await asyncio.sleep(60)

    connection.elsewhere.fetch = keep  # type: ignore[method-assign]
    call = asyncio.ensure_future(client.run("ones", {"size": size}))
    try:
        return await taken
    finally:
        call.cancel()
        del connection.elsewhere.fetch


def refuse_pulls(hub: RunningHub, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Count what goes by way of the hub."""
    seen: list[str] = []
    opened = hub.hub.transfers.open

    async def open(id: str, token: str, offset: int = 0) -> Any:
        seen.append(id)
        return await opened(id, token, offset)

    monkeypatch.setattr(hub.hub.transfers, "open", open)
    return seen


async def test_it_comes_directly_where_there_is_a_port(hub: RunningHub, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = refuse_pulls(hub, monkeypatch)
    async with working(hub.address, data="127.0.0.1:0") as worker, AsyncClient(hub.address) as client:
        (view,) = await client.workers()
        assert view.info.data.startswith("127.0.0.1:")
        assert await client.run("ones", {"size": BIG}) == b"\1" * BIG
        assert not seen
        async with asyncio.timeout(10):
            while worker._link.carriage.keeper.left:  # noqa: ASYNC110
                await asyncio.sleep(0.01)


@pytest.mark.parametrize("data", ["127.0.0.1:0", ""], ids=["direct", "relayed"])
async def test_who_leaves_in_the_middle_lets_it_go(hub: RunningHub, data: str, monkeypatch: pytest.MonkeyPatch) -> None:
    begun, written = asyncio.Event(), 0
    write = Landing.write

    async def slowly(self: Landing, piece: memoryview) -> None:
        nonlocal written
        begun.set()
        written += len(piece)
        await asyncio.sleep(0.01)
        await write(self, piece)

    monkeypatch.setattr(Landing, "write", slowly)
    async with working(hub.address, data=data) as worker, AsyncClient(hub.address) as client:
        call = asyncio.ensure_future(client.run("ones", {"size": 16 * BIG}))
        await begun.wait()
        assert worker._link.carriage.keeper.left
        call.cancel()
        assert isinstance((await asyncio.gather(call, return_exceptions=True))[0], asyncio.CancelledError)
        async with asyncio.timeout(2):
            while worker._link.carriage.keeper.left:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        assert written < 8 * BIG


async def test_it_comes_by_the_hub_where_the_port_is_shut(hub: RunningHub, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = refuse_pulls(hub, monkeypatch)
    async with working(hub.address, data="127.0.0.1:0") as worker, AsyncClient(hub.address) as client:
        monkeypatch.setattr(Carriage, "_port", lambda self, ref: _shut())
        assert await client.run("ones", {"size": BIG}) == b"\1" * BIG
        assert len(seen) == 1
        assert worker.id == "w1"


async def _shut() -> Any:
    from farhand.carriage.pool import Pool

    return Pool("127.0.0.1:1")


async def test_a_token_opens_its_own_ref_alone(hub: RunningHub) -> None:
    async with working(hub.address, data="127.0.0.1:0"), AsyncClient(hub.address) as client:
        one, two = await unread(client), await unread(client)
        for wrong, error in (
            (replace(one, token=two.token), PermissionDenied),
            (replace(one, token=""), PermissionDenied),
            (replace(one, id="0" * 32), PermissionDenied),
        ):
            with pytest.raises(error):
                await client.fetch(wrong)
        assert await client.fetch(one) == b"\1" * BIG
        with pytest.raises(Exception, match="was fetched, or nobody asked"):
            await client.fetch(one)


async def test_a_worker_that_leaves_lets_the_hub_keep_it(hub: RunningHub) -> None:
    async with AsyncClient(hub.address) as client:
        async with working(hub.address):
            ref = await unread(client)
        assert await client.fetch(ref) == b"\1" * BIG


async def test_a_lost_worker_is_a_lost_result(hub: RunningHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("farhand.carriage.carriage.PATIENCE", 0.3)
    async with AsyncClient(hub.address) as client, working(hub.address) as worker:
        worker._link.carriage.on_push = lambda *order: None  # type: ignore[method-assign]
        monkeypatch.setattr("farhand.hub.transfers.OPEN_TIMEOUT", 0.2)
        with pytest.raises(OutcomeUnknown, match="the call succeeded, but its result can't be fetched"):
            await client.run("ones", {"size": BIG})


async def test_refs_expire(hub: RunningHub) -> None:
    async with AsyncClient(hub.address) as client, working(hub.address):
        job = await client.submit("ones", {"size": BIG})
        await job.result()
        ref = await job.ref(expires_in=0.001)
        while time.time() <= ref.expires:  # noqa: ASYNC110
            await asyncio.sleep(0.001)
        with pytest.raises(RefExpired):
            await client.fetch(ref)
        with pytest.raises(InvalidArguments, match="good for"):
            await job.ref(expires_in=-1)


@pytest.mark.parametrize("address", ["0.0.0.0:5", "nowhere", "[::]:5", "169.254.1.1:5", "a b:5"])
async def test_a_port_that_nobody_could_dial_is_refused(address: str) -> None:
    with pytest.raises(InvalidArguments, match="can't be a data port"):
        build_worker(app, WorkerOptions(data=address, reference="x"))


async def test_the_bytes_are_right_at_any_offset(hub: RunningHub) -> None:
    value = os.urandom(BIG)
    async with AsyncClient(hub.address) as client, working(hub.address):
        job = await client.submit("echo", {"value": value})
        ref = (await job.result(), await job.ref())[1]
        assert await client.fetch(ref) == value
