"""Requests that are wrong in every way there is, pickles, and peers that leave: none is an internal error, and the next
good call is served."""

from __future__ import annotations

import asyncio
import json
import pickle
import subprocess
import sys
from typing import Any

import grpc
import pytest

from farhand.wire.snakepit._pb import snakepit_pb2
from farhand.worker.links.snakepit import Bridge
from tests.worker.snakepit import apps
from tests.worker.snakepit.calling import LIMIT, OPTIONS, SERVICE, Pool, chunks, encoded, pb, result
from tests.worker.snakepit.hostile import Recorded, watched

METHODS = ("Execute", "ExecuteStream", "ExecuteInSession", "ExecuteInSessionStream", "Health", "GetInfo")


async def raw(pool: Pool, method: str, data: bytes) -> tuple[grpc.StatusCode, list[bytes]]:
    """Send bytes; the status and what came."""
    method_of: Any = pool.channel.unary_stream(SERVICE + method)
    call = method_of(data, timeout=30)
    got = []
    try:
        while (message := await call.read()) is not grpc.aio.EOF:
            got.append(message)
    except grpc.aio.AioRpcError as error:
        return error.code(), got
    return await call.code(), got


async def still_serves(pool: Pool) -> None:
    assert result(await pool.execute("add", a=1, b=1)) == 2
    assert chunks(await pool.stream("count", n=2)) == [{"number": 0}, {"number": 1}]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    "data",
    [
        b"\xff\xff\xff\xff",
        b"\x0a\x7fshort",
        b"\x0a\x02\xc3\x28",
        b"\x08" + b"\xff" * 11,
        b"\x00\x00",
        b"\x12\x05\x0a\x01\xff\x12\x00",
    ],
    ids=["noise", "cut off", "not UTF-8", "varint too long", "field 0", "key not UTF-8"],
)
async def test_what_is_no_request_is_refused(pool: Pool, method: str, data: bytes) -> None:
    code, got = await raw(pool, method, data)
    assert code is grpc.StatusCode.INVALID_ARGUMENT or (
        code is grpc.StatusCode.OK and method in ("Health", "GetInfo")
    ), got
    await still_serves(pool)


REFUSED = {
    "missing argument": ({"command": "add"}, "a: is missing"),
    "null": ({"command": "add", "args": {"a": None}}, "a: "),
    "wrong type": ({"command": "add", "args": {"a": "x"}}, "a: "),
    "unknown argument": ({"command": "add", "args": {"a": 1, "nope": 2}}, "nope"),
    "NaN": ({"command": "add", "args": {"a": b"NaN"}}, "a: "),
    "1e400": ({"command": "add", "args": {"a": b"1e400"}}, "a: "),
    "not UTF-8": ({"command": "add", "args": {"a": b"\xff\xfe"}}, "a: "),
    "deep": ({"command": "kinds", "args": {"a": b"[" * 100_000 + b"]" * 100_000}}, "nested too deeply"),
    "2**64": ({"command": "kinds", "args": {"a": 2**64}}, "arguments"),
    "negative timeout": ({"command": "add", "args": {"a": 1}, "timeout_ms": -1}, "timeout_ms"),
    "pickle": ({"command": "kinds", "args": {"a": pickle.dumps([1])}}, "pickle"),
    "pickle for bytes": ({"command": "raw", "args": {"data": pickle.dumps({"a": 1}, protocol=2)}}, "pickle"),
}


@pytest.mark.parametrize("given", REFUSED.values(), ids=REFUSED)
async def test_what_makes_no_sense_is_told_in_band(pool: Pool, given: tuple[dict[str, Any], str]) -> None:
    fields, said = given
    fields = {**fields, "args": encoded(fields.get("args", {}))}
    answer = await pool.unary("Execute")(pb.ExecuteRequest(**fields, request_id="x"), timeout=30)
    assert (answer.success, answer.request_id) == (False, "x")
    assert said in answer.error
    call = pool.channel.unary_stream(
        SERVICE + "ExecuteStream", pb.ExecuteRequest.SerializeToString, pb.StreamResponse.FromString
    )
    (last,) = [message async for message in call(pb.ExecuteRequest(**fields), timeout=30)]
    assert last.is_final
    assert said in last.error
    await still_serves(pool)


async def test_session_ids_that_are_none(pool: Pool) -> None:
    assert "session_id" in (await pool.in_session("", "visits")).error
    assert "session_id" in (await pool.in_session("s" * 201, "visits")).error
    assert result(await pool.in_session("s" * 200, "visits")) == 1
    (last,) = await pool.stream_in_session("", "visits")
    assert "session_id" in last.error


async def test_empty_messages(pool: Pool) -> None:
    for method in METHODS:
        code, got = await raw(pool, method, b"")
        assert (code, len(got)) == (grpc.StatusCode.OK, 1)
    assert (await pool.execute("")).result["error"] == b"Unknown command: "


