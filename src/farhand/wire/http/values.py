"""Payloads ↔ the bodies of requests and answers."""

from __future__ import annotations

from typing import Any

import msgspec

from farhand.core.caching import args_digest
from farhand.errors import InvalidArguments
from farhand.model.payload import NOTHING, Media, Payload
from farhand.wire.plain import body_of, value_of

_JSON = int(Media.JSON)
_BYTES = int(Media.BYTES)
_ANY_JSON = (_JSON, int(Media.OPEN_JSON))
_SAID = (*_ANY_JSON, int(Media.MSGPACK))
"""What JSON can say."""
_OF_THE_ENDS = (int(Media.ARROW), int(Media.BUNDLE))
_ENCODER = msgspec.json.Encoder(enc_hook=str)
_OBJECT: msgspec.json.Decoder[dict[str, msgspec.Raw]] = msgspec.json.Decoder(dict[str, msgspec.Raw])

OCTETS = Media.BYTES.mime
JSON = Media.JSON.mime


def arguments(body: bytes) -> Payload:
    """The arguments that a body is; none where it is empty.

    Raises:
        InvalidArguments: it is no JSON object.
    """
    if not body:
        return NOTHING
    try:
        body.decode()
        _OBJECT.decode(body)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise InvalidArguments(
            f"the body has to be a JSON object of arguments: {error}",
            problems=[{"path": "$", "message": str(error)}],
        ) from None
    return Payload(body, _JSON)


def answer(result: Payload, chunks: list[Payload]) -> tuple[bytes, str]:
    """The body and media type of a result: what JSON can say as JSON; of a stream, even of no chunks, their list.
    What the hub doesn't read, as arrays and tables, goes as it came.

    Raises:
        OutcomeUnknown: a value can't be read.
    """
    if chunks or not result.media:
        return b"[" + b",".join([_json(chunk) for chunk in chunks]) + b"]", JSON
    if result.media == _BYTES:
        return result.data, OCTETS
    if result.media not in _SAID:
        return body_of(result)
    return (result.data if result.media in _ANY_JSON else _json(result)), JSON


def mime_of(media: int) -> str:
    """The media type of a large answer. A worker has no say in it, so that no browser takes its bytes for a page."""
    return Media(media).mime if media in _SAID or media in _OF_THE_ENDS else OCTETS


def _json(payload: Payload) -> bytes:
    return _ENCODER.encode(value_of(payload))


def encode(body: Any) -> bytes:
    """A body of the API's own."""
    return _ENCODER.encode(body)


def digest(args: Any) -> bytes:
    """What the arguments mean, for the cache; empty where JSON can't say it, and their bytes count."""
    try:
        return args_digest(args)
    except (TypeError, ValueError, RecursionError):
        return b""


def digest_of(args: Payload) -> bytes:
    """As `digest`, of arguments that are JSON already."""
    return digest(msgspec.json.decode(args.data)) if args.media == _JSON else b""
