"""A ref: where a payload that is too large for a shared frame can be fetched, and by which right."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

import msgspec

from farhand.errors import InvalidArguments
from farhand.model.addresses import check_address
from farhand.model.blob import check_checksum, check_id
from farhand.model.payload import Media, Payload

PROTOCOL: Final = "farhand"
"""The one way to fetch: from the hub that made the ref, which has it from its holder or its blob store."""

SIZE_LIMIT: Final = 2**63 - 1
FORMAT_LIMIT: Final = 200
_AS_REF = int(Media.REF)
TOKEN_LIMIT: Final = 2048

_FORMAT = re.compile(r"[a-zA-Z0-9!#$&^_.+-]+/[a-zA-Z0-9!#$&^_.+-]+( ?; ?[a-zA-Z0-9!#$&^_.+-]+=[\x20-\x21\x23-\x7e]+)*")
_TOKEN = re.compile(r"[A-Za-z0-9_-]*")


class Ref(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What names a large payload. Whoever has one with its `token` may fetch it until it expires.

    Attributes:
        id: its name, the same wherever the bytes are; see `farhand.model.blob.check_id`.
        protocol: always "farhand".
        uri: ``HOST:PORT`` of the hub as the caller knows it; empty for the hub that it came from. It says which hub to
            ask, to whoever has a connection to it; nobody dials an address because it stands here.
        direct: ``HOST:PORT`` of the producer's data port; empty if it has none.
        format: media type, e.g. ``application/vnd.apache.parquet``; at most 200 characters.
        size: bytes; -1 while it isn't known.
        checksum: ``xxh3:`` and 32 hexadecimal digits, XXH3-128 over all bytes; empty while it isn't known.
        expires: until when it may be fetched, in seconds since 1970.
        token: the right to fetch it, made and checked by the hub (`farhand.core.refs`).

    Raises:
        InvalidArguments: a field has a value that makes no sense, however the ref was made.
    """

    id: str
    protocol: str = PROTOCOL
    uri: str = ""
    direct: str = ""
    format: str = "application/octet-stream"
    size: int = -1
    checksum: str = ""
    expires: float = 0.0
    token: str = ""

    def __post_init__(self) -> None:
        check_id(self.id)
        check_checksum(self.checksum)
        for address in (self.uri, self.direct):
            if address:
                check_address(address)
        if self.protocol != PROTOCOL:
            raise _bad("protocol", f"it must be {PROTOCOL!r}")
        if len(self.format) > FORMAT_LIMIT or not _FORMAT.fullmatch(self.format):
            raise _bad("format", "it must be a media type, as application/json")
        if not -1 <= self.size <= SIZE_LIMIT:
            raise _bad("size", "it must be a number of bytes, or -1 while it isn't known")
        if not 0 <= self.expires < math.inf:
            raise _bad("expires", "it must be seconds since 1970")
        if len(self.token) > TOKEN_LIMIT or not _TOKEN.fullmatch(self.token):
            raise _bad("token", "it must be text in URL-safe base64")

    def __repr__(self) -> str:
        """As the ref was made, but with its token hidden: whoever has the token may fetch."""
        fields = ((name, getattr(self, name)) for name in self.__struct_fields__)
        return f"Ref({', '.join(f'{name}={value!r}' for name, value in fields if name != 'token')})"


def as_payload(ref: Ref) -> Payload:
    """What stands for a large payload in a frame."""
    return Payload(_WRITE(ref), _AS_REF)


def from_payload(payload: Payload) -> Ref:
    """The ref that stands there.

    Raises:
        InvalidArguments: there is none.
    """
    try:
        if payload.media == _AS_REF:
            return _READ(payload.data)
        raise InvalidArguments("this payload is no ref")
    except (msgspec.DecodeError, RecursionError) as error:
        raise InvalidArguments(f"a payload is not a valid ref: {error}") from error


def as_dict(ref: Ref) -> dict[str, Any]:
    """`ref` as JSON-compatible values, without the fields that have their defaults."""
    found: dict[str, Any] = msgspec.to_builtins(ref)
    return found


def from_dict(fields: Mapping[str, Any]) -> Ref:
    """The ref that `as_dict` told of; fields that aren't known (a newer peer's) are left out.

    Raises:
        InvalidArguments: it is none.
    """
    try:
        return msgspec.convert(fields, Ref)
    except msgspec.ValidationError as error:
        raise _bad("ref", str(error)) from None


def as_url(ref: Ref) -> str:
    """`ref` in one line of text: ``farhand://HUB/ID?size=…``, with its token."""
    more = {name: str(value) for name, value in as_dict(ref).items() if name not in ("id", "protocol", "uri")}
    return f"{PROTOCOL}://{ref.uri}/{ref.id}" + (f"?{urlencode(more, quote_via=quote)}" if more else "")


def from_url(url: str) -> Ref:
    """The ref that `as_url` wrote.

    Raises:
        InvalidArguments: it is none.
    """
    try:
        parts = urlsplit(url)
        pairs = parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
        more: dict[str, Any] = dict(pairs)
        if len(more) < len(pairs) or {"id", "protocol", "uri"} & more.keys() or parts.fragment or "#" in url:
            raise ValueError("a part is there twice, or in the wrong place")
        for name, read in (("size", int), ("expires", float)):
            if name in more:
                more[name] = read(more[name])
    except ValueError as error:
        raise _bad("url", f"it must be like {PROTOCOL}://HOST:PORT/ID?token=…: {error}") from None
    return from_dict({**more, "id": parts.path.removeprefix("/"), "protocol": parts.scheme, "uri": parts.netloc})


_WRITE = msgspec.msgpack.Encoder().encode
_READ = msgspec.msgpack.Decoder(Ref).decode


def _bad(path: str, text: str) -> InvalidArguments:
    return InvalidArguments(f"this is no ref, its {path} is wrong: {text}", problems=[{"path": path, "message": text}])
