"""Python values ↔ payloads.

Python ends speak MessagePack to each other, because it keeps what JSON loses: bytes, NaN, integer keys, times. A
worker answers in the dialect it was asked in, so a caller that sends JSON gets JSON. Bytes travel as they are.
"""

from __future__ import annotations

from typing import Any

import msgspec

from farhand.errors import InvalidArguments, TooLarge
from farhand.model.limits import PAYLOAD_LIMIT
from farhand.model.payload import NOTHING, Media, Payload

_MSGPACK = msgspec.msgpack.Encoder()
_JSON = msgspec.json.Encoder()
_FROM_MSGPACK = msgspec.msgpack.Decoder()
_FROM_JSON = msgspec.json.Decoder()


def to_payload(value: Any, media: int = Media.MSGPACK, *, what: str = "the result") -> Payload:
    """`value` in the dialect `media` (MSGPACK or JSON); bytes-like values stay as they are.

    Raises:
        TooLarge: it takes more than 1 MiB.
        InvalidArguments: its type has no form on the wire; the message names it.
    """
    if value.__class__ in (bytes, bytearray, memoryview):
        payload = Payload(bytes(value), Media.BYTES)
    else:
        try:
            payload = (
                Payload(_JSON.encode(value), Media.JSON)
                if media == Media.JSON
                else Payload(_MSGPACK.encode(value), Media.MSGPACK)
            )
        except (TypeError, ValueError, OverflowError, RecursionError) as error:
            raise InvalidArguments(f"{what} can't be sent: {error}") from error
    check_size(len(payload.data), what)
    return payload


def from_payload(payload: Payload) -> Any:
    """The value of `payload`: plain Python types; None where there is none.

    Raises:
        InvalidArguments: the bytes are not what their media type says.
    """
    media = payload.media
    try:
        if media == Media.MSGPACK:
            return _FROM_MSGPACK.decode(payload.data)
        if media == Media.JSON:
            return _FROM_JSON.decode(payload.data)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise InvalidArguments(f"a payload is not valid {Media(media).mime}: {error}") from error
    if media == Media.BYTES:
        return payload.data
    if media == Media.NONE:
        return None
    raise InvalidArguments(f"a payload has the unknown media type {media}; this side is older than its peer")


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


__all__ = ["NOTHING", "check_size", "from_payload", "to_payload"]
