"""Foreign agents asked by everybody, and farhand's own workers asked by SendCommand."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Generator
from typing import Any

import grpc
import httpx
import pytest
from structlog.testing import capture_logs

import farhand
from farhand.assembly import RunningHub, open_store, serve_hub
from farhand.client import AsyncClient
from farhand.errors import Cancelled, DeadlineExceeded, HandlerFailed, InvalidArguments, OutcomeUnknown, TooLarge
from farhand.wire.agnt._pb import agnt_pb2
from tests.fronts.agnt.conftest import Load
from tests.fronts.agnt.peers import ROWS, Agent, Caller, loaded
from tests.hub.serving import working

TOLD = [{"name": "id", "type": "integer", "size": None}, {"name": "name", "type": "varchar", "size": 40}]
ARGS = {"database": "main", "query": "select 1"}


@pytest.fixture
async def client(hub: RunningHub) -> AsyncIterator[AsyncClient]:
    async with AsyncClient(hub.address) as client:
        yield client


@pytest.fixture
async def agent(hub: RunningHub, load: Load) -> AsyncIterator[Agent]:
    async with Agent(hub.address, worker_id="1") as agent:
        await load(0)
        yield agent


async def streamed(client: AsyncClient, **args: Any) -> list[Any]:
    return [chunk async for chunk in client.stream("sql.query", {**ARGS, **args}, group="db", timeout=20)]


# -- foreign agents --------------------------------------------------------------------------------------------------


async def test_a_client_streams_an_agents_rows(client: AsyncClient, agent: Agent, load: Load) -> None:
    got = asyncio.ensure_future(streamed(client, tbl_name="t"))
    asked = await agent.asked()
    assert (asked.database, asked.query, asked.tbl_name) == ("main", "select 1", "t")
    await agent.answer(asked.request_id)
    assert await got == [{"columns": TOLD}, {"rows": [[1, "é"], [2, None]]}]
    await load(0)


async def test_it_is_listed_as_a_worker_and_a_handler(client: AsyncClient, agent: Agent) -> None:
    (worker,) = await client.workers()
    assert (worker.info.id, worker.info.group, worker.info.version) == ("db:1", "db", "agnt")
    assert worker.info.labels == {"protocol": "agnt"}
    (handler,) = await client.handlers()
    assert (handler.group, handler.handler.name, handler.workers, handler.slots_free) == ("db", "sql.query", 1, 32)


async def test_http_reaches_agents_and_so_do_durable_jobs() -> None:
    async with (
        await serve_hub(store=await open_store("memory:"), http="127.0.0.1:0") as hub,
        Agent(hub.address) as agent,
        httpx.AsyncClient(base_url=f"http://{hub.http}", trust_env=False, timeout=20) as web,
        AsyncClient(hub.address) as client,
    ):
        await loaded(hub, 0)
        serving = asyncio.ensure_future(agent.serve('[{"x": NaN, "y": 1}]', "null"))
        got = await web.post("/v1/run/sql.query", params={"group": "db"}, json=ARGS)
        assert got.status_code == 200
        assert got.json()[-1] == {"rows": [[None, 1]]}
        job = await client.submit("sql.query", ARGS, group="db")
        assert [list(chunk) for chunk in await job.result()] == [["columns"], ["rows"]]
        serving.cancel()


async def test_rows_wait_for_a_reader_that_is_slow(client: AsyncClient, agent: Agent, hub: RunningHub) -> None:
    """The window is 1 MiB: of 4 MB, in 80 chunks, the hub must not pass on more than that, and a chunk, unread."""
    text = json.dumps([{"x": "y" * 10_000}] * 400)
    seen = hub.hub.tell
    passed = 0

    def tell(event: Any) -> None:
        nonlocal passed
        passed += type(event).__name__ == "JobChunk"
        seen(event)

    hub.hub.tell = tell  # type: ignore[method-assign]
    stream = client.stream("sql.query", ARGS, group="db", timeout=60)
    got = asyncio.ensure_future(anext(aiter(stream)))
    await agent.answer((await agent.asked()).request_id, text)
    await got
    for _ in range(100):
        await asyncio.sleep(0.005)
    assert 0 < passed < 40
    rows = [row async for chunk in stream for row in chunk.get("rows", ())]
    assert len(rows) == 400


async def test_a_failed_query_and_an_unreadable_answer_are_failures(client: AsyncClient, agent: Agent) -> None:
    got = asyncio.ensure_future(streamed(client))
    await agent.answer((await agent.asked()).request_id, "null", "null", "no such table: ü")
    with pytest.raises(HandlerFailed, match="no such table: ü") as caught:
        await got
    assert caught.value.type == "QueryFailed"
    for text in ("[", "[" * 100_000, '[{"x": 1}, 2]'):
        got = asyncio.ensure_future(streamed(client))
        await agent.answer((await agent.asked()).request_id, text)
        with pytest.raises(HandlerFailed, match="isn't a JSON list of row objects"):
            await got


async def test_a_row_that_no_frame_holds_is_refused(client: AsyncClient, agent: Agent, load: Load) -> None:
    got = asyncio.ensure_future(streamed(client))
    await agent.answer((await agent.asked()).request_id, json.dumps([{"x": "y" * 2_000_000}]))
    with pytest.raises(TooLarge):
        await got
    await load(0)


async def test_what_an_agent_can_not_do_is_refused_before_it_is_asked(
    client: AsyncClient, agent: Agent, load: Load
) -> None:
    for args in ({"params": [1]}, {"max_rows": 0}, {"query": ""}, {"other": 1}, {"database": None}):
        with pytest.raises(InvalidArguments):
            await streamed(client, **args)
    await load(0)
    with pytest.raises(TooLarge, match="agents take"):
        await streamed(client, query="q" * 4_200_000)
    got = asyncio.ensure_future(streamed(client, query="q" * 100_000))
    asked = await agent.asked()
    assert len(asked.query) == 100_000
    await agent.answer(asked.request_id)
    assert len(await got) == 2
    await load(0)


async def test_cancels_deadlines_and_losses_reach_everybody(client: AsyncClient, agent: Agent, load: Load) -> None:
    with pytest.raises(DeadlineExceeded):
        await client.run("sql.query", ARGS, group="db", timeout=0.3)
    late = await agent.asked()
    await load(0)
    await agent.answer(late.request_id)
    job = asyncio.ensure_future(client.run("sql.query", ARGS, group="db", timeout=20))
    await agent.asked()
    job.cancel()
    with pytest.raises((asyncio.CancelledError, Cancelled)):
        await job
    await load(0)
    lost = asyncio.ensure_future(streamed(client))
    await agent.asked()
    await agent.drop()
    with pytest.raises(OutcomeUnknown):
        await lost


async def test_a_caller_that_leaves_in_mid_stream_frees_the_slot(client: AsyncClient, agent: Agent, load: Load) -> None:
    stream = client.stream("sql.query", ARGS, group="db", timeout=20)
    first = asyncio.ensure_future(anext(aiter(stream)))
    await agent.answer((await agent.asked()).request_id, json.dumps([{"x": "y" * 10_000}] * 400))
    await first
    await load(1)
    await stream.aclose()
    await load(0)


# -- farhand's own workers -------------------------------------------------------------------------------------------

app = farhand.App()


@app.handler(name="sql.query")
def query(
    database: str, query: str, params: list[Any] | None = None, max_rows: int | None = None, chunk_rows: int = 1000
) -> Generator[dict[str, Any], None, dict[str, Any]]:
    """Answer what the query says: rows, their size, and an error."""
    asked = json.loads(query)
    if "error" in asked:
        raise ValueError(asked["error"])
    yield {"columns": [{"name": "id", "type": "integer", "size": None}, {"name": "x", "type": "varchar", "size": 9}]}
    for begin in range(0, asked["rows"], chunk_rows):
        count = min(chunk_rows, asked["rows"] - begin)
        yield {"rows": [[begin + n, "y" * asked.get("size", 1)] for n in range(count)]}
    return {"rows": asked["rows"], "truncated": asked.get("truncated", False)}


async def test_a_farhand_worker_answers_a_command(hub: RunningHub, caller: Caller) -> None:
    async with working(hub.address, app, group="db"):
        got = await caller.ask(query='{"rows": 2, "truncated": true}')
        assert json.loads(got.json) == [{"id": 0, "x": "y"}, {"id": 1, "x": "y"}]
        assert got.message == "these are the first 2 rows: there are more"
        assert json.loads(got.meta_data)[1] == {
            "Column Name": "x",
            "Data Type": "varchar",
            "Data Type With Size": "varchar(9)",
        }
        assert json.loads((await caller.ask(query='{"rows": 0}')).json) == []


async def test_a_failed_query_of_a_farhand_worker_is_an_answer(hub: RunningHub, caller: Caller, load: Load) -> None:
    async with working(hub.address, app, group="db"):
        got = await caller.ask(query='{"error": "no such column: größe"}')
        assert (got.json, got.message, got.meta_data) == ("null", "no such column: größe", "null")
        await load(0)


@pytest.mark.parametrize(("rows", "size"), [(40_000, 300), (10, 2_000_000)])
async def test_a_large_answer_of_a_farhand_worker_is_put_together(
    hub: RunningHub, caller: Caller, rows: int, size: int
) -> None:
    """In chunks that go into frames, and in chunks that come by refs."""
    async with working(hub.address, app, group="db"):
        got = await caller.ask(query=json.dumps({"rows": rows, "size": size}), timeout=50)
        assert len(got.json) > 10_000_000
        found = json.loads(got.json)
        assert [one["id"] for one in found] == list(range(rows))
        assert {len(one["x"]) for one in found} == {size}


async def test_an_answer_that_no_message_holds_is_refused_and_the_job_stopped(
    hub: RunningHub, caller: Caller, load: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("farhand.fronts.agnt.commands.LARGEST", 1_000_000)
    async with working(hub.address, app, group="db"):
        for size in (10, 2_000_000):
            sent = caller.begin(query=json.dumps({"rows": 10_000_000, "size": size}))
            code, text = await caller.refused(sent)
            assert code is grpc.StatusCode.OUT_OF_RANGE
            assert "more than 1,000,000 bytes" in text
            assert "stream sql.query" in text
            await load(0)
        assert len(json.loads((await caller.ask(query='{"rows": 3}')).json)) == 3


async def test_answers_that_are_put_together_are_bounded_all_together(
    hub: RunningHub, caller: Caller, load: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("farhand.fronts.agnt.commands.ASSEMBLED_LIMIT", 1_000_000)
    async with working(hub.address, app, group="db"):
        code, text = await caller.refused(caller.begin(query='{"rows": 100000, "size": 50}'))
        assert code is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert "retry in a moment, or stream sql.query" in text
        await load(0)
        assert len(json.loads((await caller.ask(query='{"rows": 3}')).json)) == 3


async def test_a_command_of_more_than_a_frame_is_for_agents_alone(hub: RunningHub, caller: Caller, load: Load) -> None:
    async with working(hub.address, app, group="db", id="own"):
        large = json.dumps({"rows": 1}) + " " * 2_000_000
        code, text = await caller.refused(caller.begin(query=large))
        assert code is grpc.StatusCode.OUT_OF_RANGE
        assert "up to 1,048,576 bytes" in text
        async with Agent(hub.address) as agent:
            await load(0, 0)
            sent = asyncio.ensure_future(caller.ask(query=large))
            asked = await agent.asked()
            assert asked.query == large
            await agent.answer(asked.request_id)
            assert (await sent).json == ROWS


async def test_agents_and_farhand_workers_in_one_group_share_the_work(
    hub: RunningHub, caller: Caller, load: Load
) -> None:
    async with working(hub.address, app, group="db", id="own", slots=1), Agent(hub.address) as agent:
        await load(0, 0)
        serving = asyncio.ensure_future(agent.serve())
        got = await asyncio.gather(*(caller.ask(query='{"rows": 1}') for _ in range(50)))
        serving.cancel()
        assert {one.json for one in got} <= {ROWS, '[{"id":0,"x":"y"}]'}
        await load(0, 0)


# -- what must not be seen -------------------------------------------------------------------------------------------


async def test_passwords_reach_the_agent_and_nothing_else(hub: RunningHub, caller: Caller, load: Load) -> None:
    secret = "hunter2-hunter2"
    field = bytes((10 << 3 | 2, len(secret))) + secret.encode()
    with capture_logs() as logs:
        async with Agent(hub.address) as agent:
            await load(0)
            command = agnt_pb2.CommandRequest(agent_id="db", query="q").SerializeToString() + field
            sent = caller.raw(command)
            assert secret.encode() in await agent.hear()
            seen = repr([*vars(hub.hub).values(), *hub.hub._sinks.values(), *hub.hub._ports.values()])
            assert secret not in seen
            sent.cancel()
            await load(0)
            sent = caller.raw(command)
            await agent.hear()
            await agent.drop()
            _, text = await caller.refused(sent)
            assert secret not in text
        async with working(hub.address, app, group="db"):
            sent = await caller.raw(
                agnt_pb2.CommandRequest(agent_id="db", query='{"error": "x"}').SerializeToString() + field
            )
            assert secret.encode() not in sent
    assert secret not in repr(logs)
    assert logs


async def test_an_internal_error_is_logged_without_what_was_said(
    hub: RunningHub, caller: Caller, load: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(data: bytes) -> None:
        raise RuntimeError(f"secret {data!r}")

    monkeypatch.setattr("farhand.fronts.agnt.commands.read_command", broken)
    with capture_logs() as logs:
        code, text = await caller.refused(caller.begin(query="secret"))
    assert code is grpc.StatusCode.INTERNAL
    assert text == "internal error: RuntimeError; the hub's log has more"
    (line,) = [one for one in logs if one["log_level"] == "error"]
    assert "secret" not in repr(line)
    assert line["error"] == "RuntimeError"
