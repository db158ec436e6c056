"""What Nextflow's doors answer, and what becomes of bad input and of peers that leave."""

from __future__ import annotations

import asyncio
import json
import pickle
import random
import sys
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import grpc
import httpx
import pytest
from structlog.testing import capture_logs

from farhand.assembly import Doors, RunningHub, serve_hub
from farhand.model.limits import MESSAGE_LIMIT, TEXT_LIMIT
from farhand.wire.nextflow.actions import Action
from farhand.wire.nextflow.observations import TaskObservation, plain
from tests.fronts.nextflow.conftest import APP as REFERENCE
from tests.fronts.nextflow.scenario_app import app
from tests.fronts.raw import OPTIONS
from tests.fronts.scenarios import scenario_hub
from tests.sizes import reliability, size
from tests.wire.nextflow.test_observations import WHOLE
from tests.wire.nextflow.test_weblog import EVENT

PATH = "/nf_ai_comms.AiActionService/SendTaskObservation"
ALLOWED = {grpc.StatusCode.OK, grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.RESOURCE_EXHAUSTED}
GLOBAL = b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x04true\x85R."
"""A pickle that would run a program."""

Send = Any


@pytest.fixture
async def send(serving: RunningHub) -> AsyncIterator[Send]:
    """Send bytes as the request."""
    async with grpc.aio.insecure_channel(serving.address, options=OPTIONS) as channel:
        yield channel.unary_unary(PATH)


@pytest.fixture
def no_pickle() -> Iterator[None]:
    """Nobody loads a pickle meanwhile."""
    loaded: list[Any] = []
    watching = [True]

    def hook(event: str, args: Any) -> None:
        if watching and event in ("pickle.find_class", "os.system", "marshal.loads"):
            loaded.append((event, args))

    sys.addaudithook(hook)
    pickle.loads(b"\x80\x04\x8c\x08builtins\x8c\x03int\x93.")  # noqa: S301
    assert loaded.pop() == ("pickle.find_class", ("builtins", "int"))
    yield
    watching.clear()
    assert loaded == []


async def asked(send: Send, observation: TaskObservation) -> Action:
    return Action.FromString(await send(observation.SerializeToString(), timeout=20))


async def test_a_policy_gets_all_fields_and_decides(send: Send) -> None:
    action = await asked(send, TaskObservation(**{**WHOLE, "process_name": "echo"}))
    assert (action.observation_event_id, action.success) == ("e-1", True)
    assert json.loads(action.action_details) == {**WHOLE, "process_name": "echo"}


async def test_nextflows_own_events_reach_the_same_policy(web: httpx.AsyncClient) -> None:
    trace = {**EVENT["trace"], "process": "echo"}
    with capture_logs() as logs:
        answer = await web.post("/nextflow/weblog", json={**EVENT, "trace": trace})
    action = answer.json()
    seen = json.loads(action["action_details"])
    assert (answer.status_code, action["success"], seen["cpu_percent"]) == (200, True, "143.5%")
    assert action["observation_event_id"] == seen["event_id"]
    (line,) = [one for one in logs if one["event"] == "decided"]
    assert (line["observation"], line["success"]) == (seen["event_id"], True)
    assert line["latency"] > 0


async def test_a_policy_that_answers_no_action_is_told_in_the_action(send: Send) -> None:
    action = await asked(send, TaskObservation(event_id="e", process_name="number"))
    assert (action.success, action.observation_event_id) == (False, "e")
    assert "a policy answers an Action, a text, a dict or None, not a int" in action.message
    action = await asked(send, TaskObservation(process_name="nothing of the kind"))
    assert (action.success, action.message) == (False, "KeyError: 'nothing of the kind'")


async def test_a_hub_without_a_policy_confirms() -> None:
    async with (
        await serve_hub(http="127.0.0.1:0") as hub,
        grpc.aio.insecure_channel(hub.address, options=OPTIONS) as channel,
        httpx.AsyncClient(base_url=f"http://{hub.http}", timeout=20, trust_env=False) as web,
    ):
        action = await asked(channel.unary_unary(PATH), TaskObservation(event_id="1", event_type="task_start"))
        assert action.action_details == "Action for event 1: Processed event type 'task_start'"
        answer = (await web.post("/nextflow/weblog", json=EVENT)).json()
        assert answer["action_details"] == (
            f"Action for event {answer['observation_event_id']}: Processed event type 'task_complete'"
        )
        assert (answer["success"], answer["message"]) == (True, "Successfully processed TaskObservation")


