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

    @property
    def mime(self) -> str:
        """The registered name, e.g. ``application/json``."""
        return _MIME[self]


_MIME = {
    Media.NONE: "",
    Media.JSON: "application/json",
    Media.MSGPACK: "application/msgpack",
    Media.BYTES: "application/octet-stream",
}


class Payload(msgspec.Struct, frozen=True, gc=False):
    """`data` as `media`. The hub never decodes it."""

    data: bytes = b""
    media: int = Media.JSON


NOTHING = Payload(b"", Media.NONE)


def check_size(size: int, what: str) -> None:
    """Refuse what can't go in a shared frame.

    Raises:
        TooLarge: `size` is over 1 MiB.
    """
    if size > PAYLOAD_LIMIT:
        raise TooLarge(
            f"{what} takes {size:,} bytes; the limit is {PAYLOAD_LIMIT:,} (1 MiB): send less, or stream it in chunks",
            limit=PAYLOAD_LIMIT,
            size=size,
        )
