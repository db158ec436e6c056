"""A user's own protobuf modules: which services they describe, and their messages ↔ Python values.

No code of ours is generated from them: all is read off their descriptors, in the pool that they live in.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec
from google.protobuf import json_format, message_factory
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import DecodeError, EncodeError, Message

from farhand.errors import InvalidArguments, TooLarge

MESSAGE_MOST = 2**31 - 1
"""Bytes of the largest protobuf message there can be."""

STREAMING_WAYS = (
    "let the handler be a generator that yields it in pieces, and fetch it by a server-streaming rpc of your proto, "
    "as in `rpc StreamLastResult(Empty) returns (stream Chunk)`, or from /control/data/TASK"
)
_VARINT_MOST = 10


class Rpc(msgspec.Struct, frozen=True, kw_only=True):
    """One rpc of a user's service. `path` is how gRPC calls it."""

    service: str
    name: str
    takes: type[Message]
    gives: type[Message]
    takes_stream: bool = False
    streams: bool = False

    @property
    def path(self) -> str:
        """``/package.Service/Method``."""
        return f"/{self.service}/{self.name}"

    @property
    def asks_nothing(self) -> bool:
        """Whether its request is one empty message, so that what it gives is a result that is there already."""
        return not self.takes_stream and not self.takes.DESCRIPTOR.fields


def rpcs_of(services: Iterable[Any]) -> list[Rpc]:
    """The rpcs of service descriptors, in their order."""
    return [
        Rpc(
            service=service.full_name,
            name=method.name,
            takes=message_factory.GetMessageClass(method.input_type),
            gives=message_factory.GetMessageClass(method.output_type),
            takes_stream=bool(method.client_streaming),
            streams=bool(method.server_streaming),
        )
        for service in services
        for method in service.methods
    ]


def services_in(modules: Iterable[Any]) -> list[Any]:
    """The service descriptors of compiled modules.

    Raises:
        InvalidArguments: a module isn't a compiled proto.
    """
    found = []
    for module in modules:
        file = getattr(module, "DESCRIPTOR", None)
        if file is None or not hasattr(file, "services_by_name"):
            raise InvalidArguments(f"{module.__name__} is no compiled proto: name a module such as my_service_pb2")
        found += list(file.services_by_name.values())
    return found


def message_types(modules: Iterable[Any]) -> dict[str, type[Message]]:
    """The message classes of compiled modules, by their full name, and by their short one where it is unique."""
    full = {
        one.full_name: message_factory.GetMessageClass(one)
        for module in modules
        for one in module.DESCRIPTOR.message_types_by_name.values()
    }
    short: dict[str, list[type[Message]]] = {}
    for kind in full.values():
        short.setdefault(kind.DESCRIPTOR.name, []).append(kind)
    return full | {name: kinds[0] for name, kinds in short.items() if len(kinds) == 1}


def carrier(kind: type[Message]) -> str:
    """The field by which a message carries bytes: the only one of its fields that is singular bytes; empty if there
    isn't exactly one."""
    empty = kind()
    names = [
        one.name
        for one in kind.DESCRIPTOR.fields
        if one.type == FieldDescriptor.TYPE_BYTES and isinstance(getattr(empty, one.name), bytes)
    ]
    return names[0] if len(names) == 1 else ""


def same(message: Message, kind: type[Message]) -> bool:
    """Whether a message is of this type, wherever its class was made."""
    return message.DESCRIPTOR.full_name == kind.DESCRIPTOR.full_name


def encode(message: Message) -> bytes:
    """Its bytes.

    Raises:
        TooLarge: they are more than 2 GiB - 1; the message names the way of streams.
        InvalidArguments: a required field is missing.
    """
    check_message_size(message.ByteSize(), message.DESCRIPTOR.name)
    try:
        return message.SerializeToString()
    except EncodeError as error:
        raise InvalidArguments(f"a {message.DESCRIPTOR.name} can't be sent: {error}") from None


def check_message_size(size: int, name: str, most: int = MESSAGE_MOST) -> None:
    """See that so many bytes can be one message.

    Raises:
        TooLarge: they can't.
    """
    if size > most:
        raise TooLarge(
            f"a {name} of {size:,} bytes is too large: one protobuf message has at most {most:,} (2 GiB - 1): "
            f"{STREAMING_WAYS}",
            limit=most,
            size=size,
        )


