"""Foreign agents and callers of SendCommand: each call of the protocol with its exact answers."""

from __future__ import annotations

import asyncio
import time
import uuid
from typing import Any

import grpc
import pytest

from farhand.assembly import AgntOptions, Doors, RunningHub, serve_hub
from farhand.core.machine import Limits
from farhand.wire.agnt._pb import agnt_pb2
from tests.fronts.agnt.conftest import Load
from tests.fronts.agnt.peers import COLUMNS, ROWS, Agent, AgentMessage, Caller, QueryResult, loaded, until

NOT_FOUND, UNAVAILABLE = grpc.StatusCode.NOT_FOUND, grpc.StatusCode.UNAVAILABLE


async def test_a_command_reaches_an_agent_and_its_answer_comes_back_as_it_is(
    hub: RunningHub, caller: Caller, load: Load
) -> None:
    async with Agent(hub.address) as agent:
        await load(0)
        sent = asyncio.ensure_future(caller.ask("db", "select ü", database="pg", tbl_name="t"))
        asked = await agent.asked()
        assert (asked.database, asked.query, asked.tbl_name) == ("pg", "select ü", "t")
        assert uuid.UUID(asked.request_id).version == 4
        assert str(uuid.UUID(asked.request_id)) == asked.request_id
        await agent.answer(asked.request_id, message="2 rows")
        got = await sent
        assert (got.json, got.message, got.meta_data) == (ROWS, "2 rows", COLUMNS)
        await load(0)


async def test_what_is_no_json_is_passed_on_too(hub: RunningHub, caller: Caller, load: Load) -> None:
    async with Agent(hub.address) as agent:
        await load(0)
        for text in ("[{]", "NaN", "", "[1e400]", "[" * 10_000):
            sent = asyncio.ensure_future(caller.ask())
            await agent.answer((await agent.asked()).request_id, rows=text, columns=text)
            got = await sent
            assert (got.json, got.message, got.meta_data) == (text, "", text)


async def test_a_failed_query_is_an_answer_with_a_message(hub: RunningHub, caller: Caller, load: Load) -> None:
    async with Agent(hub.address) as agent:
        await load(0)
        sent = asyncio.ensure_future(caller.ask())
        await agent.answer((await agent.asked()).request_id, "null", "null", 'relation "t" does not exist')
        got = await sent
        assert (got.json, got.message, got.meta_data) == ("null", 'relation "t" does not exist', "null")
        await load(0)


async def test_an_unknown_group_is_not_found_and_the_known_ones_are_named(
    hub: RunningHub, caller: Caller, load: Load
) -> None:
    code, text = await caller.refused(caller.begin("nobody"))
    assert (code, text) == (NOT_FOUND, "no agent is connected as 'nobody'; no group of agents is known")
    async with Agent(hub.address, "b"), Agent(hub.address, "a"):
        await load(0, 0)
        code, text = await caller.refused(caller.begin("nobody"))
        assert (code, text) == (NOT_FOUND, "no agent is connected as 'nobody'; known groups: a, b")


async def test_a_group_whose_agents_are_gone_is_not_found(hub: RunningHub, caller: Caller, load: Load) -> None:
    async with Agent(hub.address):
        await load(0)
    await load()
    assert (await caller.refused(caller.begin()))[0] is NOT_FOUND


async def test_agents_without_a_worker_id_are_told_apart(hub: RunningHub, load: Load) -> None:
    async with Agent(hub.address), Agent(hub.address):
        await load(0, 0)
        ids = [view.info.id for view in hub.hub.workers()]
        assert len(set(ids)) == 2
        assert all(id.startswith("db:") for id in ids)


async def test_the_same_worker_id_in_two_groups_is_two_agents(hub: RunningHub, caller: Caller, load: Load) -> None:
    async with Agent(hub.address, "a", "1") as first, Agent(hub.address, "b", "1") as second:
        await load(0, 0)
        for group, agent in (("a", first), ("b", second)):
            sent = asyncio.ensure_future(caller.ask(group))
            await agent.answer((await agent.asked()).request_id)
            assert (await sent).json == ROWS


@pytest.mark.parametrize("agent_id", ["Acme Ltd / Zürich", "a b", "../x", "a" * 500, "😀", "@", ":x", "a:b"])
async def test_any_agent_id_is_a_group(hub: RunningHub, caller: Caller, load: Load, agent_id: str) -> None:
    async with Agent(hub.address, agent_id, agent_id) as agent:
        await load(0)
        sent = asyncio.ensure_future(caller.ask(agent_id))
        await agent.answer((await agent.asked()).request_id)
        assert (await sent).json == ROWS


