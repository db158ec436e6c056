"""Bytes with a media type: what arguments, chunks and results are between the two ends that understand them."""

from __future__ import annotations

from enum import IntEnum

import msgspec

from farhand.errors import TooLarge
from farhand.model.limits import PAYLOAD_LIMIT


class Media(IntEnum):
    """Media types that travel as a number. The values are the wire's `MediaType`."""

    NONE = 0
    JSON = 1
    MSGPACK = 2
    BYTES = 3
    ARROW = 4
    PROTOBUF = 5
    NAMED = 6
    BUNDLE = 7
    OPEN_JSON = 8

    @property
    def mime(self) -> str:
        """The name, e.g. ``application/json``; of NAMED, whose payloads say theirs, it is empty."""
        return _MIME[self]


_MIME = {
    Media.NONE: "",
    Media.JSON: "application/json",
    Media.MSGPACK: "application/msgpack",
    Media.BYTES: "application/octet-stream",
    Media.ARROW: "application/vnd.apache.arrow.stream",
    Media.PROTOBUF: "application/x-protobuf",
    Media.NAMED: "",
    Media.BUNDLE: "application/vnd.farhand.bundle",
    Media.OPEN_JSON: "application/json",
}


class Payload(msgspec.Struct, frozen=True, gc=False):
    """`data` as `media`. The hub never decodes it."""

    data: bytes = b""
    media: int = Media.JSON


NOTHING = Payload(b"", Media.NONE)


def check_size(size: int, what: str, limit: int = PAYLOAD_LIMIT) -> None:
    """Refuse what can't go in a shared frame.

    Raises:
        TooLarge: `size` is over the limit, 1 MiB.
    """
    if size > limit:
        raise TooLarge(
            f"{what} takes {size:,} bytes; the limit is {limit:,} (1 MiB): send less, or stream it in chunks",
            limit=limit,
            size=size,
        )
