"""What Devaria's door is told that makes no sense: each is refused by name, and the next good call is served."""

from __future__ import annotations

import asyncio
import pickle
import random
import sys
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import msgspec
import pytest

from farhand.assembly import RunningHub
from farhand.fronts.devaria.app import BODY_LIMIT
from farhand.wire.devaria import asked
from tests import tallies
from tests.fronts.devaria.serving import ADMIN, NOBODY, RUNNER, SUBMIT, Web, devaria_hub, web_of
from tests.fronts.http.raw import Peer, connected
from tests.sizes import reliability, size

JOB = {"job_type": "hello", "input_params": {"n": 1}}
BEAT = {"progress_current": 1, "progress_total": 2, "console_output": "text"}
DONE = {"output_data": {"x": 1}, "console_output": "text"}
BROKEN = {"error_message": "no", "console_output": "text"}
BATCH = {"job_ids": [NOBODY]}

BODIES: dict[str, tuple[str, dict[str, Any]]] = {
    "check": ("/api/jobs/check", JOB),
    "submit": ("/api/jobs/submit", JOB),
    "heartbeat": ("/api/runner/jobs/{id}/heartbeat", BEAT),
    "complete": ("/api/runner/jobs/{id}/complete", DONE),
    "error": ("/api/runner/jobs/{id}/error", BROKEN),
    "batch-delete": ("/api/admin/jobs/batch-delete", BATCH),
}
WRONG: dict[str, tuple[Any, ...]] = {
    "job_type": (1, True, [], {}, "", " ", "a b", "\x00", "ä", "x" * 201),
    "input_params": (1, True, [], "x"),
    "progress_current": ("1", True, [], {}),
    "progress_total": ("1", True, [], {}),
    "console_output": (1, True, [], {}),
    "output_data": (1, True, [], "x"),
    "error_message": (1, True, [], {}, ""),
    "job_ids": (1, True, "x", {}, [1], [None], [[]], ["x"] * 1_001),
}
MAY_BE_NULL = {"progress_current", "progress_total"}


@pytest.fixture
async def held(web: Web) -> AsyncIterator[str]:
    """A job that the runner of `web` has, and still has at the end, after which it completes."""
    id = (await web.submit(held=True))["job_id"]
    await web.register()
    await web.claim(id)
    yield id
    assert (await web.job(id))["status"] in ("claimed", "in_progress"), "nothing wrong may end it"
    await web.complete(id)
    assert (await web.job(id))["status"] == "completed"


def _bad_bodies() -> list[tuple[str, str, Any]]:
    found: list[tuple[str, str, Any]] = []
    for name, (_, body) in BODIES.items():
        for field in body:
            found.append((name, field, {key: value for key, value in body.items() if key != field}))
            if field not in MAY_BE_NULL:
                found.append((name, field, {**body, field: None}))
            found += [(name, field, {**body, field: value}) for value in WRONG[field]]
        wholes: tuple[Any, ...] = (None, [], "x", 1, True)
        found += [(name, "", whole) for whole in wholes]
    return found


async def test_each_field_that_is_missing_null_or_wrong_is_named(web: Web, held: str) -> None:
    for name, field, body in _bad_bodies():
        told = await web.told("POST", BODIES[name][0].format(id=held), content=msgspec.json.encode(body), status=400)
        assert field in told["error"], (name, field, body, told)


async def test_progress_may_be_null(web: Web, held: str) -> None:
    await web.beat(held, "x", None, None)
    assert "progress" not in await web.job(held)


