"""Bytes with a media type: what arguments, chunks and results are between the two ends that understand them."""

from __future__ import annotations

from enum import IntEnum

import msgspec

from farhand.errors import TooLarge
from farhand.model.limits import CHUNK_OVERHEAD, CREDIT_WINDOW, PAYLOAD_LIMIT


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
    REF = 9

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
    Media.REF: "application/vnd.farhand.ref",
}
_FORMATS = {**_MIME, Media.NONE: "application/octet-stream", Media.NAMED: "application/vnd.farhand.named"}
_MEDIA = {name: media for media, name in reversed(_FORMATS.items()) if media is not Media.NONE}


def format_of(media: int) -> str:
    """The media type by which a ref's `format` says what a number of `Media` says."""
    return _FORMATS[Media(media)]


def media_of(format: str) -> int:
    """What `format_of` was told; BYTES for a media type of others."""
    return int(_MEDIA.get(format, Media.BYTES))


class Payload(msgspec.Struct, frozen=True, gc=False):
    """`data` as `media`. The hub never decodes it."""

    data: bytes = b""
    media: int = Media.JSON


_AS_REF = int(Media.REF)
LOCAL = 1000
"""In place of REF between a worker and its own child process: the bytes are in a file, whose `size`, `media` and `path`
the payload has. It never leaves them."""
NOTHING = Payload(b"", Media.NONE)


REF_COST = CREDIT_WINDOW // 4
"""What a chunk is charged that travels by a ref: so few are under way at once, whatever their size."""


def chunk_cost(payload: Payload) -> int:
    """Bytes that a chunk takes of its reader's window; each end charges the same."""
    return charged(len(payload.data), payload.media)


def charged(size: int, media: int) -> int:
    """As `chunk_cost`, of a payload of so many bytes in its frame."""
    return REF_COST if media >= _AS_REF else size + CHUNK_OVERHEAD


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
