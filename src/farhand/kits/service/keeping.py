"""What a handler returns or yields becomes a result of its task."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
from google.protobuf.message import Message

from farhand.errors import InvalidArguments
from farhand.kits.service.running import Told
from farhand.model.spooled import Content
from farhand.ports.spool import Spool, Writer
from farhand.wire.control import messages
from farhand.wire.control.messages import Rpc
from farhand.wire.control.results import Result

PIECE = 1024 * 1024
GETTER = "GetLastResult"


class Keeper:
    """Keeps the results of one method's tasks. `rpcs` are those of the service's protos."""

    def __init__(self, method: str, rpcs: Sequence[Rpc], spool: Spool) -> None:
        own = [rpc for rpc in rpcs if rpc.name == method]
        getters = {rpc.gives.DESCRIPTOR.full_name: rpc.gives for rpc in rpcs if rpc.name == GETTER and not rpc.streams}
        self._spool = spool
        self._declared = own[0] if own else None
        self._likely = next(iter(getters.values())) if len(getters) == 1 else None

    def keep(self, value: Any, owner: str) -> Result:
        """What was returned.

        Raises:
            FarhandError: it can't be kept, as the class says.
        """
        if isinstance(value, Told):
            spooled = None if value.result is None else self.keep(value.result, owner).spooled
            return Result(spooled=spooled, output=value.output)
        if isinstance(value, Iterator):
            stream = self.stream(owner)
            try:
                for one in value:
                    stream.add(one)
                return stream.finish()
            finally:
                stream.discard()
        data, content, type = self._encoded(value)
        writer = self._spool.begin(owner)
        try:
            for at in range(0, len(data), PIECE):
                writer.write(data[at : at + PIECE])
            return Result(spooled=writer.finish(content, type))
        finally:
            writer.discard()

    def stream(self, owner: str) -> StreamKeeper:
        """What is being yielded."""
        gives = self._declared.gives if self._declared is not None and self._declared.streams else None
        return StreamKeeper(self._spool.begin(owner), gives)

    def _encoded(self, value: Any) -> tuple[bytes, Content, str]:
        if self._declared is not None and not self._declared.streams:
            return _as_message(messages.to_message(value, self._declared.gives))
        if isinstance(value, Message):
            return _as_message(value)
        if isinstance(value, bytes | bytearray | memoryview):
            return bytes(value), "bytes", ""
        if isinstance(value, dict) and self._likely is not None:
            try:
                return _as_message(messages.to_message(value, self._likely))
            except InvalidArguments:
                pass  # it isn't meant as that message
        return as_json(value), "json", ""


class StreamKeeper:
    """Keeps what a generator yields, as it comes. The first item says what all of them are."""

    def __init__(self, writer: Writer, gives: type[Message] | None) -> None:
        self._writer = writer
        self._gives = gives
        self._content: Content | None = None
        self._type = ""

    def add(self, value: Any) -> None:
        """One more item.

        Raises:
            FarhandError: it can't be kept, or is of another kind than those before.
        """
        if self._gives is not None and not (messages.carrier(self._gives) and not isinstance(value, Message)):
            value = messages.to_message(value, self._gives)
        content, type = _kind_of(value)
        if self._content is None:
            self._content, self._type = content, type
        elif (content, type) != (self._content, self._type):
            kinds = f"{self._type or self._content} first and {type or content} later"
            raise InvalidArguments(f"a generator yields {kinds}: all it yields must be of one kind")
        if content == "messages":
            self._writer.write(messages.delimited(messages.encode(value)))
        elif content == "bytes":
            self._writer.write(bytes(value))
        else:
            self._writer.write(as_json(value) + b"\n")

    def finish(self) -> Result:
        """That was all."""
        if self._content is None and self._gives is not None and not messages.carrier(self._gives):
            self._content, self._type = "messages", self._gives.DESCRIPTOR.full_name
        return Result(spooled=self._writer.finish(self._content or "bytes", self._type))

    def discard(self) -> None:
        """It isn't wanted. After `finish`, nothing happens."""
        self._writer.discard()


def _kind_of(value: Any) -> tuple[Content, str]:
    if isinstance(value, Message):
        return "messages", value.DESCRIPTOR.full_name
    return ("bytes", "") if isinstance(value, bytes | bytearray | memoryview) else ("lines", "")


def _as_message(message: Message) -> tuple[bytes, Content, str]:
    return messages.encode(message), "message", message.DESCRIPTOR.full_name


def as_json(value: Any) -> bytes:
    """A value as JSON.

    Raises:
        InvalidArguments: it has no form in JSON.
    """
    try:
        return msgspec.json.encode(value, enc_hook=_foreign)
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidArguments(f"the result can't be sent: {error}; return a message, a dict or bytes") from None


def _foreign(value: Any) -> Any:
    if isinstance(value, Message):
        return messages.fields_of(value)
    dump = getattr(value, "model_dump", None)
    if callable(dump):
        return dump()
    raise TypeError(f"objects of type {type(value).__name__} have no form in JSON")


__all__ = ["Keeper", "StreamKeeper", "as_json"]
