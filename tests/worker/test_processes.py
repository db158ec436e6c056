"""Handlers with isolate="process": real processes, which crash, are killed, and keep a session's state."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from farhand import AsyncClient
from farhand.client.stream import Stream
from farhand.errors import FarhandError, HandlerFailed, OutcomeUnknown
from farhand.model.event import Event, Kind
from tests.worker.apps import app
from tests.worker.serving import asked


@pytest.fixture
async def client() -> AsyncIterator[AsyncClient]:
    async with asked(app, reference=str(Path(__file__).with_name("apps.py"))) as client:
        yield client


async def gone(pid: int) -> None:
    """Until the process has ended."""
    async with asyncio.timeout(10):
        while True:
            try:
                os.kill(pid, 0)
            except ProcessLookupError:
                return
            await asyncio.sleep(0.01)


async def hanging(stream: Stream) -> tuple[Stream, AsyncIterator[Event]]:
    """A stream whose handler runs, and the loop over it, which must be held: leaving it cancels the job."""
    events = stream.events()
    async for event in events:
        if event.kind is Kind.PROGRESS:
            break
    return stream, events


async def test_a_process_is_kept_for_the_next_job_and_replaced_when_it_died_idle(client: AsyncClient) -> None:
    first = await client.run("pid")
    assert first not in (os.getpid(), 0)
    assert await client.run("pid") == first
    os.kill(first, signal.SIGKILL)
    await gone(first)
    second = await client.run("pid")
    assert second not in (first, os.getpid())


async def test_a_crash_ends_its_own_call_only(client: AsyncClient) -> None:
    async with asyncio.TaskGroup() as group:
        other = group.create_task(client.run("squares", {"n": 3}))
        with pytest.raises(OutcomeUnknown, match="the process of 'leave' exited with status 3 in the middle"):
            await client.run("leave", {"status": 3})
    assert other.result() == [0, 1, 4]
    assert await client.run("squares", {"n": 2}) == [0, 1]


async def test_a_cancel_kills_the_process(client: AsyncClient) -> None:
    stream, _events = await hanging(client.stream("hang"))
    receipt = await stream.cancel()
    assert receipt.outcome == "killed"
    assert await client.run("squares", {"n": 1}) == [0]


async def test_prints_chunks_and_errors_pass(client: AsyncClient) -> None:
    texts: list[str] = []
    stream = client.stream("talk", console=texts.append)
    assert [chunk async for chunk in stream] == []
    assert (stream.result, "".join(texts)) == ("said", "out\nerr\n")
    assert [chunk async for chunk in client.stream("squares", {"n": 300})] == [n * n for n in range(300)]
    with pytest.raises(HandlerFailed) as failed:
        await client.run("boom", {"text": "no"})
    assert (failed.value.type, failed.value.message) == ("ValueError", "no")
    assert "raise ValueError(text)" in failed.value.traceback
    assert "farhand/worker" not in failed.value.traceback
    seen = await client.run("later", timeout=20)
    assert seen["worker"] == "w1"
    assert (seen["attempt"], 0 < seen["left"] <= 20) == (1, True)


async def test_much_text_is_all_there_in_its_order(client: AsyncClient) -> None:
    texts: list[str] = []
    stream = client.stream("chat", {"lines": 20_000}, console=texts.append)
    assert [chunk async for chunk in stream] == []
    assert stream.result == 20_000
    assert [int(line) for line in "".join(texts).splitlines()] == list(range(20_000))


async def test_a_large_result_is_taken_over_and_the_process_lives_on(client: AsyncClient) -> None:
    before = await client.run("pid")
    assert len(await client.run("large", {"size": 2 * 1024 * 1024})) == 2 * 1024 * 1024
    assert await client.run("pid") == before


async def test_a_session_keeps_its_state_in_a_process_of_its_own(client: AsyncClient) -> None:
    async with client.session(data={"words": ["zero"]}) as one, client.session() as two:
        assert await one.run("remember", {"word": "a"}) == ["zero", "a"]
        assert await two.run("remember", {"word": "b"}) == ["b"]
        homes = {await one.run("pid"), await two.run("pid"), await client.run("pid")}
        assert len(homes) == 3
        assert await one.run("remember", {"word": "c"}) == ["zero", "a", "c"]
        home = await one.run("pid")
    await gone(home)


async def test_a_session_whose_process_is_gone_says_so_and_begins_no_new_state(client: AsyncClient) -> None:
    async with client.session() as session:
        await session.run("remember", {"word": "a"})
        with pytest.raises(OutcomeUnknown):
            await session.run("leave", {"status": 1})
        with pytest.raises(FarhandError, match="is gone, and its state with it: open a new session"):
            await session.run("remember", {"word": "b"})


async def test_a_session_closed_in_the_middle_of_a_job_leaves_no_process(client: AsyncClient) -> None:
    session = await client.session()
    home = await session.run("pid")
    stream, _events = await hanging(session.stream("hang"))
    await session.close()
    receipt = await stream.cancel()
    assert receipt.outcome in ("killed", "stopped")
    await gone(home)


async def test_an_app_that_a_process_cannot_load_is_told() -> None:
    async with asked(app, reference="nosuchfile.py") as client:
        with pytest.raises(HandlerFailed, match="the process can't start: AppNotFound: there is no file nosuchfile"):
            await client.run("pid")
