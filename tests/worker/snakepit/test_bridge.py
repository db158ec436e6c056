"""SnakepitBridge over real sockets: values, streams, sessions, deadlines, cancels and what a worker says of itself."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import time

import grpc
import pytest

from farhand.assembly import build_snakepit
from farhand.errors import Unavailable
from farhand.worker.links.served import ServedOptions
from farhand.worker.links.snakepit import Bridge, Commands
from tests.conftest import Eventually
from tests.worker.snakepit import apps
from tests.worker.snakepit.calling import OPTIONS, Pool, chunks, pb, pooled, result


async def test_a_result_its_id_and_its_time(pool: Pool) -> None:
    before = time.time_ns()
    answer = await pool.execute("add", request_id="one", a=1, b=2.5)
    assert (result(answer), answer.request_id, answer.error) == (3.5, "one", "")
    assert before <= answer.timestamp <= time.time_ns()


async def test_what_arguments_are_read_as(pool: Pool) -> None:
    answer = await pool.execute(
        "kinds",
        json=b'{"a": [1]}',
        text=b"not json",
        number=b"12",
        half=b"1.5",
        nan=b"NaN",
        huge=b"1e400",
        bytes=b"\xff",
    )
    found = {name: json.loads(value) for name, value in answer.result.items()}
    assert found == {
        "json": ["dict", {"a": [1]}],
        "text": ["str", "not json"],
        "number": ["int", 12],
        "half": ["float", 1.5],
        "nan": ["str", "NaN"],
        "huge": ["str", "1e400"],
        "bytes": ["bytes", 1],
    }


async def test_hints_say_what_is_meant(pool: Pool) -> None:
    assert (await pool.execute("echo", text=b"12")).result["result"] == b"12"
    assert (await pool.execute("echo", text=b'"quoted"')).result["result"] == b"quoted"
    assert (await pool.execute("raw", data=b"true")).result["result"] == b"true"


async def test_what_values_go_back_as(pool: Pool) -> None:
    answer = await pool.execute("answers")
    assert dict(answer.result) == {
        "text": b"plain",
        "bytes": b"\xff\x00",
        "number": b"1.5",
        "list": b'[1,"a"]',
        "none": b"null",
        "yes": b"true",
        "nan": b"null",
    }
    assert dict((await pool.execute("nothing")).result) == {"result": b"null"}


async def test_a_large_result_is_whole(pool: Pool) -> None:
    answer = await pool.execute("large", size=5_000_000)
    assert len(answer.result["result"]) == 5_000_000


async def test_a_failure_is_told_in_band(pool: Pool) -> None:
    answer = await pool.execute("wrong", text="größe")
    assert (answer.success, answer.error, answer.request_id) == (False, "größe", "r")
    assert (await pool.execute("wrong")).error == "ValueError"


async def test_an_unknown_command_counts_as_a_success(pool: Pool) -> None:
    answer = await pool.execute("fly")
    assert answer.success
    assert answer.result["status"] == b"error"
    assert answer.result["error"] == b"Unknown command: fly"
    assert "add" in json.loads(answer.result["supported_commands"])
    assert float(answer.result["timestamp"]) > 0
    assert (await pool.execute("count", n=1)).result["error"] == b"Unknown command: count"
    (only,) = await pool.stream("fly")
    assert only.is_final
    assert only.error == "Unknown streaming command: fly"
    assert only.chunk["error"] == b"Unknown streaming command: fly"


async def test_the_last_chunk_is_marked(pool: Pool) -> None:
    assert chunks(await pool.stream("count", n=3)) == [{"number": 0}, {"number": 1}, {"number": 2}]
    assert chunks(await pool.stream("count", n=1)) == [{"number": 0}]
    assert chunks(await pool.stream("count", n=0)) == []
    assert chunks(await pool.stream("add", a=1)) == [{"result": 2.0}]
    assert chunks(await pool.stream("summed", n=2)) == [{"result": 0}, {"result": 1}, {"sum": 1}]


async def test_a_handler_may_mark_the_last_itself(pool: Pool) -> None:
    assert chunks(await pool.stream("marked", last=True)) == [{"n": 1}, {"n": 2}]
    assert chunks(await pool.stream("marked", last=False)) == [{"n": 1}, {}]


async def test_a_chunk_that_is_not_the_last_is_not_held_back(pool: Pool) -> None:
    call = pool.opened("live")
    first = await asyncio.wait_for(call.read(), 10)
    assert (first.is_final, dict(first.chunk)) == (False, {"first": b"1"})
    call.cancel()
    await asyncio.wait_for(apps.over.wait(), 10)


async def test_a_stream_that_breaks_keeps_what_it_said(pool: Pool) -> None:
    *before, last = await pool.stream("breaks", n=2)
    assert [(one.is_final, one.chunk["result"]) for one in before] == [(False, b"0"), (False, b"1")]
    assert (last.is_final, last.error, last.chunk_index) == (True, "no more", 2)


async def test_a_long_stream_to_a_slow_reader_is_whole(pool: Pool) -> None:
    call, got = pool.opened("count", n=20_000), 0
    while (message := await call.read()) is not grpc.aio.EOF:
        assert json.loads(message.chunk["number"]) == got
        got += 1
    assert got == 20_000


async def test_timeouts_are_kept(pool: Pool) -> None:
    began = time.monotonic()
    answer = await pool.execute("hang", timeout_ms=300)
    assert not answer.success
    assert "0.3 s" in answer.error
    assert 0.25 < time.monotonic() - began < 10
    await asyncio.wait_for(apps.over.wait(), 10)
    *_, last = await pool.stream("live", timeout_ms=300)
    assert last.is_final
    assert "0.3 s" in last.error


async def test_a_caller_that_leaves_cancels(pool: Pool) -> None:
    for leave in ("cancel", "deadline", "disconnect"):
        apps.renew()
        async with grpc.aio.insecure_channel(pool.address, options=OPTIONS) as channel:
            call = Pool(channel, pool.address).unary("Execute")(
                pb.ExecuteRequest(command="hang"), timeout=1 if leave == "deadline" else 40
            )
            await asyncio.wait_for(apps.began.wait(), 10)
            assert not apps.over.is_set()
            if leave == "cancel":
                call.cancel()
            if leave == "deadline":
                assert await call.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        await asyncio.wait_for(apps.over.wait(), 10)


async def test_sessions_keep_state_apart(pool: Pool) -> None:
    assert [result(await pool.in_session(one, "visits")) for one in ("a", "a", "b", "a")] == [1, 2, 1, 3]
    assert chunks(await pool.stream_in_session("b", "visits")) == [{"result": 2}]
    assert result(await pool.execute("outside")) is True
    assert (await pool.info()).stats.active_sessions == 2


async def test_the_idlest_session_goes_for_a_new_one() -> None:
    async with pooled(Commands(app=apps.app), sessions=2) as (pool, _):
        asked = ["a", "b", "a", "c", "a", "b"]
        assert [result(await pool.in_session(one, "visits")) for one in asked] == [1, 1, 2, 1, 3, 1]


async def test_sessions_are_bounded_and_forgotten(eventually: Eventually) -> None:
    async with pooled(Commands(app=apps.app), sessions=2, session_ttl=0.2) as (pool, _):
        await pool.in_session("a", "visits")

        async def forgotten() -> bool:
            return bool((await pool.info()).stats.active_sessions == 0)

        await eventually(forgotten)
        assert result(await pool.in_session("a", "visits")) == 1
        apps.renew()
        busy = [asyncio.ensure_future(pool.in_session(one, "hang", timeout_ms=3000)) for one in ("x", "y")]

        async def both() -> bool:
            return bool((await pool.info()).stats.active_sessions == 2)

        await eventually(both)
        assert "in use" in (await pool.in_session("z", "visits")).error
        for call in busy:
            call.cancel()


async def test_isolated_commands_run_in_processes(pool: Pool) -> None:
    first = result(await pool.in_session("s", "own_process"))
    second = result(await pool.in_session("s", "own_process"))
    assert first[0] == second[0] != os.getpid()
    assert [first[1], second[1]] == [1, 2]
    assert "middle of the job" in (await pool.execute("own_process", die=True)).error
    assert result(await pool.execute("own_process"))[1] == 0


async def test_more_than_its_slots_is_refused() -> None:
    apps.renew()
    async with pooled(Commands(app=apps.app), slots=1) as (pool, _):
        busy = asyncio.ensure_future(pool.execute("hang"))
        await asyncio.wait_for(apps.began.wait(), 10)
        refused = await pool.execute("add", a=1)
        assert (refused.success, "1 commands" in refused.error) == (False, True)
        assert (await pool.health()).healthy
        busy.cancel()


async def test_health_and_info_tell_the_truth(served: tuple[Pool, Bridge]) -> None:
    pool, _ = served
    await pool.execute("add", a=1)
    await pool.execute("wrong")
    await pool.stream("breaks", n=1)
    await pool.stream("count", n=1)
    health = await pool.health("w7")
    assert (health.healthy, health.worker_id, health.total_requests, health.total_errors) == (True, "w7", 4, 2)
    assert (await pool.health()).worker_id
    info = await pool.info()
    assert "count" in info.supported_commands
    assert info.system_info["pid"] == str(os.getpid())
    assert (info.stats.requests_handled, info.stats.requests_failed) == (4, 2)
    ballast = bytearray(os.urandom(64 * 1024 * 1024))
    began, used = time.monotonic(), time.process_time()
    while time.process_time() - used < 0.3:
        pass
    spent = 100 * (time.process_time() - used) / (time.monotonic() - began)
    after = (await pool.info()).stats
    assert after.memory_usage_bytes - info.stats.memory_usage_bytes > 0.8 * len(ballast)
    assert 0.3 * spent < after.cpu_usage_percent < 150
    bare = await pool.info(capabilities=False, stats=False)
    assert (bare.HasField("stats"), dict(bare.capabilities)) == (False, {})


async def test_a_drain_lets_what_runs_finish() -> None:
    async with pooled(Commands(app=apps.app)) as (pool, bridge):
        apps.renew()
        call = pool.opened("hang")
        await asyncio.wait_for(apps.began.wait(), 10)
        apps.renew()
        running = asyncio.ensure_future(pool.execute("hang", timeout_ms=500))
        await asyncio.wait_for(apps.began.wait(), 10)
        await bridge.drain(2)
        assert "0.5 s" in (await running).error
        assert await call.code() is not grpc.StatusCode.OK
        with pytest.raises(grpc.aio.AioRpcError):
            await pool.execute("add", a=1)


async def test_ports_are_tried_in_their_order() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        base = taken.getsockname()[1]
        bridge = build_snakepit(Commands(app=apps.app), ServedOptions())
        assert base < await bridge.start(base, 50) <= base + 50
        await bridge.stop()
        with pytest.raises(Unavailable, match="is taken"):
            await build_snakepit(Commands(app=apps.app), ServedOptions()).start(base, 0)
