"""Server-sent events: what a follower sees is the log, whatever cuts it off."""

from __future__ import annotations

import asyncio
import json
import random
import shutil
from pathlib import Path
from typing import Any

import httpx
import pytest

from farhand import AsyncClient
from farhand.assembly import RunningHub
from farhand.fronts.http import events as front
from tests.cli.processes import farhand
from tests.conftest import Eventually
from tests.fronts.http.raw import connected

CUTS = 100
CHUNKS = 150


async def submit(web: httpx.AsyncClient, handler: str, **args: Any) -> str:
    made = await web.post("/v1/jobs", json={"handler": handler, "args": args})
    id: str = made.json()["id"]
    return id


def read(text: str) -> list[tuple[int, str, dict[str, Any]]]:
    """The whole events in a stream's text; comments and a part at the end are left out."""
    found = []
    for block in text.split("\n\n")[:-1]:
        fields = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
        if "id" in fields:
            found.append((int(fields["id"]), fields["event"], json.loads(fields["data"])))
    return found


async def test_events_are_the_log_as_watch_prints_it(served: RunningHub, web: httpx.AsyncClient) -> None:
    id = await submit(web, "lines", n=3)
    answer = await web.get(f"/v1/jobs/{id}/events")
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.headers["cache-control"] == "no-store"
    found = read(answer.text)
    assert [offset for offset, _, _ in found] == list(range(len(found)))
    assert [kind for _, kind, _ in found][:2] == ["queued", "started"]
    assert found[-1][1:] == ("succeeded", found[-1][2])
    assert all(data["offset"] == offset and data["kind"] == kind for offset, kind, data in found)
    printed = await asyncio.to_thread(farhand, "watch", id, "--hub", served.address)
    assert [json.loads(line) for line in printed.stdout.splitlines()] == [data for _, _, data in found]


async def test_it_goes_on_after_the_last_id_and_then_is_over(web: httpx.AsyncClient) -> None:
    id = await submit(web, "count", n=5)
    whole = read((await web.get(f"/v1/jobs/{id}/events")).text)
    last = whole[-1][0]
    for seen in range(last):
        rest = await web.get(f"/v1/jobs/{id}/events", headers={"Last-Event-ID": str(seen)})
        assert read(rest.text) == whole[seen + 1 :]
    assert read((await web.get(f"/v1/jobs/{id}/events?from=3")).text) == whole[3:]
    both = await web.get(f"/v1/jobs/{id}/events?from=0", headers={"Last-Event-ID": "4"})
    assert read(both.text) == whole[5:]
    over = await web.get(f"/v1/jobs/{id}/events", headers={"Last-Event-ID": str(last)})
    assert (over.status_code, over.content) == (204, b"")
    assert (await web.get(f"/v1/jobs/{id}/events?from=100000")).status_code == 204


@pytest.mark.parametrize("id", ["x", "-1", "1.5", "1 2", "1e3", "9" * 30, "٣", "0x1"])
async def test_a_last_id_that_is_none_is_refused(served: RunningHub, web: httpx.AsyncClient, id: str) -> None:
    job = await submit(web, "count", n=1)
    async with connected(served.http) as peer:
        await peer.say(
            f"GET /v1/jobs/{job}/events HTTP/1.1\r\nHost: localhost\r\nLast-Event-ID: {id}x\r\n\r\n".encode()
        )
        status, _, problem = await peer.answer()
        assert (status, problem["code"]) == (400, "INVALID_ARGUMENTS")
    for wrong in ("-1", "x", "9" * 30):
        assert (await web.get(f"/v1/jobs/{job}/events", params={"from": wrong})).status_code == 400


async def test_a_hundred_cuts_leave_no_gap_and_no_double(served: RunningHub, web: httpx.AsyncClient) -> None:
    """The connection is cut at any byte, and the next one says what it saw last."""
    chance = random.Random(7)
    id = await submit(web, "chunks_slowly", count=CHUNKS)
    seen: list[tuple[int, str, dict[str, Any]]] = []
    cuts = 0
    while not seen or seen[-1][1] != "succeeded":
        async with connected(served.http) as peer:
            last = [f"Last-Event-ID: {seen[-1][0]}"] if seen else []
            await peer.ask("GET", f"/v1/jobs/{id}/events", "Connection: close", *last)
            assert (await peer.head())[0] == 200
            room = chance.randint(1, 400) if cuts < CUTS else 1 << 30
            text = b""
            while len(text) < room and (data := await peer.reader.read(min(room - len(text), 1 << 16))):
                text += data
            cuts += len(text) >= room
        seen += read(unchunked(text).decode(errors="ignore"))
    assert cuts == CUTS
    assert [offset for offset, _, _ in seen] == list(range(CHUNKS + 3))
    assert [data["value"] for _, kind, data in seen if kind == "chunk"] == list(range(CHUNKS))


def unchunked(data: bytes) -> bytes:
    """The body in as much of a chunked answer as is there."""
    body = b""
    while b"\r\n" in data:
        size, _, data = data.partition(b"\r\n")
        length = int(size, 16)
        body += data[:length]
        data = data[length + 2 :]
    return body


@pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl here")
async def test_curl_follows(served: RunningHub, web: httpx.AsyncClient, tmp_path: Path) -> None:
    """As a process: cut in the middle, and told where to go on."""
    go = tmp_path / "go"
    id = await submit(web, "chunks_after", path=str(go), count=20)

    async def curl(*more: str, lines: int) -> str:
        process = await asyncio.create_subprocess_exec(
            *("curl", "-sN", *more, f"http://{served.http}/v1/jobs/{id}/events"), stdout=asyncio.subprocess.PIPE
        )
        assert process.stdout is not None
        text = ""
        while lines and (line := await process.stdout.readline()):
            text += line.decode()
            lines -= line.startswith(b"data:")
        if not lines:
            process.kill()
        await process.communicate()
        return text + "\n"

    first = read(await curl(lines=2))
    go.touch()
    rest = read(await curl("-H", f"Last-Event-ID: {first[-1][0]}", lines=-1))
    assert [offset for offset, _, _ in first + rest] == list(range(23))
    assert rest[-1][1] == "succeeded"


async def test_a_silent_job_sends_comments(
    served: RunningHub, web: httpx.AsyncClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(front, "HEARTBEAT", 0.1)
    go = tmp_path / "go"
    id = await submit(web, "chunk_until", path=str(go))
    async with connected(served.http) as peer:
        await peer.ask("GET", f"/v1/jobs/{id}/events")
        await peer.head()
        for _ in range(3):
            await peer.reader.readuntil(b": still here\n\n")
        go.touch()
        assert b"event: succeeded" in await peer.reader.readuntil(b"\r\n0\r\n\r\n")


async def test_a_follower_who_leaves_is_forgotten(
    served: RunningHub, web: httpx.AsyncClient, eventually: Eventually, tmp_path: Path
) -> None:
    go = tmp_path / "go"
    id = await submit(web, "chunk_until", path=str(go))
    server: Any = served._http
    door = server._door

    async def followed() -> bool:
        await asyncio.sleep(0.01)
        return len(door.followers) == 20

    async def left() -> bool:
        await asyncio.sleep(0.01)
        return not door.followers and door.active == 0

    for _ in range(2):
        async with asyncio.TaskGroup() as group:
            done = asyncio.Event()

            async def follow(done: asyncio.Event = done) -> None:
                async with connected(served.http) as peer:
                    await peer.ask("GET", f"/v1/jobs/{id}/events")
                    await peer.head()
                    await done.wait()

            for _ in range(20):
                group.create_task(follow())
            await eventually(followed)
            done.set()
        await eventually(left)
    go.touch()
    assert (await web.get(f"/v1/jobs/{id}/result?wait=20")).json() == ["first"]


async def test_those_who_follow_while_the_hub_ends_are_let_go(
    served: RunningHub, web: httpx.AsyncClient, tmp_path: Path
) -> None:
    id = await submit(web, "chunk_until", path=str(tmp_path / "never"))
    async with connected(served.http) as peer:
        await peer.ask("GET", f"/v1/jobs/{id}/events")
        await peer.reader.readuntil(b"first")
        stopping = asyncio.ensure_future(served.stop())
        text = await peer.ended()
        assert text.endswith(b"0\r\n\r\n")  # a whole answer, though not the whole log
        await stopping


async def test_a_cancelled_and_an_expired_job_end_their_streams(served: RunningHub, web: httpx.AsyncClient) -> None:
    async with AsyncClient(served.address) as client:
        job = await client.submit("sleep", {}, timeout=0.2)
        assert read((await web.get(f"/v1/jobs/{job.id}/events")).text)[-1][1] in ("expired", "failed")
        job = await client.submit("add", {"a": 1, "b": 2}, delay=3600)
        following = asyncio.ensure_future(web.get(f"/v1/jobs/{job.id}/events"))
        await job.cancel()
        last = read((await following).text)[-1]
        assert last[1] == "cancelled"
        assert last[2]["error"] == "CANCELLED"


async def test_a_log_that_was_cut_is_followed_from_where_it_begins(served: RunningHub, web: httpx.AsyncClient) -> None:
    id = await submit(web, "count", n=5)
    whole = read((await web.get(f"/v1/jobs/{id}/events")).text)
    assert served._durables is not None
    assert await served._durables._store.trim(id, 4, 2)
    assert (await web.get(f"/v1/jobs/{id}")).json()["first"] == 4
    assert read((await web.get(f"/v1/jobs/{id}/events")).text) == whole[4:]
    assert read((await web.get(f"/v1/jobs/{id}/events?from=4")).text) == whole[4:]
    for asked in (
        web.get(f"/v1/jobs/{id}/events?from=1"),
        web.get(f"/v1/jobs/{id}/events", headers={"last-event-id": "0"}),
        web.get(f"/v1/jobs/{id}/result?wait=5"),
    ):
        answer = await asked
        assert (answer.status_code, answer.json()["code"]) == (410, "LOG_PRUNED")
        assert answer.json()["details"]["first"] == 4
