"""Protobuf messages: their full name, then their bytes."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from farhand.model.payload import Media
from farhand.wire.codecs.base import Broken, Encoded, Missing, Unsendable, encoded, take_name, with_name

if TYPE_CHECKING:
    from google.protobuf.message import Message


def encode(value: Any) -> Encoded | None:
    """A message; None where `value` is none.

    Raises:
        Unsendable: a required field isn't set.
    """
    if not is_message_class(type(value)):
        return None
    from google.protobuf.message import EncodeError

    name = value.DESCRIPTOR.full_name
    try:
        return encoded(Media.PROTOBUF, with_name(name, (value.SerializeToString(),)))
    except EncodeError as error:
        raise Unsendable(value, f"a {name} is not whole: {error}") from error


def decode(data: memoryview, wanted: Any = None) -> Message:
    """A message, of the class `wanted` where that is the one that came, else of the type found in the default pool.

    Raises:
        Missing: its type isn't known here.
        Broken: it isn't one.
    """
    from google.protobuf import descriptor_pool, message_factory
    from google.protobuf.message import DecodeError

    name, body = take_name(data)
    kind = wanted if is_message_class(wanted) and wanted.DESCRIPTOR.full_name == name else None
    if kind is None:
        try:
            kind = message_factory.GetMessageClass(descriptor_pool.Default().FindMessageTypeByName(name))
        except KeyError:
            raise Missing(
                f"the protobuf type {name} isn't known here: import the module made from its .proto, or ask for it "
                "with returns="
            ) from None
    try:
        found: Message = kind.FromString(bytes(body))
    except DecodeError as error:
        raise Broken(f"a payload is no valid {name}: {error}") from error
    return found


def is_message_class(kind: Any) -> bool:
    """Whether it is a class of messages."""
    module = sys.modules.get("google.protobuf.message")
    return module is not None and isinstance(kind, type) and issubclass(kind, module.Message)


def plain(value: Message) -> Any:
    """A message as protobuf's JSON has it."""
    from google.protobuf import json_format

    return json_format.MessageToDict(value)


def from_plain(value: Any, kind: Any) -> Message:
    """A message of the class `kind` from protobuf's JSON.

    Raises:
        ValueError: it doesn't fit.
    """
    from google.protobuf import json_format

    try:
        found: Message = json_format.ParseDict(value, kind())
    except (json_format.ParseError, TypeError, AttributeError) as error:
        raise ValueError(f"is no {kind.DESCRIPTOR.full_name}: {error}") from None
    return found
