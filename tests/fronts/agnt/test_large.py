"""Answers of agents over 4 MiB, and what stays bounded on the same port when they are allowed."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import grpc
import msgspec
import pytest

from farhand.assembly import AgntOptions, Doors, RunningHub, serve_hub
from farhand.client import AsyncClient
from farhand.fronts.agnt.door import AgntDoor
from farhand.hub.service import Hub
from farhand.model.limits import MESSAGE_LIMIT
from farhand.model.payload import Media
from farhand.wire.agnt._pb import agnt_pb2
from farhand.wire.agnt.messages import LARGEST
from farhand.wire.farhand._pb import client_pb2, common_pb2, data_pb2
from farhand.wire.farhand.options import serve_options
from tests.fronts.agnt.conftest import Load
from tests.fronts.agnt.peers import OPTIONS, Agent, Caller, loaded
from tests.fronts.conftest import served_throughout
from tests.fronts.raw import RawClient, RawWorker

EXHAUSTED = grpc.StatusCode.RESOURCE_EXHAUSTED
OVER = b"x" * (MESSAGE_LIMIT + 1)


@pytest.fixture
async def wide() -> AsyncIterator[RunningHub]:
    """A hub that takes answers of any size."""
    async with await serve_hub(doors=Doors(agnt=AgntOptions(result=2**31 - 1))) as hub:
        yield hub


def test_the_port_takes_as_much_as_is_set_and_no_less_than_others_need() -> None:
    for result, limit in ((0, MESSAGE_LIMIT), (MESSAGE_LIMIT, MESSAGE_LIMIT), (10**8, 10**8), (2**40, LARGEST)):
        options = dict(serve_options([AgntDoor(Hub(), AgntOptions(result=result)).receive_limit]))
        assert options["grpc.max_receive_message_length"] == limit
    assert LARGEST == 2**31 - 1
    assert dict(serve_options([MESSAGE_LIMIT]))["grpc.max_send_message_length"] == -1
    assert dict(serve_options())["grpc.max_send_message_length"] == MESSAGE_LIMIT


async def test_an_answer_of_64_mib_comes_whole(wide: RunningHub) -> None:
    text = json.dumps([{"n": n, "x": "y" * 1000} for n in range(64 * 1024)])
    async with Agent(wide.address) as agent, Caller(wide.address) as caller, AsyncClient(wide.address) as client:
        await loaded(wide, 0)
        serving = asyncio.ensure_future(agent.serve(text, "null"))
        assert (await caller.ask(timeout=50)).json == text
        count = 0
        args = {"database": "d", "query": "q"}
        async for chunk in client.stream("sql.query", args, group="db", timeout=50):
            for row in chunk.get("rows", ()):
                assert row == [count, "y" * 1000]
                count += 1
        assert count == 64 * 1024
        serving.cancel()


async def test_a_larger_answer_than_is_allowed_cuts_the_agent_off_and_says_how_to_allow_it(
    hub: RunningHub, caller: Caller, load: Load
) -> None:
    async with Agent(hub.address) as agent:
        await load(0)
        sent = caller.begin()
        await agent.answer((await agent.asked()).request_id, "x" * MESSAGE_LIMIT)
        code, text = await caller.refused(sent)
        assert code is grpc.StatusCode.UNAVAILABLE
        assert "answers take more than 4 MiB are cut off" in text
        assert "FARHAND_AGNT_RESULT=2GiB" in text
        assert (await agent.ended())[0] is EXHAUSTED


async def test_commands_stay_bounded(wide: RunningHub, caller: Caller) -> None:
    command = agnt_pb2.CommandRequest(agent_id="db", query="q" * MESSAGE_LIMIT)
    async with Agent(wide.address), Caller(wide.address) as wide_caller:
        await loaded(wide, 0)
        code, text = await wide_caller.refused(wide_caller.raw(command.SerializeToString()))
        assert code is grpc.StatusCode.OUT_OF_RANGE
        assert "agents take 4,194,240" in text
    assert (await caller.refused(caller.raw(command.SerializeToString())))[0] is EXHAUSTED


@pytest.mark.parametrize("method", ["Run", "Stream", "Submit", "Cancel", "Attach", "ListWorkers"])
async def test_methods_of_the_hubs_own_protocol_stay_bounded(wide: RunningHub, method: str) -> None:
    args = common_pb2.Payload(data=msgspec.json.encode({"value": "x" * MESSAGE_LIMIT}), media=Media.JSON)  # type: ignore[arg-type]
    message = client_pb2.RunRequest(handler="echo", args=args).SerializeToString()
    async with (
        served_throughout(wide),
        grpc.aio.insecure_channel(wide.address, options=OPTIONS) as channel,
    ):
        path = f"/farhand.v1.ClientService/{method}"
        call: Any = channel.unary_stream(path) if method in ("Stream", "Attach") else channel.unary_unary(path)
        asked = call(message, timeout=20)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await (asked.read() if method in ("Stream", "Attach") else asked)
        assert caught.value.code() is EXHAUSTED
        assert "over the limit of 4,194,304" in str(caught.value.details())


async def test_conversations_stay_bounded(wide: RunningHub) -> None:
    async with served_throughout(wide), RawClient(wide.address) as client, RawWorker(wide.address) as worker:
        for peer in (client, worker):
            await peer.greet()
            await peer.say(OVER)
            assert (await peer.ended()).code is EXHAUSTED


@pytest.mark.parametrize("method", ["Pull", "Push", "Put"])
async def test_large_payloads_stay_in_parts(wide: RunningHub, method: str) -> None:
    async with served_throughout(wide), grpc.aio.insecure_channel(wide.address, options=OPTIONS) as channel:
        path = f"/farhand.v1.DataService/{method}"
        if method == "Push":
            push: Any = channel.stream_unary(path)
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await push(iter([OVER]), metadata=(("farhand-transfer", "none"),), timeout=20)
            assert caught.value.code() in (EXHAUSTED, grpc.StatusCode.NOT_FOUND)
            return
        stream: Any = channel.stream_stream(path)(timeout=20)
        await stream.write(OVER)
        answer = None
        try:
            answer = await stream.read()
        except grpc.aio.AioRpcError as error:
            assert error.code() is EXHAUSTED  # noqa: PT017, Put answers by a message
            return
        assert data_pb2.PutAnswer.FromString(answer).fault.code == "TOO_LARGE"


async def test_a_flood_of_large_messages_grows_no_hub_that_takes_none(hub: RunningHub) -> None:
    """A process of its own would show its memory; here, that none of them arrives is what counts."""
    async with served_throughout(hub), grpc.aio.insecure_channel(hub.address, options=OPTIONS) as channel:
        for path in ("/agnt.ClientService/SendCommand", "/farhand.v1.ClientService/Run"):
            call: Any = channel.unary_unary(path)
            ended: list[Any] = await asyncio.gather(
                *(call(b"x" * (16 << 20), timeout=20) for _ in range(4)), return_exceptions=True
            )
            assert {one.code() for one in ended if isinstance(one, grpc.aio.AioRpcError)} == {EXHAUSTED}
            assert all("larger than max" in str(one) for one in ended)