async def test_a_field_that_comes_twice_counts_once(pool: Pool) -> None:
    data = (
        pb.ExecuteRequest(command="fly").SerializeToString()
        + pb.ExecuteRequest(command="add", args={"a": b"1"}).SerializeToString()
    )
    twice = data + pb.ExecuteRequest(args={"a": b"5"}).SerializeToString()
    answer = pb.ExecuteResponse.FromString(await pool.execute_raw(twice, timeout=30))
    assert result(answer) == 6


async def test_over_the_limits_by_one(pool: Pool) -> None:
    assert (await pool.execute("add", request_id="i" * 65_536, a=1)).success
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await pool.execute("add", request_id="i" * 65_537, a=1)
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    long = await pool.execute("f" * 1_000_000)
    assert len(long.result["error"]) < 300

    empty = pb.ExecuteRequest(command="raw", args={"data": b"x" * (LIMIT - 100)})
    room = LIMIT - empty.ByteSize()
    fits = pb.ExecuteRequest(command="fly", args={"data": b"x" * (LIMIT - 100 + room)})
    assert fits.ByteSize() == LIMIT
    code, _ = await raw(pool, "Execute", fits.SerializeToString())
    assert code is grpc.StatusCode.OK
    code, _ = await raw(pool, "Execute", fits.SerializeToString() + b"\x18\x01"[:1] + b"\x01")
    assert code is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert "limit" in (await pool.execute("large", size=LIMIT)).error
    await still_serves(pool)


async def test_unknown_methods(pool: Pool) -> None:
    for method in ("Fly", "ExecuteTool"):
        code, _ = await raw(pool, method, b"")
        assert code is grpc.StatusCode.UNIMPLEMENTED


async def test_a_pickle_is_never_loaded(pool: Pool) -> None:
    with watched() as seen:
        for protocol in range(6):
            for command in ("kinds", "raw", "echo", "fly"):
                await pool.execute(command, data=pickle.dumps(Recorded(), protocol=protocol))
                await pool.stream(command, data=pickle.dumps(Recorded(), protocol=protocol))
        assert seen == []
        assert pickle.loads(pickle.dumps(Recorded())) == 1  # noqa: S301 - so that the watch is known to see
        assert seen


async def test_bytes_that_only_begin_like_a_pickle(pool: Pool) -> None:
    data = b"\x80\x04\xff\xff picture."
    assert (await pool.execute("raw", data=data)).result["result"] == data


@pytest.mark.parametrize("step", ["before the request", "at work", "in a stream", "after a chunk", "in a session"])
async def test_a_peer_that_leaves(served: tuple[Pool, Bridge], step: str) -> None:
    pool, bridge = served
    channel = grpc.aio.insecure_channel(pool.address, options=OPTIONS)
    own, call = Pool(channel, pool.address), None
    if step == "before the request":
        _reader, writer = await asyncio.open_connection(*pool.address.split(":"))
        writer.write(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00")
        await writer.drain()
        writer.close()
    else:
        if step == "at work":
            call = own.unary("Execute")(pb.ExecuteRequest(command="hang"), timeout=40)
        elif step == "in a session":
            call = own.unary("ExecuteInSession")(pb.SessionRequest(session_id="s", command="hang"), timeout=40)
        else:
            call = own.opened("hang" if step == "in a stream" else "live")
        if step == "after a chunk":
            await call.read()
        await asyncio.wait_for(apps.began.wait(), 10)
    await channel.close()
    if call is not None:
        await asyncio.wait_for(apps.over.wait(), 10)
    await still_serves(pool)
    assert (await pool.info()).stats.requests_handled >= 2
    assert bridge.port


OWN = """
import json, sys
import grpc
from google.protobuf import descriptor_pool, message_factory
assert not any(name.startswith("farhand") for name in sys.modules)
pool = descriptor_pool.Default()
pool.AddSerializedFile(bytes.fromhex(sys.argv[2]))
def kind(name):
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("snakepit." + name))
with grpc.insecure_channel("127.0.0.1:" + sys.argv[1], options=[("grpc.enable_http_proxy", 0)]) as channel:
    base = "/snakepit.SnakepitBridge/"
    asked, said = kind("ExecuteRequest"), kind("ExecuteResponse")
    execute = channel.unary_unary(base + "Execute", asked.SerializeToString, said.FromString)
    stream = channel.unary_stream(base + "ExecuteStream", asked.SerializeToString, kind("StreamResponse").FromString)
    asks, tells = kind("HealthRequest"), kind("HealthResponse")
    health = channel.unary_unary(base + "Health", asks.SerializeToString, tells.FromString)
    answer = execute(asked(command="add", args={"a": b"1", "b": b"2"}), timeout=20)
    last = [one.is_final for one in stream(asked(command="count", args={"n": b"3"}), timeout=20)]
    print(json.dumps([json.loads(answer.result["result"]), last, health(asks(), timeout=20).healthy]))
"""


async def test_a_client_of_its_own_modules(served: tuple[Pool, Bridge]) -> None:
    file = snakepit_pb2.DESCRIPTOR.serialized_pb.hex()
    command = [sys.executable, "-c", OWN, str(served[1].port), file]
    done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, timeout=50)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [3.0, [False, False, True], True]