async def test_sizes_are_bounded_to_the_byte(web: Web, held: str) -> None:
    room = asked.PARAMS_LIMIT - len('{"x":""}')
    await web.submit(x="a" * room)
    told = await web.told("POST", "/api/jobs/submit", {"job_type": "a", "input_params": {"x": "a" * (room + 1)}}, 400)
    assert told == {"error": "Input parameters exceed size limit of 102400 bytes"}
    await web.submit(x="ä" * (room // 2))
    told = await web.told("POST", "/api/jobs/submit", {"job_type": "a", "input_params": {"x": "ä" * room}}, 400)
    assert "Input parameters exceed size limit" in told["error"]

    text = "ä" * (asked.CONSOLE_LIMIT // 2)
    await web.beat(held, text)
    for verb, body in (("heartbeat", BEAT), ("complete", DONE), ("error", BROKEN)):
        told = await web.told("POST", f"/api/runner/jobs/{held}/{verb}", {**body, "console_output": text + "x"}, 400)
        assert told == {"error": "Console output exceeds size limit of 1048576 bytes"}
    output = {"x": "a" * (asked.OUTPUT_LIMIT - len('{"x":""}') + 1)}
    told = await web.told("POST", f"/api/runner/jobs/{held}/complete", {**DONE, "output_data": output}, 400)
    assert told == {"error": "Output data exceeds size limit of 512000 bytes"}
    message = "a" * (asked.ERROR_LIMIT + 1)
    told = await web.told("POST", f"/api/runner/jobs/{held}/error", {**BROKEN, "error_message": message}, 400)
    assert told == {"error": "Error message exceeds size limit of 10240 bytes"}
    output["x"] = output["x"][:-1]
    other = (await web.submit(n=2))["job_id"]
    await web.claim(other)
    await web.complete(other, output, text)
    assert (await web.job(other))["result"] == {"output_data": output, "console_output": text}


TEXTS = {
    "nothing": b"",
    "no JSON": b"{",
    "no UTF-8": b'{"job_type":"\xff","input_params":{}}',
    "half a pair": b'{"job_type":"a","input_params":{"x":"\\ud800"}}',
    "the other half": b'{"job_type":"a","input_params":{"x":"\\udc00"}}',
    "NaN": b'{"job_type":"a","input_params":{"x":NaN}}',
    "infinity": b'{"job_type":"a","input_params":{"x":Infinity}}',
    "1e400": b'{"job_type":"a","input_params":{"x":1e400}}',
    "a long number": b'{"job_type":"a","input_params":{"x":' + b"9" * 5_000 + b"}}",
    "deep lists": b'{"job_type":"a","input_params":{"x":' + b"[" * 50_000 + b"]" * 50_000 + b"}}",
    "deep objects": b'{"job_type":"a","input_params":' + b'{"x":' * 10_000 + b"1" + b"}" * 10_000 + b"}",
    "a byte order mark": b'\xef\xbb\xbf{"job_type":"a","input_params":{}}',
    "two values": b'{"job_type":"a","input_params":{}}{}',
    "UTF-16": '{"job_type":"a","input_params":{}}'.encode("utf-16"),
}


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
async def test_bodies_that_are_no_json_or_say_what_json_cannot(web: Web, held: str, text: bytes) -> None:
    for path in ("/api/jobs/check", "/api/jobs/submit", f"/api/runner/jobs/{held}/heartbeat", "/api/runner/register"):
        told = await web.told("POST", path, content=text, status=400)
        assert set(told) == {"error"}
    assert (await web.check(n=1))["exists"] is False


async def test_of_a_field_that_is_there_twice_the_last_counts(web: Web) -> None:
    twice = b'{"job_type":"a","job_type":"b","input_params":{"n":1,"n":2},"input_params":{"n":3}}'
    id = (await web.told("POST", "/api/jobs/submit", content=twice, status=201))["job_id"]
    assert (await web.submit("b", n=3, status=200))["job_id"] == id


async def test_header_lines_that_are_there_twice_or_odd(web: Web, hub: RunningHub) -> None:
    await web.register()
    odd = ["", "a b", "ä", "x" * 201, "../x", "{}", "'; drop table jobs; --"]
    for value in odd:
        headers = {b"Authorization": f"Bearer {RUNNER}".encode(), b"X-Runner-ID": value.encode()}
        answer = await web.client.get("/api/runner/verify", headers=headers)
        assert answer.status_code == 400, value
        assert "X-Runner-ID header" in answer.json()["error"]
    async with connected(hub.http) as peer:
        await peer.ask("GET", f"/api/jobs/{NOBODY}", f"Authorization: Bearer {SUBMIT}", "Authorization: Bearer x")
        status, _, told = await peer.answer()
        assert (status, told) == (401, {"error": "Invalid API key"})


async def test_a_body_that_is_far_too_large_is_not_read(hub: RunningHub) -> None:
    async with connected(hub.http) as peer:
        await peer.ask(
            "POST", "/api/jobs/submit", f"Authorization: Bearer {SUBMIT}", f"Content-Length: {BODY_LIMIT + 1}"
        )
        status, _, told = await peer.answer()
        assert (status, told["code"]) == (413, "TOO_LARGE")


async def test_a_peer_that_goes_away_in_the_middle_costs_nothing(web: Web, hub: RunningHub, held: str) -> None:
    body = msgspec.json.encode(DONE)
    head = f"Authorization: Bearer {RUNNER}", f"X-Runner-ID: {web.runner}", f"Content-Length: {len(body)}"
    path = f"/api/runner/jobs/{held}/complete"
    whole = "\r\n".join([f"POST {path} HTTP/1.1", "Host: 127.0.0.1", *head, "", ""]).encode() + body
    for cut in range(0, len(whole) - 1, 7):
        async with connected(hub.http) as peer:
            await peer.say(whole[:cut])
    assert (await web.job(held))["status"] == "claimed"
    asking = b"GET /api/runner/jobs/available?types[]=hello HTTP/1.1\r\nHost: x\r\n"
    for _ in range(20):
        async with connected(hub.http) as peer:  # it leaves without its answer
            await peer.say(asking + f"Authorization: Bearer {RUNNER}\r\nX-Runner-ID: {web.runner}\r\n\r\n".encode())
    await web.beat(held)


async def test_pickles_are_texts_and_nothing_else(web: Web, held: str) -> None:
    loaded: list[str] = []

    def heed(event: str, arguments: Any) -> None:
        if event in ("pickle.find_class", "os.system", "marshal.loads"):
            loaded.append(event)

    _heeding.append(heed)
    try:
        evil = pickle.dumps(_Evil())
        for path in ("/api/jobs/submit", f"/api/runner/jobs/{held}/complete", "/api/runner/register"):
            await web.told("POST", path, content=evil, status=400)
            typed = {"Content-Type": "application/x-pickle"}
            await web.told("POST", path, content=evil, headers=typed, status=400)
        text = evil.decode("latin-1")
        id = (await web.submit(x=text))["job_id"]
        await web.claim(id)
        await web.complete(id, {"x": text}, text)
        assert (await web.job(id))["result"]["output_data"] == {"x": text}
    finally:
        _heeding.remove(heed)
    assert loaded == []


class _Evil:
    def __reduce__(self) -> Any:
        return print, ("loaded",)


_heeding: list[Callable[[str, Any], None]] = []


def _audit(event: str, arguments: Any) -> None:
    for heed in _heeding:
        heed(event, arguments)


sys.addaudithook(_audit)


# -- chance --------------------------------------------------------------------------------------------------------

_PIECES: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1.5, 1e308, 2**63, 2**80, "", "x", "hello", "\x00", "ä\U0001f600", "\f", "x" * 300),
    *([], {}, [[]], {"a": {"b": [1]}}, NOBODY, {"figpack_url": "http://127.0.0.1:1/"}, ["x"] * 50),
)
_PATHS = (
    *("/api/jobs/check", "/api/jobs/submit", "/api/jobs/{}", "/api/runner/register", "/api/runner/verify"),
    *("/api/runner/jobs/available?types[]=hello&types[]={}", "/api/runner/jobs/{}/claim", "/api/admin/stats"),
    *("/api/runner/jobs/{}/heartbeat", "/api/runner/jobs/{}/complete", "/api/runner/jobs/{}/error"),
    *("/api/admin/jobs?status={}&limit={}", "/api/admin/jobs/{}", "/api/admin/jobs/batch-delete", "/api/admin/runners"),
    *("/api/admin/runners/{}", "/api/admin/jobs/{}/reset", "/api/{}", "/api//", "/api/jobs/{}/{}"),
)
_FIELDS = (*WRONG, "name", "capabilities", "retry", "x")


def _body(chance: random.Random) -> bytes:
    if chance.random() < 0.1:
        return chance.randbytes(chance.randrange(200))
    fields = dict(chance.choice(list(BODIES.values()))[1])
    for _ in range(chance.randrange(4)):
        fields[chance.choice(_FIELDS)] = chance.choice(_PIECES)
    data = bytearray(msgspec.json.encode(fields))
    for _ in range(chance.choice((0, 0, 0, 1, 3))):
        data[chance.randrange(len(data))] = chance.randrange(256)
    return bytes(data)


def _request(chance: random.Random, ids: list[str], runners: list[str]) -> bytes:
    """A request that is right in some of its parts."""
    parts = (*ids[-5:], NOBODY, "x", "%00", "%FF", "a%2Fb", "..", "1", "completed", "expired")
    path = chance.choice(_PATHS)
    while "{}" in path:
        path = path.replace("{}", chance.choice(parts), 1)
    level = RUNNER if "/runner" in path else ADMIN if "/admin" in path else SUBMIT
    key = level if chance.random() < 0.9 else chance.choice(("", "x", SUBMIT, RUNNER))
    method = chance.choice(("GET", "POST", "POST", "POST", "DELETE", "PUT", "OPTIONS", "HEAD"))
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", f"Authorization: Bearer {key}"]
    if chance.random() < 0.8:
        lines.append(f"X-Runner-ID: {chance.choice((*runners, NOBODY))}")
    body = _body(chance)
    lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + body


async def _told(peer: Peer, data: bytes) -> tuple[int, Any, float]:
    began = time.monotonic()
    await peer.say(data)
    async with asyncio.timeout(10):
        if data.startswith(b"HEAD"):
            status, _ = await peer.head()
            return status, None, time.monotonic() - began
        status, _, told = await peer.answer()
    return status, told, time.monotonic() - began


@reliability("S3_DEVARIA", 120)
async def test_requests_of_chance(tally: tallies.Tally) -> None:
    chance = random.Random(20)
    ids, runners, statuses = list[str](), list[str](), dict[int, int]()
    bad, slow = list[Any](), list[Any]()
    async with devaria_hub() as hub, web_of(hub) as web, connected(hub.http, limit=1 << 24) as peer:
        for number in range(size("S3_DEVARIA")):
            if number % 50 == 0:
                ids.append((await web.submit(n=number))["job_id"])
                runners = [*runners[-3:], await web.register()]
            data = _request(chance, ids, runners)
            status, _, took = await _told(peer, data)
            statuses[status] = statuses.get(status, 0) + 1
            if status >= 500:
                bad.append((status, data))
            if took > 1.0:
                slow.append((took, data))
        await web.register()
        id = (await web.submit("last", n=-1))["job_id"]
        await web.claim(id)
        await web.complete(id, {"good": True})
        assert (await web.job(id))["result"]["output_data"] == {"good": True}
    tally.count(len(bad), size("S3_DEVARIA"), "requests of chance answered with 5xx")
    tally.count(len(slow), size("S3_DEVARIA"), "requests of chance that took over 1 s")
    assert bad == []
    assert slow == []
    assert {200, 201, 400, 401, 404} <= statuses.keys(), statuses
