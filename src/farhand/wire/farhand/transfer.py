"""Parts of a large payload on its own stream.

Whoever sends and receives data writes and reads a part's head here, around the bytes themselves, which are copied once
at each end; the hub in between passes parts on without looking. Ends and puts are rare, and go through protobuf.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator
from struct import Struct
from typing import Any

import xxhash
from google.protobuf.message import DecodeError

from farhand.errors import DataDamaged, ProtocolViolation
from farhand.model.blob import CHECKSUM
from farhand.model.limits import PAYLOAD_LIMIT
from farhand.model.payload import media_of
from farhand.model.ref import Ref
from farhand.wire.farhand._pb import data_pb2

SERVICE = "/farhand.v1.DataService/"
TRANSFER = "farhand-transfer"
"""The metadata of a Push that names the transfer."""
GONE = "farhand-gone"
"""The metadata of a Push that has nothing to send: the ref is not held any more."""

PART_LIMIT = PAYLOAD_LIMIT
"""Most bytes in one part."""

_OFFSET, _DATA = 0x09, 0x12  # field 1 as fixed64, field 2 as bytes
_HEAD = Struct("<BQB")


def data_part(offset: int, data: Any) -> bytes:
    """A part with bytes."""
    size = len(data)
    tail = bytearray()
    while size > 0x7F:
        tail.append(size & 0x7F | 0x80)
        size >>= 7
    tail.append(size)
    return b"".join((_HEAD.pack(_OFFSET, offset, _DATA), tail, data))


def end_part(size: int, digest: bytes) -> bytes:
    """The last part."""
    return data_pb2.Part(end=data_pb2.End(size=size, checksum=digest)).SerializeToString()


def read_data(part: bytes) -> tuple[int, memoryview] | None:
    """Offset and bytes of a part, without a copy; None of a part that isn't plainly that."""
    if len(part) < _HEAD.size + 1:
        return None
    first, offset, second = _HEAD.unpack_from(part)
    if first != _OFFSET or second != _DATA:
        return None
    size = shift = 0
    at = _HEAD.size
    while at < len(part) and shift < 32:
        byte = part[at]
        size |= (byte & 0x7F) << shift
        shift, at = shift + 7, at + 1
        if byte < 0x80:
            break
    return (offset, memoryview(part)[at:]) if size == len(part) - at else None


def read_part(part: bytes) -> data_pb2.Part:
    """Any part.

    Raises:
        ProtocolViolation: it is none.
    """
    try:
        return data_pb2.Part.FromString(part)
    except DecodeError as error:
        raise ProtocolViolation(f"a part of a payload can't be read: {error}") from error


class Incoming:
    """What a receiver knows of a payload that comes in parts: how much of it is here, and its checksum so far."""

    __slots__ = ("_hash", "_size", "ended", "offset")

    def __init__(self, size: int = -1, offset: int = 0) -> None:
        """`size` in bytes, -1 where it isn't known; no more is taken. From an `offset` on there is no checksum."""
        self._size = size
        self._hash = xxhash.xxh3_128() if offset == 0 else None
        self.offset = offset
        self.ended = False

    @property
    def checksum(self) -> str:
        """Of what is here, as `farhand.model.blob` writes it."""
        assert self._hash is not None, "who begins in the middle has no checksum"
        return CHECKSUM + self._hash.hexdigest()

    def take(self, part: bytes) -> memoryview | None:
        """The bytes of the next part; None once it was the end, and everything is as the end says.

        Raises:
            DataDamaged: it is not.
            ProtocolViolation: the part is none, or isn't the next.
        """
        found = read_data(part)
        if found is None:
            message = read_part(part)
            if message.HasField("end"):
                self._finish(message.end)
                return None
            found = (message.offset, memoryview(message.data))
        offset, data = found
        if self.ended or offset != self.offset or not data or len(data) > PART_LIMIT:
            raise ProtocolViolation(f"a part at {offset:,} came where {self.offset:,} bytes were here")
        self.offset += len(data)
        if self.offset > self._size >= 0:
            raise DataDamaged(f"a payload of {self._size:,} bytes doesn't end there: fetch it again")
        if self._hash is not None:
            self._hash.update(data)
        return data

    def _finish(self, end: data_pb2.End) -> None:
        digest = end.checksum if self._hash is None else self._hash.digest()
        if end.size != self.offset or self._size not in (-1, end.size) or end.checksum != digest:
            raise DataDamaged(
                f"a payload arrived altered: {self.offset:,} bytes came of {end.size:,}, or they are others. Fetch it "
                "again; if it stays so, run the job again"
            )
        self.ended = True


async def data_of(parts: AsyncIterable[bytes], size: int = -1, offset: int = 0) -> AsyncIterator[memoryview]:
    """The bytes that parts from `offset` on have, in their order; `size` as of `Incoming`.

    Raises:
        DataDamaged: they aren't whole; the error comes behind them.
        ProtocolViolation: they are no parts.
    """
    incoming = Incoming(size, offset)
    async for part in parts:
        data = incoming.take(part)
        if data is None:
            return
        yield data
    raise DataDamaged("a payload was cut off: fetch it again")


def stands_for(ref: Ref) -> int:
    """The `Media` number of the payload that a ref stands for."""
    return media_of(ref.format)
