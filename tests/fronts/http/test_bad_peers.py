"""Peers that send too much, too slowly, or from elsewhere; a well-behaved client notices nothing."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from farhand.assembly import RunningHub
from farhand.fronts.http import connection
from tests.conftest import Eventually
from tests.fronts.conftest import served_throughout
from tests.fronts.http.raw import Peer, connected

LIVE = b"GET /health/live HTTP/1.1\r\nHost: 127.0.0.1\r\n"
RUN = ("Content-Type: application/json",)


async def refused(peer: Peer, status: int, code: str) -> dict[str, Any]:
    """The problem that ends the connection."""
    found, headers, problem = await peer.answer()
    assert (found, problem["code"]) == (status, code), problem
    assert headers["content-type"] == "application/problem+json"
    assert headers["connection"] == "close"
    assert await peer.ended() == b""
    body: dict[str, Any] = problem
    return body


@pytest.mark.parametrize(
    "head",
    [
        LIVE + b"".join(b"X-%d: 1\r\n" % n for n in range(10_000)),
        b"GET /health/live HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        + b"".join(b"X-%d: 1\r\n" % n for n in range(101))
        + b"\r\n",
        LIVE + b"X: " + b"x" * 40_000 + b"\r\n\r\n",
        LIVE + b"X: " + b"x" * 40_000,
        b"GET /" + b"x" * 40_000 + b" HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        b"GET /" + b"x" * 40_000,
    ],
    ids=[
        "10,000 headers",
        "101 headers",
        "a long header",
        "one without an end",
        "a long path",
        "a path without an end",
    ],
)
async def test_too_large_a_head_is_refused(served: RunningHub, head: bytes) -> None:
    async with served_throughout(served), connected(served.http) as peer:
        await peer.say(head)
        await refused(peer, 431, "HEADERS_TOO_LARGE")


async def test_as_many_headers_as_are_allowed_are_taken(web: httpx.AsyncClient) -> None:
    headers = {f"x-{number}": "1" for number in range(90)}
    assert (await web.get("/health/live", headers=headers)).status_code == 200
    assert (await web.get("/health/live", headers={"x": "x" * 30_000})).status_code == 200


async def test_a_body_over_the_limit_is_refused_before_it_is_read(served: RunningHub) -> None:
    async with connected(served.http) as peer:
        await peer.ask("POST", "/v1/run/echo", *RUN, "Content-Length: 10000000")
        problem = await refused(peer, 413, "TOO_LARGE")
        assert problem["details"]["limit"] == connection.BODY_LIMIT
    async with connected(served.http) as peer:
        await peer.ask("POST", "/v1/run/echo", *RUN, "Transfer-Encoding: chunked")
        for _ in range(3):
            await peer.say(b"80000\r\n" + b"x" * 0x80000 + b"\r\n")
        await refused(peer, 413, "TOO_LARGE")


async def test_a_head_that_comes_slowly_is_cut_off(served: RunningHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "HEAD_TIMEOUT", 0.5)
    async with connected(served.http) as silent, connected(served.http) as slow:
        await slow.say(b"GET /health/live HTTP/1.1\r\n")

        async def drip() -> None:
            while True:
                await slow.say(b"X: 1\r\n")
                await asyncio.sleep(0.02)

        dripping = asyncio.ensure_future(drip())
        await refused(slow, 408, "TOO_SLOW")
        dripping.cancel()
        await refused(silent, 408, "TOO_SLOW")
    async with connected(served.http) as second:  # also on a connection that was served before
        await second.ask("GET", "/health/live")
        assert (await second.answer())[0] == 200
        await second.say(b"GET /health/live HTTP/1.1\r\nX:")
        await refused(second, 408, "TOO_SLOW")


async def test_a_body_that_comes_slowly_is_cut_off(
    served: RunningHub, web: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "BODY_TIMEOUT", 0.4)
    async with connected(served.http) as peer:
        await peer.ask("POST", "/v1/run/echo", *RUN, "Content-Length: 1000")

        async def drip() -> None:
            while True:
                await peer.say(b" ")
                await asyncio.sleep(0.02)

        dripping = asyncio.ensure_future(drip())
        await refused(peer, 408, "TOO_SLOW")
        dripping.cancel()
    assert (await web.post("/v1/run/sleep", json={"seconds": 1})).json() == "slept"  # an answer may take longer


async def test_an_idle_connection_is_closed(served: RunningHub, monkeypatch: pytest.MonkeyPatch) -> None:
    async with connected(served.http) as peer:
        await peer.ask("GET", "/health/live")
        await peer.answer()
        (one,) = _connections(served)
        assert one.timeout_keep_alive == connection.KEEP_ALIVE
        one.timeout_keep_alive = 0.1
        await peer.ask("GET", "/health/live")
        assert (await peer.answer())[0] == 200
        assert await peer.ended() == b""


def _connections(hub: RunningHub) -> list[Any]:
    server: Any = hub._http
    return list(server._listener._state.connections)


async def test_one_connection_too_many_is_told_to_come_back(
    served: RunningHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "CONNECTIONS", 1)
    async with connected(served.http) as first:
        await first.ask("GET", "/health/live")
        assert (await first.answer())[0] == 200
        async with connected(served.http) as second:
            problem = await refused(second, 429, "OVERLOADED")
            assert problem["retryable"]
        await first.ask("GET", "/health/live")
        assert (await first.answer())[0] == 200


async def test_a_reader_that_stops_is_cut_off(
    served: RunningHub, web: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch, eventually: Eventually
) -> None:
    monkeypatch.setattr(connection, "WRITE_TIMEOUT", 0.3)
    made = await web.post("/v1/jobs", json={"handler": "count", "args": {"n": 600, "size": 60_000}})
    id = made.json()["id"]
    assert (await web.get(f"/v1/jobs/{id}/result?wait=30")).status_code == 413
    async with connected(served.http, limit=1024) as peer:
        await peer.ask("GET", f"/v1/jobs/{id}/events")
        assert (await peer.head())[0] == 200

        async def gone() -> bool:
            await asyncio.sleep(0.01)
            return len(_connections(served)) == 1

        await eventually(gone)
        served_part = await peer.ended()
    monkeypatch.undo()
    last = max(int(line[4:]) for line in served_part.split(b"\n") if line.startswith(b"id: ") and line[4:].isdigit())
    rest = await web.get(f"/v1/jobs/{id}/events", headers={"last-event-id": str(last - 1)})
    offsets = [int(line[4:]) for line in rest.text.splitlines() if line.startswith("id: ")]
    assert offsets == list(range(last, 603))


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"host": "evil.example"}, 403),
        ({"host": "evil.example:8080"}, 403),
        ({"host": "127.0.0.1.evil.example"}, 403),
        ({"host": "localhost.evil.example"}, 403),
        ({"host": "10.0.0.1"}, 403),
        ({"host": "0.0.0.0"}, 403),
        ({"origin": "http://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": "http://localhost:3000"}, 403),
        ({"origin": "https://127.0.0.1"}, 403),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"sec-fetch-site": "same-site"}, 403),
        ({"sec-fetch-site": "same-origin"}, 200),
        ({"sec-fetch-site": "none"}, 200),
        ({"host": "localhost"}, 200),
        ({"host": "localhost:1"}, 200),
        ({"host": "[::1]:8080"}, 200),
        ({"host": "127.8.9.1"}, 200),
        ({"host": "127.0.0.1:8080", "origin": "http://127.0.0.1:8080"}, 200),
    ],
    ids=str,
)
async def test_pages_of_others_may_not_ask(web: httpx.AsyncClient, headers: dict[str, str], status: int) -> None:
    for method, path, body in (
        ("POST", "/v1/run/add", {"a": 1, "b": 2}),
        ("GET", "/v1/workers", None),
        ("GET", "/no", None),
    ):
        answer = await web.request(method, path, json=body, headers=headers)
        assert answer.status_code == (404 if path == "/no" and status == 200 else status)
        assert not [name for name in answer.headers if name.startswith("access-control")]
        if status == 403:
            assert answer.json()["code"] == "PERMISSION_DENIED"


async def test_a_preflight_gets_no_leave(web: httpx.AsyncClient) -> None:
    asked = {"origin": "http://evil.example", "access-control-request-method": "POST"}
    answer = await web.options("/v1/run/add", headers=asked)
    assert answer.status_code == 403
    assert not [name for name in answer.headers if name.startswith("access-control")]


async def test_no_host_and_two_hosts_are_refused(served: RunningHub) -> None:
    async with connected(served.http) as peer:
        await peer.say(b"GET /health/live HTTP/1.1\r\n\r\n")
        assert (await peer.answer())[0] == 400
    async with connected(served.http) as peer:
        await peer.say(b"GET /health/live HTTP/1.1\r\nHost: 127.0.0.1\r\nHost: evil.example\r\n\r\n")
        assert (await peer.answer())[0] in (400, 403)


@pytest.mark.parametrize(
    "noise",
    [
        b"\x16\x03\x01" + b"x" * 200,
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"nonsense\r\n\r\n",
        b"\0" * 1000,
        b"GET / HTTP/9.9\r\n\r\n",
    ],
    ids=["TLS", "HTTP/2", "nonsense", "zeros", "HTTP/9.9"],
)
async def test_what_is_no_http_is_cut_off(served: RunningHub, noise: bytes) -> None:
    async with served_throughout(served), connected(served.http) as peer:
        await peer.say(noise)
        await refused(peer, 400, "PROTOCOL_VIOLATION")


async def test_requests_that_come_at_once_are_answered_in_order_but_not_without_end(served: RunningHub) -> None:
    async with connected(served.http) as peer:
        one = b"GET /v1/workers?group=%d HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
        await peer.say(b"".join(one % number for number in range(10)))
        for _ in range(10):
            assert (await peer.answer())[0] == 200
    async with connected(served.http) as peer:
        await peer.say(b"GET /health/live HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" * 1000)
        assert (await peer.ended()).count(b"HTTP/1.1 200") <= connection.PIPELINE + 1


async def test_an_expectation_is_answered_and_an_upgrade_is_not_made(served: RunningHub) -> None:
    async with connected(served.http) as peer:
        await peer.ask("POST", "/v1/run/add", *RUN, "Content-Length: 13", "Expect: 100-continue")
        assert (await peer.head())[0] == 100
        await peer.say(b'{"a":1,"b":2}')
        assert (await peer.answer())[2] == 3.0
    async with connected(served.http) as peer:
        await peer.ask("GET", "/health/live", "Connection: Upgrade", "Upgrade: websocket")
        assert (await peer.answer())[0] == 200


async def test_many_offenders_at_once(served: RunningHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "HEAD_TIMEOUT", 1.0)

    async def offend(number: int) -> None:
        async with connected(served.http) as peer:
            await peer.say((b"GET / HTTP/1.1\r\nX: ", b"\0\0", b"GET /" + b"y" * 50_000, b"")[number % 4])
            assert (await peer.ended()).startswith(b"HTTP/1.1 4")

    async with served_throughout(served):
        await asyncio.gather(*[offend(number) for number in range(200)])
    assert _connections(served) == []