async def test_the_least_busy_agent_is_asked_and_among_equals_the_first(
    hub: RunningHub, caller: Caller, load: Load
) -> None:
    async with Agent(hub.address, worker_id="1") as first:
        await load(0)
        async with Agent(hub.address, worker_id="2") as second:
            await load(0, 0)
            for _ in range(3):
                sent = asyncio.ensure_future(caller.ask())
                await first.answer((await first.asked()).request_id)
                await sent
            calls = []
            for expected in ((1, 0), (1, 1), (2, 1), (2, 2)):
                calls.append(asyncio.ensure_future(caller.ask()))
                await load(*expected)
            for agent in (second, second, first, first):
                await agent.answer((await agent.asked()).request_id)
            await asyncio.gather(*calls)
            await load(0, 0)


async def test_an_agent_that_is_lost_in_mid_command_fails_it_at_once(
    hub: RunningHub, caller: Caller, load: Load
) -> None:
    for lose in (Agent.drop, Agent.finish):
        async with Agent(hub.address, worker_id="1") as agent:
            await load(0)
            sent = caller.begin()
            await agent.asked()
            began = time.monotonic()
            await lose(agent)
            code, text = await caller.refused(sent)
            assert time.monotonic() - began < 2
            assert code is UNAVAILABLE
            assert "worker 'db:1' was lost while it had the job" in text
            await load()


async def test_a_command_ends_at_its_timeout_and_the_slot_is_free(load: Load) -> None:
    async with (
        await serve_hub(doors=Doors(agnt=AgntOptions(timeout=0.3))) as hub,
        Caller(hub.address) as caller,
        Agent(hub.address) as agent,
    ):
        await loaded(hub, 0)
        sent = caller.begin(database="mine")
        asked = await agent.asked()
        code, text = await caller.refused(sent)
        assert code is grpc.StatusCode.DEADLINE_EXCEEDED
        assert "did not finish within 0.3" in text
        assert "a database they don't know, as 'mine'" in text
        (view,) = hub.hub.workers()
        assert view.running == 0
        await agent.answer(asked.request_id)
        sent = caller.begin()
        await agent.answer((await agent.asked()).request_id)
        assert agnt_pb2.CommandResponse.FromString(await sent).json == ROWS


async def test_the_callers_own_deadline_counts_too(hub: RunningHub, caller: Caller, load: Load) -> None:
    async with Agent(hub.address) as agent:
        await load(0)
        sent = caller.begin(timeout=0.3)
        asked = await agent.asked()
        assert (await caller.refused(sent))[0] is grpc.StatusCode.DEADLINE_EXCEEDED
        await load(0)
        await agent.answer(asked.request_id)


async def test_a_caller_that_leaves_frees_the_slot_and_its_late_answer_is_nobodys(
    hub: RunningHub, caller: Caller, load: Load
) -> None:
    async with Agent(hub.address) as agent:
        await load(0)
        late = []
        for _ in range(3):
            sent = caller.begin()
            late.append((await agent.asked()).request_id)
            await load(1)
            sent.cancel()
            await load(0)
        sent = asyncio.ensure_future(caller.ask())
        mine = (await agent.asked()).request_id
        for request in (*late, late[0], "", "unknown", str(uuid.uuid4())):
            await agent.answer(request, "[{}]")
        await agent.answer(mine)
        await agent.answer(mine, "[{}]")
        assert (await sent).json == ROWS
        await load(0)


async def test_a_reconnect_with_the_same_worker_id_replaces_the_old_connection(
    hub: RunningHub, caller: Caller, load: Load
) -> None:
    async with Agent(hub.address, worker_id="1") as old:
        await load(0)
        sent = caller.begin()
        late = (await old.asked()).request_id
        async with Agent(hub.address, worker_id="1") as new:
            code, text = await caller.refused(sent)
            assert code is UNAVAILABLE
            assert "replaced by a newer one" in text
            assert (await old.ended())[0] is grpc.StatusCode.ALREADY_EXISTS
            await load(0)
            asked = asyncio.ensure_future(caller.ask())
            mine = (await new.asked()).request_id
            await new.answer(late, "[{}]")
            await new.answer(mine)
            assert (await asked).json == ROWS
            await load(0)
    await load()


async def test_what_is_neither_heartbeat_nor_result_is_no_result(hub: RunningHub, caller: Caller, load: Load) -> None:
    async with Agent(hub.address) as agent:
        await load(0)
        sent = asyncio.ensure_future(caller.ask())
        request = (await agent.asked()).request_id
        for said in (
            AgentMessage(heartbeat="alive"),
            AgentMessage(heartbeat="still here"),
            AgentMessage(table_names=agnt_pb2.TableList(names=["a", "b"])),
            AgentMessage(message="just saying"),
            AgentMessage(agent_id="db", worker_id="other"),
            AgentMessage(agent_id="another"),
            AgentMessage(query_result=QueryResult(json="[{}]")),
            AgentMessage(),
            b"",
        ):
            await agent.say(said)
        await load(1)
        assert not sent.done()
        await agent.answer(request)
        assert (await sent).json == ROWS


async def test_an_agent_may_ask_for_work_with_its_first_heartbeat(hub: RunningHub, caller: Caller, load: Load) -> None:
    async with Agent(hub.address, heartbeat="alive") as agent:
        await load(0)
        sent = asyncio.ensure_future(caller.ask())
        await agent.answer((await agent.asked()).request_id)
        assert (await sent).json == ROWS


