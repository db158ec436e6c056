"""A schema of a PostgreSQL server for each test: the server at FARHAND_TEST_POSTGRES, or the local one."""

from __future__ import annotations

import os
import uuid
from collections.abc import AsyncIterator
from typing import Any

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


@pytest.fixture
async def schema(admin: Any) -> AsyncIterator[str]:
    """The name of a schema that isn't there yet, and is gone afterwards."""
    name = f"farhand_test_{uuid.uuid4().hex[:12]}"
    yield name
    await admin.execute(f"drop schema if exists {name} cascade")
