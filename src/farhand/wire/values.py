"""Python values ↔ payloads.

Python ends speak MessagePack to each other, because it keeps what JSON loses: bytes, NaN, integer keys, times. A
worker answers in the dialect it was asked in, so a caller that sends JSON gets JSON. Bytes travel as they are.
"""

from __future__ import annotations

from typing import Any

import msgspec

from farhand.errors import InvalidArguments
from farhand.model.limits import PAYLOAD_LIMIT
from farhand.model.payload import NOTHING, Media, Payload, check_size

# Looking up an enum's member costs 0.1 µs; these are looked up for every call.
_AS_NOTHING, _AS_JSON, _AS_MSGPACK, _AS_BYTES = (int(media) for media in Media)


def _foreign(value: Any) -> Any:
    """Types that msgspec doesn't know: pydantic models, whatever their place, give their own plain form."""
    dump = getattr(value, "model_dump", None)
    if callable(dump):
        return dump()
    raise TypeError(f"Encoding objects of type {type(value).__name__} is unsupported")


_MSGPACK = msgspec.msgpack.Encoder(enc_hook=_foreign)
_JSON = msgspec.json.Encoder(enc_hook=_foreign)
_FROM_MSGPACK = msgspec.msgpack.Decoder()
_FROM_JSON = msgspec.json.Decoder()


def to_payload(value: Any, media: int = _AS_MSGPACK, *, what: str = "the result") -> Payload:
    """`value` in the dialect `media` (MSGPACK or JSON); bytes-like values stay as they are.

    Raises:
        TooLarge: it takes more than 1 MiB.
        InvalidArguments: its type has no form on the wire; the message names it.
    """
    if value.__class__ in (bytes, bytearray, memoryview):
        data, media = bytes(value), _AS_BYTES
    else:
        try:
            data = _JSON.encode(value) if media == _AS_JSON else _MSGPACK.encode(value)
        except (TypeError, ValueError, OverflowError, RecursionError) as error:
            raise InvalidArguments(f"{what} can't be sent: {error}") from error
    if len(data) > PAYLOAD_LIMIT:
        check_size(len(data), what)
    return Payload(data, media)


def from_payload(payload: Payload) -> Any:
    """The value of `payload`: plain Python types; None where there is none.

    Raises:
        InvalidArguments: the bytes are not what their media type says.
    """
    media = payload.media
    try:
        if media == _AS_MSGPACK:
            return _FROM_MSGPACK.decode(payload.data)
        if media == _AS_JSON:
            return _FROM_JSON.decode(payload.data)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise InvalidArguments(f"a payload is not valid {Media(media).mime}: {error}") from error
    if media == _AS_BYTES:
        return payload.data
    if media == _AS_NOTHING:
        return None
    raise InvalidArguments(f"a payload has the unknown media type {media}; this side is older than its peer")


__all__ = ["NOTHING", "check_size", "from_payload", "to_payload"]