async def test_a_policy_that_streams_is_no_policy(request: pytest.FixtureRequest) -> None:
    async with (
        scenario_hub(request.node.name, app, REFERENCE, doors=Doors(nextflow_policy="count")) as hub,
        grpc.aio.insecure_channel(hub.address, options=OPTIONS) as channel,
    ):
        action = await asked(channel.unary_unary(PATH), TaskObservation())
        assert (action.success, action.message) == (
            False,
            "INVALID_ARGUMENTS: 'count' streams, and a policy answers once",
        )


async def test_a_policy_that_nobody_serves_is_told_before_the_askers_deadline() -> None:
    async with (
        await serve_hub(doors=Doors(nextflow_policy="nobody")) as hub,
        grpc.aio.insecure_channel(hub.address, options=OPTIONS) as channel,
    ):
        observation = TaskObservation(event_id="e").SerializeToString()
        send: Send = channel.unary_unary(PATH)
        action = Action.FromString(await send(observation, timeout=0.6))
        assert (action.success, action.observation_event_id) == (False, "e")
        assert action.message.startswith("DEADLINE_EXCEEDED: ")


# -- bad input -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("field", WHOLE)
async def test_each_field_missing_twice_and_of_a_wrong_wire_type(send: Send, field: str) -> None:
    echo = {**WHOLE, "process_name": "echo"}
    whole = TaskObservation(**echo)
    number = TaskObservation.DESCRIPTOR.fields_by_name[field].number
    without = TaskObservation(**echo)
    if field != "process_name":
        without.ClearField(field)
        seen = json.loads((await asked(send, without)).action_details)
        assert seen[field] == type(WHOLE[field])()
    twice = whole.SerializeToString() * 2
    assert json.loads(Action.FromString(await send(twice)).action_details) == echo
    fixed = bytes([*_varint(number << 3 | 5), 0, 0, 0, 0])  # nobody's field is of four fixed bytes: it is passed over
    assert Action.FromString(await send(whole.SerializeToString() + fixed)).success


def _varint(number: int) -> bytes:
    found = bytearray()
    while number > 127:
        found.append(number & 127 | 128)
        number >>= 7
    return bytes([*found, number])


@pytest.mark.parametrize(
    "body",
    [
        b"\x0a\x02\xff\xfe",  # an event_id that is no UTF-8
        b"\x0a\x05ab",  # cut off
        b"\x0a\xff\xff\xff\xff\x0f",
        b"\x07",  # there is no wire type 7
        b"\xff" * 20,
        b"\x0b" * 10_000,  # groups in groups
        GLOBAL,
    ],
)
async def test_bytes_that_are_no_observation_are_refused(send: Send, body: bytes, no_pickle: None) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await send(body, timeout=20)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert (await asked(send, TaskObservation(process_name="echo"))).success


async def test_an_observation_larger_than_a_message_by_one(send: Send) -> None:
    overhead = len(TaskObservation(task_name="x" * (MESSAGE_LIMIT - 10)).SerializeToString()) - (MESSAGE_LIMIT - 10)
    largest = TaskObservation(task_name="x" * (MESSAGE_LIMIT - overhead)).SerializeToString()
    action = Action.FromString(await send(largest, timeout=20))
    assert action.success is False  # too large for the policy's arguments
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await send(largest + b"\x00", timeout=20)
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert (await asked(send, TaskObservation(process_name="echo"))).success


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"null", 400),
        (b"{", 400),
        (b"\xff\xfe", 400),
        (b"[" * 500_000, 400),
        (GLOBAL, 400),
        (json.dumps({**EVENT, "event": 7}).encode(), 400),
        (json.dumps({**EVENT, "trace": {"exit": float("nan")}}).encode(), 400),
        (json.dumps({**EVENT, "trace": {"name": "x" * (TEXT_LIMIT + 1)}}).encode(), 400),
        (b"x" * (3 << 20), 413),
    ],
)
async def test_posts_that_are_no_event_are_problems(
    web: httpx.AsyncClient, body: bytes, status: int, no_pickle: None
) -> None:
    answer = await web.post("/nextflow/weblog", content=body)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert (await web.post("/nextflow/weblog", json=EVENT)).status_code == 200


