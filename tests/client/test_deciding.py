"""Decisions: an answer by the deadline, whatever becomes of the call, and a line in the log."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from typing import Any

import pytest
from structlog.testing import capture_logs

import farhand
from farhand.assembly import RunningHub
from farhand.client import AsyncClient
from farhand.errors import InvalidArguments
from tests.conftest import working
from tests.hub.processes import free_port

LATE = 1.0
"""Seconds by which an answer may be late on a machine that does other things too."""


async def decided(client: AsyncClient, handler: str, event: Any, **more: Any) -> tuple[Any, dict[str, Any], float]:
    """The decision, its line in the log, and how many seconds it took."""
    began = time.monotonic()
    with capture_logs() as logs:
        decision = await client.decide(handler, event, **more)
    took = time.monotonic() - began
    (line,) = [one for one in logs if str(one["event"]).startswith("decided")]
    assert (line["handler"], line["asked"], line["decision"]) == (handler, event, decision)
    assert 0 < line["latency"] <= took
    return decision, dict(line), took


async def test_a_handler_that_is_in_time_decides(client: AsyncClient) -> None:
    decision, line, _ = await decided(client, "add", {"a": 1, "b": 2}, deadline=20, default=0)
    assert (decision, line["event"], line["log_level"]) == (3.0, "decided", "info")


async def test_one_that_is_late_does_not_and_is_cancelled(client: AsyncClient, eventually: Any) -> None:
    decision, line, took = await decided(client, "sleep", {"seconds": 60}, deadline=0.3, default="wait")
    assert (decision, line["event"], line["error"]) == ("wait", "decided by default", "DEADLINE_EXCEEDED")
    assert 0.29 <= took < 0.3 + LATE

    async def is_over() -> bool:
        return (await client.hub()).running == 0

    await eventually(is_over)


@pytest.mark.parametrize(
    ("handler", "event", "error"),
    [
        ("boom", {}, "HANDLER_FAILED"),
        ("nobody_serves_this", {}, "HANDLER_NOT_FOUND"),
        ("add", {"a": "x"}, "INVALID_ARGUMENTS"),
        ("add", {"a": object()}, "INVALID_ARGUMENTS"),
        ("add", 7, "INVALID_ARGUMENTS"),
        ("", {}, "INVALID_ARGUMENTS"),
    ],
)
async def test_whatever_else_happens_the_default_is_the_decision(
    client: AsyncClient, handler: str, event: Any, error: str
) -> None:
    decision, line, _ = await decided(client, handler, event, deadline=20, default={"go": True})
    assert (decision, line["error"], line["log_level"]) == ({"go": True}, error, "warning")


async def test_without_a_hub_or_a_worker_too(hub: RunningHub) -> None:
    for address in (f"127.0.0.1:{free_port()}", hub.address):
        async with AsyncClient(address, connect_timeout=30) as client:
            decision, _, took = await decided(client, "add", {"a": 1, "b": 2}, deadline=0.3, default="none")
            assert decision == "none"
            assert took < 0.3 + LATE


async def test_many_at_once_each_by_its_own_deadline(client: AsyncClient) -> None:
    events = [{"seconds": 60.0 if number % 2 else 0.0} for number in range(200)]
    began = time.monotonic()
    found = await asyncio.gather(*[client.decide("sleep", event, 0.5, number) for number, event in enumerate(events)])
    assert time.monotonic() - began < 0.5 + LATE
    assert [found[number] for number in range(1, 200, 2)] == list(range(1, 200, 2))
    assert "slept" in found


@pytest.mark.parametrize("deadline", [0, -1, float("nan"), float("inf"), "1", None])
async def test_what_is_no_deadline(client: AsyncClient, deadline: Any) -> None:
    with pytest.raises(InvalidArguments, match="deadline is more than 0 seconds"):
        await client.decide("add", {}, deadline)


async def test_the_sync_client(hub: RunningHub) -> None:
    async with working(hub.address):
        with farhand.Client(hub.address) as client:
            add = await asyncio.to_thread(client.decide, "add", {"a": 1, "b": 2}, 20.0)
            late = await asyncio.to_thread(client.decide, "sleep", {}, 0.2, "none")
    assert (add, late) == (3.0, "none")
    client = farhand.Client(f"127.0.0.1:{free_port()}")
    began = time.monotonic()
    assert await asyncio.to_thread(client.decide, "add", {}, 0.2, "away") == "away"
    assert time.monotonic() - began < 0.2 + LATE
    await asyncio.to_thread(client.close)


async def test_the_sync_client_when_its_own_thread_is_kept_from_running(hub: RunningHub) -> None:
    with farhand.Client(hub.address) as client:
        portal, _ = client._open()
        blocked = asyncio.ensure_future(asyncio.to_thread(portal.soon, lambda: time.sleep(1.5)))
        began = time.monotonic()
        assert await asyncio.to_thread(client.decide, "add", {}, 0.2, "blocked") == "blocked"
        assert time.monotonic() - began < 1.2
        await blocked


def test_a_program_without_a_log_of_its_own_has_it_on_stderr() -> None:
    code = (
        "import farhand\n"
        f"with farhand.Client('127.0.0.1:{free_port()}') as client:\n"
        "    print(client.decide('policy', {'task': 7}, 0.1, 'wait'))"
    )
    done = subprocess.run((sys.executable, "-W", "error", "-c", code), capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stdout) == (0, "wait\n"), done.stderr
    for said in ("decided by default", "handler=policy", "asked={'task': 7}", "decision=wait", "latency="):
        assert said in _plain(done.stderr)


def _plain(text: str) -> str:
    import re

    return re.sub(r"\x1b\[[0-9;]*m", "", text)
