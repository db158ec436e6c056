"""Commands and answers of agents ↔ model.

What a command says from field 5 on tells an agent how to reach its database, passwords too. It passes as the bytes it
came as: nothing here reads it, and nothing shows it.
"""

from __future__ import annotations

import hashlib
import re
from typing import TypeVar

import msgspec
from google.protobuf.message import DecodeError, Message

from farhand.errors import InvalidArguments, ProtocolViolation, TooLarge
from farhand.model.limits import MESSAGE_LIMIT, NAME_LIMIT, PAYLOAD_LIMIT
from farhand.model.names import check_name
from farhand.model.payload import Media, Payload
from farhand.wire.agnt._pb import agnt_pb2

HANDLER = "sql.query"
"""What a database agent serves, be it a foreign one or a farhand worker."""
LABEL = {"protocol": "agnt"}
"""What foreign agents are labelled with."""
LARGEST = 2**31 - 1
"""Bytes of the largest message that protobuf and gRPC know."""
ID_LIMIT = 1_000
"""Characters of an agent_id or a worker_id."""

_ID_SIZE = 64
"""Room for a request_id, with its tag."""
_COMMAND_MOST = MESSAGE_LIMIT - _ID_SIZE
"""Many agents take messages of up to 4 MiB, which is gRPC's default."""
_NO_NAME = re.compile(r"[^A-Za-z0-9_.@-]+")

_JSON, _PROTOBUF = int(Media.JSON), int(Media.PROTOBUF)

Read = TypeVar("Read", bound=Message)


class Command(Payload, frozen=True, gc=False, repr_omit_defaults=True):
    """Arguments of `sql.query` as JSON in `data`, for a farhand worker, and in `message` as a foreign agent gets them,
    but for the request_id. A large command has no `data`: it is for foreign agents only."""

    message: bytes = b""

    def __repr__(self) -> str:
        """Its size: what it says is between its caller and the agent."""
        return f"Command({len(self.message):,} bytes)"


class Reply(Payload, frozen=True, gc=False):
    """The answer of a foreign agent in `data`, as the caller of SendCommand gets it."""


class Order(msgspec.Struct, frozen=True):
    """A command, the group that it is for, and the database it names."""

    group: str
    agent: str
    database: str
    command: Command


class Hello(msgspec.Struct, frozen=True):
    """Who an agent is: the group it belongs to, and its id among all workers, empty where it has none."""

    group: str
    worker: str


class Answer(msgspec.Struct, frozen=True):
    """What an agent answered: JSON texts. `error` is why its query failed, empty where it didn't."""

    json: str
    columns: str
    error: str


def parse(kind: type[Read], data: bytes) -> Read:
    """A message from outside.

    Raises:
        InvalidArguments: the bytes are none, or a text in it isn't UTF-8.
    """
    try:
        return kind.FromString(data)
    except (DecodeError, ValueError) as error:
        raise InvalidArguments(f"this can't be read as {kind.DESCRIPTOR.full_name}: {str(error)[:200]}") from None


# -- who is who ------------------------------------------------------------------------------------------------------


def group_of(agent_id: str) -> str:
    """The group that an agent_id stands for: itself where it may name one, else what may of it, and a digest.

    Raises:
        InvalidArguments: it is missing, or longer than 1,000 characters.
    """
    return _name("agent_id", agent_id, "")


def worker_of(group: str, worker_id: str) -> str:
    """The id of an agent among all workers; two groups may have agents of the same worker_id.

    Raises:
        InvalidArguments: it is missing, or longer than 1,000 characters.
    """
    name = _name("worker_id", worker_id, ":")
    whole = f"{group}:{name}"
    return whole if len(whole) <= NAME_LIMIT else f"{whole[:150]}@{_digest(whole)}"


def _name(field: str, given: str, reserved: str) -> str:
    if not 0 < len(given) <= ID_LIMIT:
        raise InvalidArguments(
            f"{field} has to be 1 to {ID_LIMIT:,} characters, not {len(given):,}",
            problems=[{"path": field, "message": "not a valid id"}],
        )
    try:
        if not reserved or reserved not in given:
            return check_name(field, given)
    except InvalidArguments:
        pass
    return f"{_NO_NAME.sub('_', given)[:80].lstrip('.:@-')}@{_digest(given)}".lstrip("@")


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]


# -- commands --------------------------------------------------------------------------------------------------------


