"""Large results over HTTP: whole, in ranges, by refs."""

from __future__ import annotations

import asyncio
import hashlib
import os
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from farhand.assembly import RunningHub, serve_hub
from farhand.client import AsyncClient, File
from farhand.engines.memory.store import MemoryStore
from tests.hub.large import app
from tests.hub.serving import working

BIG = 5 * 1024 * 1024


@pytest.fixture
async def hub() -> AsyncIterator[RunningHub]:
    async with (
        await serve_hub(store=MemoryStore(), http="127.0.0.1:0") as running,
        working(running.address, app, reference="tests/hub/large.py"),
    ):
        yield running


@pytest.fixture
async def web(hub: RunningHub) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=f"http://{hub.http}", timeout=30) as found:
        yield found


async def result_of(hub: RunningHub, value: Any, handler: str = "echo", name: str = "value") -> str:
    async with AsyncClient(hub.address) as client:
        job = await client.submit(handler, {name: value})
        await job.result()
        return job.id


async def test_a_run_answers_what_is_large(web: httpx.AsyncClient) -> None:
    answer = await web.post("/v1/run/ones", json={"size": BIG})
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.content == b"\1" * BIG
    answer = await web.post("/v1/run/echo", json={"value": ["x" * 1000] * 900})
    assert answer.json() == ["x" * 1000] * 900
    answer = await web.post("/v1/run/chunks", json={"n": 3, "size": 100_000})
    assert len(answer.json()) == 3
    answer = await web.post("/v1/run/chunks", json={"n": 50, "size": 100_000})
    assert (answer.status_code, answer.json()["code"]) == (413, "TOO_LARGE")


async def test_a_result_is_had_whole_and_in_ranges(hub: RunningHub, web: httpx.AsyncClient) -> None:
    value = os.urandom(BIG)
    path = f"/v1/jobs/{await result_of(hub, value)}/result"
    whole = await web.get(path)
    assert (whole.status_code, whole.content) == (200, value)
    assert whole.headers["accept-ranges"] == "bytes"
    etag = whole.headers["etag"]
    for wanted, start, stop in (
        ("bytes=0-99", 0, 100),
        ("bytes=600000-1700000", 600_000, 1_700_001),
        (f"bytes={BIG - 5}-", BIG - 5, BIG),
        ("bytes=-7", BIG - 7, BIG),
    ):
        part = await web.get(path, headers={"range": wanted, "if-range": etag})
        assert (part.status_code, part.content) == (206, value[start:stop])
        assert part.headers["content-range"] == f"bytes {start}-{stop - 1}/{BIG}"
    assert (await web.get(path, headers={"if-none-match": etag})).status_code == 304
    assert (await web.get(path, headers={"range": f"bytes={BIG}-"})).status_code == 416
    assert (await web.get(path, headers={"range": "bytes=0-9", "if-range": '"other"'})).content == value


async def test_a_ref_is_a_url(hub: RunningHub, web: httpx.AsyncClient) -> None:
    value = os.urandom(BIG)
    job = await result_of(hub, value)
    made = (await web.get(f"/v1/jobs/{job}/ref")).json()
    answer = await web.get(made["url"])
    assert answer.content == value
    assert made["ref"]["size"] == BIG
    small = (await web.get(f"/v1/jobs/{await result_of(hub, b'small')}/ref")).json()
    assert (await web.get(small["url"])).content == b"small"
    for url, status, code in (
        (made["url"][:-3] + "xyz", 403, "PERMISSION_DENIED"),
        (made["url"].replace(made["ref"]["id"], small["ref"]["id"]), 403, "PERMISSION_DENIED"),
        (f"/v1/refs/{made['ref']['id']}?token=a", 403, "PERMISSION_DENIED"),
        (f"/v1/refs/..%2f..%2fetc?token={made['ref']['token']}", 404, "ROUTE_NOT_FOUND"),
    ):
        refused = await web.get(url)
        assert (refused.status_code, refused.json()["code"]) == (status, code), url
    gone = (await web.get(f"/v1/jobs/{job}/ref?expires_in=0.001")).json()
    while time.time() <= gone["ref"]["expires"]:  # noqa: ASYNC110
        await asyncio.sleep(0.001)
    refused = await web.get(gone["url"])
    assert (refused.status_code, refused.json()["code"]) == (410, "REF_EXPIRED")


async def test_a_file_comes_under_its_name(hub: RunningHub, web: httpx.AsyncClient, tmp_path: Path) -> None:
    path = tmp_path / "Größe.bin"
    path.write_bytes(os.urandom(BIG))
    async with AsyncClient(hub.address) as client:
        job = await client.submit("file", {"path": str(path)})
        found = await job.result()
        assert isinstance(found, File)
    answer = await web.get(f"/v1/jobs/{job.id}/result")
    assert answer.content == path.read_bytes()
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-disposition"] == (
        "attachment; filename=\"Gr__e.bin\"; filename*=UTF-8''Gr%C3%B6%C3%9Fe.bin"
    )
    part = await web.get(f"/v1/jobs/{job.id}/result", headers={"range": "bytes=1000000-1000009"})
    assert part.content == path.read_bytes()[1_000_000:1_000_010]
    assert hashlib.sha256(answer.content).digest() == hashlib.sha256(path.read_bytes()).digest()


async def test_a_log_tells_of_refs(hub: RunningHub, web: httpx.AsyncClient) -> None:
    job = await result_of(hub, b"x" * BIG)
    text = (await web.get(f"/v1/jobs/{job}/events")).text
    assert '"size":5242880' in text
    assert len(text) < 5_000