def decode(data: bytes, kind: type[Message]) -> Message:
    """The message that these bytes are.

    Raises:
        InvalidArguments: they are none of this type.
    """
    try:
        return kind.FromString(data)
    except DecodeError as error:
        raise InvalidArguments(f"{len(data):,} bytes are no {kind.DESCRIPTOR.full_name}: {error}") from None


def to_message(value: Any, kind: type[Message]) -> Message:
    """A value as a message: one of the type itself; fields by name; bytes, where the type has one field for them;
    None, which is an empty one.

    Raises:
        InvalidArguments: it doesn't fit; the message says why.
    """
    name = kind.DESCRIPTOR.name
    if isinstance(value, Message):
        if not same(value, kind):
            raise InvalidArguments(f"a {value.DESCRIPTOR.full_name} is no {kind.DESCRIPTOR.full_name}")
        return value if isinstance(value, kind) else decode(encode(value), kind)
    if value is None:
        return kind()
    if isinstance(value, bytes | bytearray | memoryview):
        field = carrier(kind)
        if not field:
            raise InvalidArguments(f"bytes are no {name}, which has not exactly one field of bytes")
        return kind(**{field: bytes(value)})
    if not isinstance(value, Mapping):
        raise InvalidArguments(f"a {type(value).__name__} is no {name}: give the message, or its fields as a dict")
    try:
        return kind(**value)
    except (TypeError, ValueError) as first:
        try:
            return json_format.ParseDict(dict(value), kind())  # times, durations and base64 as JSON has them
        except (json_format.ParseError, TypeError, ValueError):
            raise InvalidArguments(f"the fields are no {name}: {first}") from None


def from_json(value: Mapping[str, Any], kind: type[Message]) -> Message:
    """Fields that came as JSON as a message.

    Raises:
        InvalidArguments: they don't fit.
    """
    try:
        return json_format.ParseDict(dict(value), kind())
    except (json_format.ParseError, TypeError, ValueError) as error:
        raise InvalidArguments(f"the parameters are no {kind.DESCRIPTOR.name}: {error}") from None


def fields_of(message: Message, *, set_only: bool = False) -> dict[str, Any]:
    """A message's fields by name, as plain Python values; enums by their names. Those that can tell that they were not
    given are left out; with `set_only`, so are those that have their default."""
    said = {field.name for field, _ in message.ListFields()}
    return {
        field.name: _plain(getattr(message, field.name), field)
        for field in message.DESCRIPTOR.fields
        if field.name in said or not (set_only or field.has_presence)
    }


def _plain(value: Any, field: Any) -> Any:
    if isinstance(value, str | bytes | bool | float):
        return value
    if isinstance(value, Message):
        return fields_of(value)
    if isinstance(value, int):
        named = field.enum_type.values_by_number.get(value) if field.enum_type is not None else None
        return named.name if named is not None else value
    if isinstance(value, Mapping) or hasattr(value, "items"):
        of = field.message_type.fields_by_name["value"]
        return {key: _plain(value[key], of) for key in value}
    return [_plain(one, field) for one in value]


def delimited(data: bytes) -> bytes:
    """A message in a stream of many: its length as a varint, then its bytes."""
    size, head = len(data), bytearray()
    while size > 0x7F:
        head.append(size & 0x7F | 0x80)
        size >>= 7
    head.append(size)
    return bytes(head) + data


def undelimited(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The messages in a stream of many, whatever pieces it comes in.

    Raises:
        InvalidArguments: it ends within a message, or is none.
    """
    buffer, at = b"", 0
    for piece in pieces:
        buffer, at = buffer[at:] + piece, 0
        while (head := _varint(buffer, at)) is not None:
            size, body = head
            if body + size > len(buffer):
                break
            yield buffer[body : body + size]
            at = body + size
    if at < len(buffer):
        raise InvalidArguments("a stream of messages ends within one")


def _varint(data: bytes, at: int) -> tuple[int, int] | None:
    """The number at this place, and where what follows begins; None where it isn't all there."""
    value = 0
    for shift in range(_VARINT_MOST):
        if at + shift >= len(data):
            return None
        byte = data[at + shift]
        value |= (byte & 0x7F) << (7 * shift)
        if byte < 0x80:
            return value, at + shift + 1
    raise InvalidArguments("a stream of messages has a length that is no number")


def carried(data: bytes, kind: type[Message]) -> bytes:
    """A message of this type, serialized, that carries these bytes."""
    return kind(**{carrier(kind): data}).SerializeToString()