def read_command(data: bytes) -> Order:
    """What a caller of SendCommand wants.

    Raises:
        InvalidArguments: it is no command, names nobody or asks nothing.
        TooLarge: many agents couldn't take it.
    """
    if len(data) > _COMMAND_MOST:
        raise TooLarge(
            f"the command takes {len(data):,} bytes, and agents take {_COMMAND_MOST:,}: send less, or in parts",
            limit=_COMMAND_MOST,
            size=len(data),
        )
    said = parse(agnt_pb2.CommandRequest, data)
    agent, database, query, table = said.agent_id, said.database, said.query, said.tbl_name
    group = group_of(agent)
    if not query and not table:
        raise InvalidArguments(
            "the command has neither query nor tbl_name, so it asks nothing",
            problems=[{"path": "query", "message": "missing"}],
        )
    for field in _OURS:
        said.ClearField(field)
    theirs = said.SerializeToString()  # what is left: fields from 5 on
    asked = agnt_pb2.ServerMessage(database=database, query=query, tbl_name=table).SerializeToString()
    args = _ENCODE({"database": database, "query": query})
    return Order(group, agent, database, Command(args if len(args) <= PAYLOAD_LIMIT else b"", _JSON, asked + theirs))


_OURS = ("agent_id", "database", "query", "tbl_name")
_ENCODE = msgspec.json.Encoder().encode


def command(database: str, query: str, table: str) -> bytes:
    """As `Command.message`, of what somebody else than a caller of SendCommand wants.

    Raises:
        TooLarge: many agents couldn't take it.
        InvalidArguments: a text can't be sent, as it has half a surrogate pair.
    """
    try:
        data = agnt_pb2.ServerMessage(database=database, query=query, tbl_name=table).SerializeToString()
    except (ValueError, UnicodeError) as error:
        raise InvalidArguments(f"the query can't be sent: {str(error)[:200]}") from None
    if len(data) > _COMMAND_MOST:
        raise TooLarge(f"the query takes {len(data):,} bytes, and agents take {_COMMAND_MOST:,}", limit=_COMMAND_MOST)
    return data


def asked(message: bytes, request: str) -> bytes:
    """What an agent is sent: of a field that is there twice, the last counts."""
    return message + agnt_pb2.ServerMessage(request_id=request).SerializeToString()


# -- what agents say -------------------------------------------------------------------------------------------------


def read_hello(data: bytes) -> Hello:
    """Who an agent's first message says it is.

    Raises:
        ProtocolViolation: it doesn't, or is no message.
    """
    try:
        said = parse(agnt_pb2.AgentMessage, data)
        group = group_of(said.agent_id)
        return Hello(group, worker_of(group, said.worker_id) if said.worker_id else "")
    except InvalidArguments as error:
        raise ProtocolViolation(f"an agent's first message names its agent_id: {error.message}") from None


class Said(msgspec.Struct, frozen=True):
    """A message of an agent: a heartbeat, and the answer to a request (empty: to none)."""

    heartbeat: bool
    request: str
    message: agnt_pb2.AgentMessage

    def reply(self) -> Reply:
        """The answer for a caller of SendCommand. Both messages have the rows in field 1 and the columns in 3; the
        request_id is in field 2, where the caller has the message."""
        result = self.message.query_result
        result.DiscardUnknownFields()
        result.request_id = self.message.message
        return Reply(result.SerializeToString(), _PROTOBUF)

    def answer(self) -> Answer:
        """The answer for everybody else."""
        result = self.message.query_result
        return Answer(result.json, result.tbl_meta_data, self.error())

    def error(self) -> str:
        """Why the query failed, empty where it didn't."""
        text = self.message.message
        return text if text and self.message.query_result.json in _NO_ROWS else ""


_NO_ROWS = ("", "null")


def read_said(data: bytes) -> Said:
    """What an agent says after its first message.

    Raises:
        ProtocolViolation: it is no message.
    """
    try:
        said = parse(agnt_pb2.AgentMessage, data)
    except InvalidArguments as error:
        raise ProtocolViolation(error.message) from None
    return Said(bool(said.heartbeat), said.query_result.request_id if said.HasField("query_result") else "", said)


# -- answers ---------------------------------------------------------------------------------------------------------


def failed(error: str) -> bytes:
    """The answer to a command whose query failed."""
    text = error.encode(errors="replace").decode()
    return agnt_pb2.CommandResponse(json="null", message=text, meta_data="null").SerializeToString()
