"""Arguments that are other jobs' results, put beside those that were given.

Nothing is decoded that needn't be: values of one dialect are joined as they are, so that the handler's hints read them
as they would have read the caller's own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from farhand.errors import InvalidArguments
from farhand.model.job import Input
from farhand.model.payload import Media, Payload
from farhand.wire.values import from_payload

_JSON, _MSGPACK, _NONE = int(Media.JSON), int(Media.MSGPACK), int(Media.NONE)
_READ = {
    _JSON: msgspec.json.Decoder(dict[str, msgspec.Raw]).decode,
    _MSGPACK: msgspec.msgpack.Decoder(dict[str, msgspec.Raw]).decode,
}
_WRITE = {_JSON: msgspec.json.Encoder().encode, _MSGPACK: msgspec.msgpack.Encoder().encode}


def filled(args: Payload, inputs: Sequence[Input]) -> Payload:
    """The argument object with the inputs in it, in the dialect of `args`; without those in the inputs' own.

    Raises:
        InvalidArguments: an argument is given both ways, or a value can't be read.
    """
    media = args.media if args.media != _NONE else _common(inputs)
    if media not in _READ:
        return args  # no object: the handler's signature says so
    try:
        found: dict[str, Any] = dict(_READ[media](args.data)) if args.media != _NONE else {}
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return args
    for one in inputs:
        if one.argument in found:
            raise InvalidArguments(f"{one.argument!r} is given twice: as an argument and as an input from another job")
        values = [_value(payload, media) for payload in one.values]
        found[one.argument] = values if one.chunks else values[0]
    return Payload(_WRITE[media](found), media)


def _common(inputs: Sequence[Input]) -> int:
    said = {payload.media for one in inputs for payload in one.values}
    return _JSON if said == {_JSON} else _MSGPACK


def _value(payload: Payload, media: int) -> Any:
    """Its bytes where they are of this dialect already, else what they mean."""
    return msgspec.Raw(payload.data) if payload.media == media else from_payload(payload)
