"""What runs before a worker's first job and after its last."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from farhand import App, Context
from tests.worker.serving import asked

seen: list[str] = []


def plain(state: SimpleNamespace) -> None:
    state.model = "plain"


async def awaited(state: SimpleNamespace) -> None:
    await asyncio.sleep(0)
    state.model = "awaited"


def generator(state: SimpleNamespace) -> Iterator[None]:
    state.model = "generator"
    yield
    seen.append("generator over")


async def async_generator(state: SimpleNamespace) -> AsyncIterator[None]:
    state.model = "async_generator"
    yield
    await asyncio.sleep(0)
    seen.append("async_generator over")


def make(lifespan: Callable[..., Any]) -> App:
    app = App()
    app.lifespan(lifespan)

    @app.handler
    async def model(ctx: Context) -> str:
        return str(ctx.state.model)

    return app


@pytest.mark.parametrize("lifespan", [plain, awaited, generator, async_generator])
async def test_each_kind_is_done_before_the_first_job_and_ends_after_the_last(lifespan: Callable[..., Any]) -> None:
    seen.clear()
    async with asked(make(lifespan)) as client:
        assert await client.run("model") == lifespan.__name__
        assert seen == []
    assert seen == ([f"{lifespan.__name__} over"] if "generator" in lifespan.__name__ else [])
