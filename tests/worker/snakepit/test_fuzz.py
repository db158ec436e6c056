"""Five thousand requests of chance: 0 crashes, 0 internal errors, none over 1 s, and the next good call served."""

from __future__ import annotations

import asyncio
import random
import time
from typing import Any

import grpc

from tests.worker.snakepit.calling import SERVICE, Pool, chunks, pb, result

INPUTS, TOGETHER = 5000, 8
COMMANDS = [
    "add",
    "echo",
    "kinds",
    "raw",
    "answers",
    "nothing",
    "wrong",
    "count",
    "summed",
    "breaks",
    "visits",
    "fly",
    "",
]
VALUES = [
    *(b"", b"0", b"-1", b"3", b"1e400", b"NaN", b"null", b'"x"', b"[]", b"{}", b'{"a":1,"a":2}', b"true", b"2e3"),
    *(b"\xff\xfe", b"[" * 3000, b"\x80\x04N.", b"\x00", "größe".encode(), b'"\\ud800"', b"9" * 400),
]
METHODS = ["Execute", "ExecuteStream", "ExecuteInSession", "ExecuteInSessionStream", "Health", "GetInfo"]
ALLOWED = {grpc.StatusCode.OK, grpc.StatusCode.INVALID_ARGUMENT}


def made(rng: random.Random) -> tuple[str, bytes]:
    """A method and a request: sound, sound but for some bytes, or noise."""
    method = rng.choice(METHODS)
    if rng.random() < 0.1:
        return method, rng.randbytes(rng.randrange(60))
    names = [rng.choice(["a", "b", "n", "text", "data", "", "é"]) for _ in range(rng.randrange(4))]
    args = {name: rng.choice(VALUES) for name in names}
    fields: dict[str, Any] = {
        "command": rng.choice(COMMANDS),
        "args": args,
        "timeout_ms": rng.choice([0, 0, 500, -1, 2**31 - 1, -(2**31)]),
        "request_id": rng.choice(["", "x", "y" * 300]),
    }
    if "Session" in method:
        data = pb.SessionRequest(**fields, session_id=rng.choice(["", "s", "t", "u" * 201])).SerializeToString()
    else:
        data = pb.ExecuteRequest(**fields).SerializeToString()
    if rng.random() < 0.4 and data:
        broken = bytearray(data)
        for _ in range(rng.randrange(1, 5)):
            broken[rng.randrange(len(broken))] = rng.randrange(256)
        data = bytes(broken[: rng.randrange(1, len(broken) + 1)] if rng.random() < 0.3 else broken)
    return method, data


async def test_five_thousand_requests_of_chance(pool: Pool) -> None:
    rng = random.Random(6)
    inputs = iter([made(rng) for _ in range(INPUTS)])
    codes: dict[grpc.StatusCode, int] = {}
    slowest, wrong = 0.0, []

    async def ask() -> None:
        nonlocal slowest
        for method, data in inputs:
            began = time.monotonic()
            method_of: Any = pool.channel.unary_stream(SERVICE + method)
            call = method_of(data, timeout=20)
            try:
                got = [message async for message in call]
                code = await call.code()
            except grpc.aio.AioRpcError as error:
                got, code = [], error.code()
            slowest = max(slowest, time.monotonic() - began)
            codes[code] = codes.get(code, 0) + 1
            if code not in ALLOWED or any(b"internal error" in one for one in got):
                wrong.append((method, data, code, got))

    await asyncio.gather(*(ask() for _ in range(TOGETHER)))
    assert wrong == []
    assert sum(codes.values()) == INPUTS
    assert min(codes.values()) > 100, codes  # both kinds were met
    assert slowest < 1
    assert result(await pool.execute("add", a=1)) == 2
    assert chunks(await pool.stream("count", n=1)) == [{"number": 0}]
