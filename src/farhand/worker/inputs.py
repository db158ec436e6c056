"""Arguments that are other jobs' results, put beside those that were given.

Nothing is decoded that needn't be: values of one dialect are joined as they are, so that the handler's hints read them
as they would have read the caller's own. Arrays, tables and the like are read and written anew, over the same memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from farhand.errors import InvalidArguments
from farhand.model.job import Input
from farhand.model.payload import Media, Payload
from farhand.model.ref import SIZE_LIMIT
from farhand.wire.values import DEFAULT, Codecs

_JSON, _MSGPACK, _NONE = int(Media.JSON), int(Media.MSGPACK), int(Media.NONE)
_OPEN_JSON, _BUNDLE, _BYTES = int(Media.OPEN_JSON), int(Media.BUNDLE), int(Media.BYTES)
_ANY_JSON = (_JSON, _OPEN_JSON)
_PLAIN = (_NONE, *_ANY_JSON, _MSGPACK, _BYTES)
_READ_JSON = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_READ = {_JSON: _READ_JSON, _OPEN_JSON: _READ_JSON, _MSGPACK: msgspec.msgpack.Decoder(dict[str, msgspec.Raw]).decode}
_WRITE_JSON = msgspec.json.Encoder().encode
_WRITE = {_JSON: _WRITE_JSON, _OPEN_JSON: _WRITE_JSON, _MSGPACK: msgspec.msgpack.Encoder().encode}


def filled(args: Payload, inputs: Sequence[Input], codecs: Codecs = DEFAULT) -> Payload:
    """The argument object with the inputs in it, in the dialect of `args`; without those in the inputs' own.

    Raises:
        InvalidArguments: an argument is given both ways, or a value can't be read.
    """
    media = args.media if args.media != _NONE else _common(inputs)
    if media not in _READ and media != _BUNDLE:
        return args  # no object: the handler's signature says so
    said = {payload.media for one in inputs for payload in one.values}
    anew = media == _BUNDLE or not said <= set(_PLAIN)
    found: dict[str, Any]
    try:
        if args.media == _NONE:
            found = {}
        else:
            found = codecs.read(args) if anew else dict(_READ[media](args.data))
    except (InvalidArguments, msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return args
    if not isinstance(found, dict):
        return args
    for one in inputs:
        if one.argument in found:
            raise InvalidArguments(f"{one.argument!r} is given twice: as an argument and as an input from another job")
        values = [codecs.read(payload) if anew else _value(payload, media, codecs) for payload in one.values]
        found[one.argument] = values if one.chunks else values[0]
    if anew:
        return codecs.encode(found, what="the argument object", limit=SIZE_LIMIT).payload()
    return Payload(_WRITE[media](found), media)


def _common(inputs: Sequence[Input]) -> int:
    said = {payload.media for one in inputs for payload in one.values}
    if said == {_JSON}:
        return _JSON
    return _OPEN_JSON if said and said <= set(_ANY_JSON) else _MSGPACK


def _value(payload: Payload, media: int, codecs: Codecs) -> Any:
    """Its bytes where they are of this dialect already, else what they mean."""
    same = payload.media == media or (media in _ANY_JSON and payload.media in _ANY_JSON)
    return msgspec.Raw(payload.data) if same else codecs.read(payload)
