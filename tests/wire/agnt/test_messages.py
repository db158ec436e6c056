"""Commands and answers of agents ↔ model: exact bytes, what is refused, and what is never shown."""

from __future__ import annotations

import json
from typing import Any

import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from hypothesis import given
from hypothesis import strategies as st

from farhand.errors import InvalidArguments, ProtocolViolation, TooLarge
from farhand.model.limits import MESSAGE_LIMIT, NAME_LIMIT, PAYLOAD_LIMIT
from farhand.model.names import check_name
from farhand.model.payload import Media
from farhand.wire.agnt import messages
from farhand.wire.agnt._pb import agnt_pb2


def _generation(name: str, later: bool) -> Any:
    """CommandRequest and ServerMessage as one generation has them, in a pool of their own."""
    file = descriptor_pb2.FileDescriptorProto(name="app.proto", package="agnt", syntax="proto3")
    text, message = 9, 11
    for kind, third in (("CommandRequest", "query"), ("ServerMessage", "request_id")):
        one = file.message_type.add(name=kind)
        first = ("agent_id", "database", third) if third == "query" else ("database", "query", third)
        for number, field in enumerate((*first, "tbl_name"), 1):
            one.field.add(name=field, number=number, type=text, label=1)
        if later:
            one.field.add(name="db_config", number=5, type=message, label=1, type_name=".agnt.DatabaseConfig")
        else:
            for number, field in enumerate(("host", "db_name", "schema", "user", "port", "password"), 5):
                one.field.add(name=field, number=number, type=text, label=1)
    if later:
        config = file.message_type.add(name="DatabaseConfig")
        config.field.add(name="server", number=1, type=text, label=1)
        config.field.add(name="password", number=3, type=text, label=1)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"agnt.{name}"))


@given(st.text(max_size=300), st.text(max_size=300))
def test_the_first_generations_fields_pass(host: str, password: str) -> None:
    sent = _COMMANDS[0](agent_id="db", database="d", query="q", tbl_name="t", host=host, password=password)
    got = _SERVED[0].FromString(messages.asked(messages.read_command(sent.SerializeToString()).command.message, "r"))
    assert (got.database, got.query, got.request_id, got.tbl_name) == ("d", "q", "r", "t")
    assert (got.host, got.password) == (host, password)


@given(st.text(max_size=300), st.text(max_size=300))
def test_a_later_generations_fields_pass(server: str, password: str) -> None:
    sent = _COMMANDS[1](agent_id="db", query="q", db_config={"server": server, "password": password})
    got = _SERVED[1].FromString(messages.asked(messages.read_command(sent.SerializeToString()).command.message, "r"))
    assert (got.query, got.request_id) == ("q", "r")
    assert (got.db_config.server, got.db_config.password) == (server, password)


_COMMANDS = [_generation("CommandRequest", later) for later in (False, True)]
_SERVED = [_generation("ServerMessage", later) for later in (False, True)]


def test_nothing_from_field_5_on_is_in_what_farhands_own_workers_get_or_in_anything_shown() -> None:
    sent = _COMMANDS[0](agent_id="db", database="d", query="q", password="pa$$word")
    order = messages.read_command(sent.SerializeToString())
    assert b"pa$$word" in order.command.message
    assert json.loads(order.command.data) == {"database": "d", "query": "q"}
    assert "pa$$word" not in f"{order!r} {order.command!r} {order.command}"


def test_a_request_id_can_not_be_smuggled_in() -> None:
    forged = agnt_pb2.ServerMessage(request_id="forged").SerializeToString()
    sent = agnt_pb2.CommandRequest(agent_id="db", query="q").SerializeToString() + forged  # its number is the query's
    order = messages.read_command(sent)
    got = agnt_pb2.ServerMessage.FromString(messages.asked(order.command.message, "mine"))
    assert (got.request_id, got.query) == ("mine", "forged")


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "agent_id has to be 1 to 1,000 characters, not 0"),
        (agnt_pb2.CommandRequest(query="q").SerializeToString(), "agent_id has to be 1 to 1,000 characters, not 0"),
        (agnt_pb2.CommandRequest(agent_id="a" * 1001, query="q").SerializeToString(), "not 1,001"),
        (agnt_pb2.CommandRequest(agent_id="a").SerializeToString(), "neither query nor tbl_name"),
        (b"\x0a\x01\xff\x1a\x01q", "can't be read as agnt.CommandRequest"),
        (b"\x0a\x05a", "can't be read as agnt.CommandRequest"),
        (b"\xff", "can't be read as agnt.CommandRequest"),
    ],
)
def test_what_is_no_command(data: bytes, why: str) -> None:
    with pytest.raises(InvalidArguments, match=why):
        messages.read_command(data)


