"""Values of any size, there and back: by ref, on streams of their own."""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from farhand.assembly import RunningHub, serve_hub
from farhand.client import AsyncClient, File
from farhand.engines.files.blobs import FilesBlobs
from farhand.engines.memory.store import MemoryStore
from farhand.engines.sqlite.store import SqliteStore
from tests.hub.large import app
from tests.hub.serving import working

BIG = 3 * 1024 * 1024
REFERENCE = str(Path(__file__).parent / "large.py")


@pytest.fixture
async def hub(temporary: Path) -> AsyncIterator[RunningHub]:
    async with await serve_hub(store=MemoryStore()) as running, working(running.address, app, reference=REFERENCE):
        yield running


@pytest.fixture
async def client(hub: RunningHub) -> AsyncIterator[AsyncClient]:
    async with AsyncClient(hub.address) as found:
        yield found


@pytest.mark.parametrize("handler", ["echo", "aecho", "here", "child"])
async def test_a_large_value_goes_there_and_back(client: AsyncClient, handler: str) -> None:
    array = np.arange(BIG // 8, dtype=np.float64)
    values: list[Any] = [os.urandom(BIG), "ä" * BIG, list(range(100_000)), {"a": b"1" * BIG, "b": [b"2" * BIG]}]
    for value in values:
        assert await client.run(handler, {"value": value}) == value
    back = await client.run(handler, {"value": array})
    np.testing.assert_array_equal(back, array)


@pytest.mark.parametrize("handler", ["chunks", "achunks", "child_chunks"])
async def test_large_chunks_come_in_their_order(client: AsyncClient, handler: str) -> None:
    seen = [chunk async for chunk in client.stream(handler, {"n": 9, "size": 300_000})]
    assert seen == [bytes([k]) * 300_000 for k in range(9)]
    assert await client.run(handler, {"n": 3, "size": 300_000}) == seen[:3]


async def until(condition: Callable[[], bool]) -> None:
    """Look again and again until it holds."""
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_files_are_put_on_the_disk(client: AsyncClient, tmp_path: Path, temporary: Path) -> None:
    path = tmp_path / "big.bin"
    path.write_bytes(os.urandom(BIG))
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    for handler in ("digest", "child_digest"):
        found = await client.run(handler, {"data": File(path)})
        assert found == {"name": "big.bin", "size": BIG, "sha256": digest, "on_disk": True}
    back = await client.run("file", {"path": str(path)})
    assert isinstance(back, File)
    assert (back.name, back.size, back.span is not None) == ("big.bin", BIG, True)
    assert hashlib.sha256(back.read()).hexdigest() == digest
    made = await client.run("child_file", {"folder": str(tmp_path)})
    assert made.read() == b"made" * 1_000_000
    assert os.listdir(temporary)
    del back, made
    await until(lambda: not os.listdir(temporary))


async def test_a_durable_job_has_large_arguments_and_results(client: AsyncClient, hub: RunningHub) -> None:
    value = os.urandom(BIG)
    job = await client.submit("echo", {"value": value})
    assert await job.result() == value
    assert await client.job(job.id).result(progress=lambda _: None) == value
    job = await client.submit("chunks", {"n": 3, "size": 300_000})
    assert await job.result() == [bytes([k]) * 300_000 for k in range(3)]
    again = await (await client.submit("child", {"value": value})).result()
    assert again == value


async def test_a_ref_stands_for_a_result(client: AsyncClient) -> None:
    value = np.ones(BIG // 8)
    job = await client.submit("echo", {"value": value})
    await job.result()
    ref = await job.ref()
    assert ref.size > BIG
    np.testing.assert_array_equal(await client.fetch(ref), value)
    assert await client.run("total", {"array": ref}) == BIG // 8
    assert await (await client.submit("total", {"array": ref})).result() == BIG // 8
    assert await client.run("lengths", {"a": ref, "b": b"x" * BIG}) == {"a": BIG // 8, "b": BIG}
    small = await client.submit("echo", {"value": [1, 2]})
    await small.result()
    assert await client.fetch(await small.ref()) == [1, 2]


async def test_what_was_fetched_is_not_held(client: AsyncClient, hub: RunningHub) -> None:
    await client.run("echo", {"value": b"x" * BIG})
    keeper = client.connection().carriage.keeper
    await until(lambda: not keeper.left)


async def test_a_hub_that_starts_anew_has_what_it_kept(tmp_path: Path) -> None:
    value = os.urandom(BIG)

    async def serve() -> RunningHub:
        return await serve_hub(store=SqliteStore(str(tmp_path / "jobs.db")), blobs=FilesBlobs(tmp_path / "blobs"))

    async with (
        await serve() as first,
        working(first.address, app, reference=REFERENCE),
        AsyncClient(first.address) as client,
    ):
        job = await client.submit("echo", {"value": value})
        await job.result()
        ref = await job.ref()
    async with await serve() as second, AsyncClient(second.address) as client:
        assert await client.job(job.id).result() == value
        assert await client.fetch(ref) == value
