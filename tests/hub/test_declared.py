"""What a handler declares holds for its durable jobs where their submit doesn't say otherwise."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from farhand import App, AsyncClient, Context
from farhand.assembly import open_store, serve_hub
from farhand.errors import FarhandError, HandlerFailed, InvalidArguments
from tests.hub.serving import working


def an_app(version: str = "1") -> App:
    app = App()

    @app.handler(retries=2, backoff=0.01, never=(KeyError,))
    async def fail(kind: str = "") -> None:
        raise KeyError if kind else ValueError("no")

    @app.handler(cache=True, version=version)
    async def slow(ctx: Context, a: Any = None) -> str:
        return ctx.job_id

    @app.handler
    async def plain(ctx: Context, a: Any = None) -> str:
        return ctx.job_id

    @app.handler(cache=0.05)
    async def brief(ctx: Context) -> str:
        return ctx.job_id

    return app


@asynccontextmanager
async def serving() -> AsyncIterator[tuple[str, AsyncClient]]:
    async with await serve_hub(store=await open_store("memory:")) as hub, AsyncClient(hub.address) as client:
        yield hub.address, client


async def attempts(client: AsyncClient, args: Any = None, **options: Any) -> int:
    """How often it was tried until it had failed."""
    job = await client.submit("fail", args, **options)
    with pytest.raises(FarhandError):
        await job.result(10)
    return (await job.info()).attempt


async def test_a_job_is_tried_as_its_handler_declares_unless_its_submit_says_otherwise() -> None:
    async with serving() as (address, client), working(address, an_app()):
        assert await attempts(client) == 3
        assert await attempts(client, retries=None) == 3
        assert await attempts(client, retries=0) == 1
        assert await attempts(client, retries=1) == 2
        assert await attempts(client, {"kind": "key"}) == 1
        assert await attempts(client, {"kind": "key"}, never=["OSError"]) == 3
        assert await attempts(client, never=[ValueError]) == 1


async def test_what_was_declared_holds_when_the_worker_is_gone() -> None:
    async with serving() as (address, client):
        assert (await (await client.submit("fail")).info()).attempts == 1
        async with working(address, an_app()):
            pass
        assert (await (await client.submit("fail")).info()).attempts == 3
        assert (await (await client.submit("fail", group="other")).info()).attempts == 1


async def how(client: AsyncClient, handler: str, args: Any = None, **options: Any) -> str:
    job = await client.submit(handler, args, **options)
    await job.result(10)
    return job.how


async def test_the_same_work_is_done_once_where_the_handler_says_so() -> None:
    async with serving() as (address, client), working(address, an_app()):
        assert [await how(client, "slow", {"a": one}) for one in (1, 1.0, 2, "1")] == ["new", "cached", "new", "new"]
        assert await how(client, "slow", {"a": {"x": 1, "y": [2]}}) == "new"
        assert await how(client, "slow", {"a": {"y": [2.0], "x": 1}}) == "cached"
        assert await how(client, "slow", {"a": b"bytes"}) == "new"
        assert await how(client, "slow", {"a": b"bytes"}) == "cached"
        assert await how(client, "slow", {"a": b"others"}) == "new"
        assert await how(client, "slow", {"a": 1}, cache=False) == "new"
        assert await how(client, "plain", {"a": 1}) == "new"
        assert await how(client, "plain", {"a": 1}) == "new"
        assert [await how(client, "plain", {"a": 1}, cache=True) for _ in range(2)] == ["new", "cached"]
        assert await how(client, "brief") == "new"
        await asyncio.sleep(0.06)
        assert await how(client, "brief") == "new"


async def test_another_version_is_other_work() -> None:
    async with serving() as (address, client):
        async with working(address, an_app()):
            assert await how(client, "slow", {"a": 1}) == "new"
        async with working(address, an_app("2"), id="w2"):
            assert await how(client, "slow", {"a": 1}) == "new"
            assert await how(client, "slow", {"a": 1}) == "cached"
        async with working(address, an_app(), id="w3"):
            assert await how(client, "slow", {"a": 1}) == "cached"


async def test_what_a_submit_says_wrongly_is_named() -> None:
    async with serving() as (address, client), working(address, an_app()):
        with pytest.raises(InvalidArguments, match=r"cache is True, False or more than 0 seconds, not 0\.0"):
            await client.submit("plain", cache=0.0)
        with pytest.raises(InvalidArguments, match="never is a list of error types"):
            await client.submit("plain", never=[7])  # type: ignore[list-item]
        with pytest.raises(HandlerFailed):
            await (await client.submit("fail", retries=0)).result(10)