def test_commands_up_to_what_agents_take() -> None:
    head = agnt_pb2.CommandRequest(agent_id="a", query="q" * 70_000).ByteSize() - 70_000 + 1
    most = MESSAGE_LIMIT - 64 - head
    order = messages.read_command(agnt_pb2.CommandRequest(agent_id="a", query="q" * most).SerializeToString())
    assert order.command.data == b""
    assert len(messages.asked(order.command.message, "r" * 36)) <= MESSAGE_LIMIT
    with pytest.raises(TooLarge, match="agents take 4,194,240"):
        messages.read_command(agnt_pb2.CommandRequest(agent_id="a", query="q" * (most + 1)).SerializeToString())
    with pytest.raises(TooLarge, match="agents take 4,194,240"):
        messages.command("", "q" * MESSAGE_LIMIT, "")
    for size, there in ((PAYLOAD_LIMIT - 100, True), (PAYLOAD_LIMIT, False)):
        command = messages.read_command(agnt_pb2.CommandRequest(agent_id="a", query="q" * size).SerializeToString())
        assert bool(command.command.data) is there


def test_a_query_with_half_a_surrogate_pair_is_refused() -> None:
    with pytest.raises(InvalidArguments, match="can't be sent"):
        messages.command("d", "\ud800", "")


@given(st.text(min_size=1, max_size=1000), st.text(min_size=1, max_size=1000))
def test_any_id_names_a_group_and_a_worker(agent: str, worker: str) -> None:
    try:
        group = messages.group_of(agent)
    except UnicodeEncodeError:
        return  # half a surrogate pair, which protobuf doesn't let in
    assert check_name("group", group) == group
    id = messages.worker_of(group, worker) if worker.isascii() else group
    assert check_name("worker", id) == id
    assert len(id) <= NAME_LIMIT


@pytest.mark.parametrize("id", ["agent-123", "a", "x@y", "DB_1.eu", "a" * 200])
def test_an_id_that_may_be_a_name_is_one(id: str) -> None:
    assert messages.group_of(id) == id


def test_ids_that_differ_name_different_things() -> None:
    given = ["a b", "a_b", "a/b", "a  b", " a b", "a" * 201, "a" * 202, "é", "è", ":a", "a:b", "é" * 200]
    assert len({messages.group_of(one) for one in given}) == len(given)
    pairs = [("a", "b:c"), ("a:b", "c"), ("a", "b_c"), ("a", "b c"), ("g" * 200, "1"), ("g" * 200, "2")]
    assert len({messages.worker_of(group, worker) for group, worker in pairs}) == len(pairs)


def test_who_an_agent_says_it_is() -> None:
    hello = agnt_pb2.AgentMessage(agent_id="db", worker_id="1")
    assert messages.read_hello(hello.SerializeToString()) == messages.Hello("db", "db:1")
    assert messages.read_hello(agnt_pb2.AgentMessage(agent_id="db").SerializeToString()) == messages.Hello("db", "")
    for data in (b"", b"\xff", agnt_pb2.AgentMessage(worker_id="1", heartbeat="alive").SerializeToString()):
        with pytest.raises(ProtocolViolation, match="first message names its agent_id"):
            messages.read_hello(data)


def test_what_an_agent_says() -> None:
    result = agnt_pb2.QueryResult(json="[]", request_id="r", tbl_meta_data="[1]")
    said = messages.read_said(agnt_pb2.AgentMessage(query_result=result, message="m").SerializeToString())
    assert (said.heartbeat, said.request, said.error()) == (False, "r", "")
    assert said.answer() == messages.Answer("[]", "[1]", "")
    reply = said.reply()
    assert reply.media == Media.PROTOBUF
    got = agnt_pb2.CommandResponse.FromString(reply.data)
    assert (got.json, got.message, got.meta_data) == ("[]", "m", "[1]")
    for data in (b"", agnt_pb2.AgentMessage(message="m").SerializeToString()):
        assert messages.read_said(data).request == ""
    assert messages.read_said(agnt_pb2.AgentMessage(heartbeat="x").SerializeToString()).heartbeat
    with pytest.raises(ProtocolViolation):
        messages.read_said(b"\x22\x01\xff")


def test_a_failed_query_has_a_message_and_no_rows() -> None:
    for rows, error in (("null", "m"), ("", "m"), ("[]", "")):
        result = agnt_pb2.QueryResult(json=rows, request_id="r")
        said = messages.read_said(agnt_pb2.AgentMessage(query_result=result, message="m").SerializeToString())
        assert said.error() == error
    got = agnt_pb2.CommandResponse.FromString(messages.failed("why \ud800"))
    assert (got.json, got.message, got.meta_data) == ("null", "why ?", "null")