async def test_more_commands_than_slots_wait_and_move_up() -> None:
    async with (
        await serve_hub(doors=Doors(agnt=AgntOptions(slots=2))) as hub,
        Caller(hub.address) as caller,
        Agent(hub.address) as agent,
    ):
        await loaded(hub, 0)
        calls = [asyncio.ensure_future(caller.ask(query=f"select {n}")) for n in range(5)]
        first, second = await agent.asked(), await agent.asked()
        (view,) = hub.hub.workers()
        assert view.running == 2
        for asked in (first, second):
            await agent.answer(asked.request_id)
        for _ in range(3):
            await agent.answer((await agent.asked()).request_id)
        assert {got.json for got in await asyncio.gather(*calls)} == {ROWS}


class Silence:
    """A hub that judges silence fast, with agents that are looked at as often."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("farhand.fronts.agnt.agent.HEARTBEAT", 0.1)
        self.limits = Limits(silence=0.4, stall_timeout=0.8)

    async def after_a_while(self, hub: RunningHub) -> list[str]:
        """How its workers are after twice the time in which silent ones are given up."""
        end = hub.hub.now() + 2.5
        await until(lambda: hub.hub.now() > end or not hub.hub.workers())
        return [view.state.value for view in hub.hub.workers()]


async def test_an_agent_that_never_sends_heartbeats_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    silence = Silence(monkeypatch)
    async with await serve_hub(limits=silence.limits) as hub, Agent(hub.address):
        await loaded(hub, 0)
        assert await silence.after_a_while(hub) == ["ready"]


async def test_an_agent_that_falls_silent_over_its_work_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    silence = Silence(monkeypatch)
    async with (
        await serve_hub(limits=silence.limits) as hub,
        Caller(hub.address) as caller,
        Agent(hub.address, heartbeat="alive") as agent,
    ):
        await loaded(hub, 0)
        sent = asyncio.ensure_future(caller.ask())
        request = (await agent.asked()).request_id
        assert await silence.after_a_while(hub) == ["ready"]
        await agent.answer(request)
        assert (await sent).json == ROWS


async def test_an_idle_agent_that_stops_its_heartbeats_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    silence = Silence(monkeypatch)
    async with await serve_hub(limits=silence.limits) as hub, Agent(hub.address, heartbeat="alive") as agent:
        await loaded(hub, 0)
        code, text = await agent.ended()
        assert code is UNAVAILABLE
        assert "silent for more than 0.8 s" in text


async def test_a_hub_that_stops_lets_its_agents_know(caller: Caller) -> None:
    running = await serve_hub()
    async with Agent(running.address) as agent, Caller(running.address) as asking:
        await loaded(running, 0)
        sent = asking.begin()
        await agent.asked()
        refused = asyncio.ensure_future(asking.refused(sent))
        await running.drain(0)
        assert "takes no new work" in (await asking.refused(asking.begin()))[1]
        await running.stop()
        assert await agent.ended() == (UNAVAILABLE, "the hub has stopped")
        assert (await refused)[0] is UNAVAILABLE


async def test_health_and_reflection_know_both_services(hub: RunningHub) -> None:
    from google.protobuf.descriptor_pb2 import FileDescriptorProto
    from grpc_health.v1 import health_pb2, health_pb2_grpc
    from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

    async with grpc.aio.insecure_channel(hub.address) as channel:
        health: Any = health_pb2_grpc.HealthStub(channel)
        for name in ("agnt.AgntService", "agnt.ClientService", "farhand.v1.ClientService", ""):
            answer = await health.Check(health_pb2.HealthCheckRequest(service=name))
            assert answer.status == health_pb2.HealthCheckResponse.SERVING
        reflection: Any = reflection_pb2_grpc
        reflect = reflection.ServerReflectionStub(channel).ServerReflectionInfo
        wanted = ("agnt.ClientService", "agnt.AgentMessage", "farhand.v1.ClientService", "agnt.Nothing")
        asked = [reflection_pb2.ServerReflectionRequest(file_containing_symbol=name) for name in wanted]
        asked.append(reflection_pb2.ServerReflectionRequest(file_by_filename="agnt.proto"))
        asked.append(reflection_pb2.ServerReflectionRequest(all_extension_numbers_of_type="agnt.QueryResult"))
        *files, nothing, by_name, extensions = [answer async for answer in reflect(iter(asked))]
        names = [
            {
                FileDescriptorProto.FromString(data).package
                for data in one.file_descriptor_response.file_descriptor_proto
            }
            for one in (*files, by_name)
        ]
        assert names == [{"agnt"}, {"agnt"}, {"farhand.v1"} | names[2], {"agnt"}]
        assert nothing.error_response.error_code == NOT_FOUND.value[0]
        assert not extensions.all_extension_numbers_response.extension_number