async def test_pages_of_other_sites_may_not_post(web: httpx.AsyncClient) -> None:
    answer = await web.post("/nextflow/weblog", json=EVENT, headers={"origin": "http://example.org"})
    assert answer.status_code == 403
    assert (await web.get("/nextflow/weblog")).status_code == 405


async def test_peers_that_leave_at_each_step(serving: RunningHub, send: Send) -> None:
    host, _, port = serving.address.rpartition(":")
    preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\x00\x00\x00\x04\x00\x00\x00\x00\x00"
    for begin in (b"", preface[:10], preface, preface + b"\x00\x00\x10\x01\x04\x00\x00\x00\x01"):
        _, writer = await asyncio.open_connection(host, int(port))
        writer.write(begin)
        await writer.drain()
        writer.close()
    for path in (b"", b"POST /nextflow/weblog HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 900\r\n\r\n{"):
        _, writer = await asyncio.open_connection("127.0.0.1", int(serving.http.rpartition(":")[2]))
        writer.write(path)
        await writer.drain()
        writer.close()
    waiting = send(TaskObservation(process_name="wait", task_name='{"folder": "/nowhere"}').SerializeToString())
    waiting.cancel()
    assert (await asked(send, TaskObservation(process_name="echo"))).success


def altered(chance: random.Random, good: bytes) -> bytes:
    """Good bytes made bad, or not."""
    data = bytearray(good)
    for _ in range(chance.randrange(1, 6)):
        at = chance.randrange(len(data) + 1)
        what = chance.randrange(5)
        if what == 0 and data:
            data[at % len(data)] ^= 1 << chance.randrange(8)
        elif what == 1:
            data[at:at] = chance.randbytes(chance.randrange(1, 9))
        elif what == 2:
            del data[at : at + chance.randrange(1, 20)]
        elif what == 3:
            data[at:at] = data[at : at + chance.randrange(1, 60)]
        else:
            data[at:at] = chance.choice((b"\x00", b"\xff", b"1e400", b"null", b"[" * 50, b"\xc3\x28", b'"', b"-0"))
    return bytes(data)


@reliability("S3_NEXTFLOW", 180)
async def test_fuzz_of_both_doors() -> None:
    """No INTERNAL or 5xx, none over a second, and the next good one is served. 5,000 in all."""
    chance, seen, slowest = random.Random(18), set[Any](), 0.0
    observation, event = TaskObservation(**WHOLE).SerializeToString(), json.dumps(EVENT).encode()
    async with (
        await serve_hub(http="127.0.0.1:0") as hub,
        grpc.aio.insecure_channel(hub.address, options=OPTIONS) as channel,
        httpx.AsyncClient(base_url=f"http://{hub.http}", timeout=20, trust_env=False) as web,
    ):
        send: Send = channel.unary_unary(PATH)

        async def one(number: int) -> Any:
            if number % 5 < 3:
                try:
                    Action.FromString(await send(altered(chance, observation), timeout=20))
                    return grpc.StatusCode.OK
                except grpc.aio.AioRpcError as error:
                    return error.code()
            answer = await web.post("/nextflow/weblog", content=altered(chance, event))
            return answer.status_code

        for number in range(size("S3_NEXTFLOW")):
            began = time.monotonic()
            seen.add(await one(number))
            slowest = max(slowest, time.monotonic() - began)
        assert (await asked(send, TaskObservation(**WHOLE))).success
        assert (await web.post("/nextflow/weblog", json=EVENT)).status_code == 200
    assert seen <= ALLOWED | {200, 400}, seen
    assert {grpc.StatusCode.INVALID_ARGUMENT, 400} <= seen
    assert slowest < 1.0


def test_what_is_compared_here_is_whole() -> None:
    assert plain(TaskObservation(**WHOLE)) == WHOLE
