"""Coroutines that end without waiting share a task; nobody may notice."""

from __future__ import annotations

import asyncio
import contextvars

import pytest

import farhand
from farhand.errors import HandlerFailed, InvalidArguments
from tests.worker.serving import asked

app = farhand.App()
mark: contextvars.ContextVar[str] = contextvars.ContextVar("mark", default="clean")
tasks: set[object] = set()


@app.handler
async def leave_a_mark(text: str) -> str:
    before = mark.get()
    mark.set(text)
    return before


@app.handler
async def wait_or_not(wait: bool) -> bool:
    """Whether it ran in a task in which none has waited before."""
    task = asyncio.current_task()
    fresh = task not in tasks
    if wait:
        tasks.add(task)
        await asyncio.sleep(0)
    return fresh


@app.handler
async def timeout_inside() -> str:
    try:
        async with asyncio.timeout(0.01):
            await asyncio.Event().wait()
    except TimeoutError:
        return "timed out"
    return "never"


@app.handler
async def fail(now: bool) -> None:
    if not now:
        await asyncio.sleep(0)
    raise InvalidArguments("my own")


left_behind: list[asyncio.Task[None]] = []
talk, talked = asyncio.Event(), asyncio.Event()


@app.handler
async def leave_a_talker(ctx: farhand.Context) -> str:
    async def chatter() -> None:
        await talk.wait()
        print("too late")
        ctx.progress(1)
        talked.set()

    left_behind.append(asyncio.ensure_future(chatter()))
    return "done"


async def test_what_a_task_left_behind_says_after_the_end_hurts_nobody() -> None:
    async with asked(app) as client:
        assert await client.run("leave_a_talker") == "done"
        talk.set()
        await talked.wait()
        assert await client.run("wait_or_not", {"wait": True}) is True
        assert [worker.info.id for worker in await client.workers()] == ["w1"]


async def test_what_a_handler_leaves_in_a_context_variable_is_gone_for_the_next() -> None:
    async with asked(app) as client:
        calls = [{"text": str(number)} for number in range(50)]
        assert {one async for one in client.map("leave_a_mark", calls)} == {"clean"}


async def test_those_that_wait_and_those_that_do_not_all_end() -> None:
    async with asked(app) as client:
        calls = [{"wait": number % 3 == 0} for number in range(300)]
        assert [one async for one in client.map("wait_or_not", calls)] == [True] * 300
        answers = await asyncio.gather(*[client.run("timeout_inside") for _ in range(20)])
        assert answers == ["timed out"] * 20


@pytest.mark.parametrize("now", [True, False])
async def test_a_handlers_own_error_of_our_kind_is_the_handlers(now: bool) -> None:
    async with asked(app) as client:
        with pytest.raises(HandlerFailed, match="my own") as caught:
            await client.run("fail", {"now": now})
        assert caught.value.details["type"] == "farhand.errors.InvalidArguments"
        assert await client.run("wait_or_not", {"wait": False}) is True
