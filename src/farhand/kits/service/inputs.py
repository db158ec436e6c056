"""What an order refers to, once it is here."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
from google.protobuf.message import Message

from farhand.errors import InputRefused, InvalidArguments
from farhand.model.spooled import Spooled
from farhand.ports.spool import Spool
from farhand.wire.control import messages
from farhand.wire.control.orders import Reference

SMALL = 1024 * 1024
"""Bytes up to which a handler gets what the input means; a larger one it gets as an `Input`."""
PIECE = 256 * 1024
_LINES = msgspec.json.Decoder().decode_lines


class Input:
    """One input of a task. It is on this machine's disk (or in memory, if small), and checked against its reference.

    Attributes:
        reference: the reference as the order had it.
        size: in bytes.
        format: what the reference says, or the full name of the protobuf message that came.
    """

    def __init__(
        self, reference: Reference, size: int, kind: type[Message] | None, many: bool, place: Place | Path
    ) -> None:
        self.reference = reference
        self.size = size
        self.format = kind.DESCRIPTOR.full_name if kind is not None else reference.format or ""
        self._kind = kind
        self._many = many
        self._place = place

    def __repr__(self) -> str:
        return f"<Input {self.reference.protocol} {self.size:,} bytes {self.format}>"

    @property
    def path(self) -> Path:
        """A file that has its bytes, for as long as the task runs; not to be written to."""
        return self._place if isinstance(self._place, Path) else self._place.path()

    @property
    def metadata(self) -> Mapping[str, Any]:
        """The reference's metadata."""
        return self.reference.metadata or {}

    def chunks(self) -> Iterator[bytes]:
        """Its bytes, in pieces of at most 256 KiB."""
        if not isinstance(self._place, Path):
            yield from self._place.read()
            return
        with self._place.open("rb") as file:
            while data := file.read(PIECE):
                yield data

    def messages(self) -> Iterator[Any]:
        """The protobuf messages of a stream, one after the other; of one message, that.

        Raises:
            InvalidArguments: no message type is known for it, or its bytes are none.
        """
        if self._kind is None:
            raise InvalidArguments(f"{self!r} is no protobuf message that a loaded proto describes")
        if not self._many:
            yield messages.decode(b"".join(self.chunks()), self._kind)
            return
        for data in messages.undelimited(self.chunks()):
            yield messages.decode(data, self._kind)

    def bytes(self) -> bytes:
        """All of its bytes, in memory."""
        return b"".join(self.chunks())

    def value(self) -> Any:
        """What it means, in memory: a protobuf message or a list of them; of json, the value, or a list of those
        that came a line each; of csv, the rows as
        dicts by the first one's names; of anything else, bytes.

        Raises:
            InputRefused: it isn't what its format says.
        """
        if self._kind is not None:
            found = list(self.messages())
            return found if self._many else found[0]
        try:
            if self.format == "json":
                return _LINES(self.bytes()) if self._many else msgspec.json.decode(self.bytes())
            if self.format == "csv":
                return list(csv.DictReader(io.StringIO(self.bytes().decode("utf-8-sig"), newline="")))
        except (msgspec.DecodeError, UnicodeDecodeError, csv.Error) as error:
            raise InputRefused(f"the input from {shown(self.reference)} is no {self.format}: {error}") from None
        return self.bytes()


class Place:
    """Where a spool has it."""

    def __init__(self, spool: Spool, spooled: Spooled) -> None:
        self._spool = spool
        self._spooled = spooled

    def path(self) -> Path:
        """Its file."""
        return self._spool.path(self._spooled)

    def read(self) -> Iterator[bytes]:
        """Its bytes."""
        return self._spool.read(self._spooled)


def shown(reference: Reference) -> str:
    """What a reference is called in an error: without its query, which may hold a key."""
    if reference.protocol == "inline":
        return "an inline uri"
    return f"{reference.protocol} {reference.uri.partition('?')[0][:200]}"
