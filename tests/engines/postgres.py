"""A schema of a PostgreSQL server for each test: the server at FARHAND_TEST_POSTGRES, or the local one."""

from __future__ import annotations

import os
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlencode

import asyncpg
import pytest

URL = os.environ.get("FARHAND_TEST_POSTGRES", "postgresql://postgres@127.0.0.1:5432/postgres")


async def connect() -> Any:
    """A connection of one's own, beside the stores'. Where there is no server the test is skipped, or fails if
    FARHAND_REQUIRE_SERVICES=1."""
    try:
        return await asyncpg.connect(URL, timeout=5)
    except (TimeoutError, OSError, asyncpg.PostgresError) as error:
        text = f"no PostgreSQL server at {URL} (set FARHAND_TEST_POSTGRES): {error}"
        if os.environ.get("FARHAND_REQUIRE_SERVICES") == "1":
            pytest.fail(text)
        pytest.skip(text)


@pytest.fixture
async def admin() -> AsyncIterator[Any]:
    """A connection to look behind the stores' backs."""
    connection = await connect()
    yield connection
    await connection.close()


@asynccontextmanager
async def fresh_schema() -> AsyncIterator[str]:
    """The name of a schema that isn't there yet, and is gone afterwards."""
    admin = await connect()
    name = f"farhand_test_{uuid.uuid4().hex[:12]}"
    try:
        yield name
    finally:
        await admin.execute(f"drop schema if exists {name} cascade")
        await admin.close()


@pytest.fixture
async def schema() -> AsyncIterator[str]:
    """A fresh one."""
    async with fresh_schema() as name:
        yield name


def url_of(schema: str, **more: str) -> str:
    """The URL of a store in this schema."""
    return f"{URL}{'&' if '?' in URL else '?'}{urlencode({'schema': schema, **more})}"
