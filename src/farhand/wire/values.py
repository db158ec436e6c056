"""Python values ↔ payloads.

Python ends speak MessagePack to each other, because it keeps what JSON loses: bytes, NaN, integer keys, times. Arrays,
tables, protobuf messages, files and what plugins know travel as what they are, alone or inside of other values. A
worker answers in the dialect it was asked in, so a caller that sends JSON gets JSON. Bytes travel as they are. Where
`json_up_to` allows it, a small value that JSON gives back unchanged travels as JSON. The reasons: docs/adr/0013.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NoReturn

import msgspec

from farhand.errors import FarhandError, InvalidArguments
from farhand.model.limits import INLINE_LIMIT, PAYLOAD_LIMIT
from farhand.model.payload import NOTHING, Media, Payload, check_size
from farhand.model.ref import SIZE_LIMIT, Ref
from farhand.wire.codecs.base import (
    Arrived,
    Broken,
    Codec,
    Encoded,
    Limits,
    OnDisk,
    Unsendable,
    a_type,
    cut,
    encoded,
    type_name,
)
from farhand.wire.codecs.bundle import Bundle, bundled, place
from farhand.wire.codecs.growth import LARGE, check_growth
from farhand.wire.codecs.locate import path_to
from farhand.wire.codecs.plugins import NO_PICKLE, Plugins
from farhand.wire.fitting import fit

# Looking up an enum's member costs 0.1 µs; these are looked up for every call.
_AS_NOTHING, _AS_JSON, _AS_MSGPACK, _AS_BYTES = int(Media.NONE), int(Media.JSON), int(Media.MSGPACK), int(Media.BYTES)
_AS_ARROW, _AS_PROTOBUF, _AS_NAMED = int(Media.ARROW), int(Media.PROTOBUF), int(Media.NAMED)
_AS_BUNDLE, _AS_OPEN_JSON, _AS_REF = int(Media.BUNDLE), int(Media.OPEN_JSON), int(Media.REF)
_ANY_JSON = (_AS_JSON, _AS_OPEN_JSON)
_BYTES = (bytes, bytearray, memoryview)
_UNENCODABLE = (TypeError, ValueError, OverflowError, RecursionError)
_UNDECODABLE = (msgspec.DecodeError, RecursionError, UnicodeDecodeError, MemoryError)


class ByRef:
    """Stands for a ref among arguments, in whose place the handler is to have what it stands for."""

    __slots__ = ("ref",)

    def __init__(self, ref: Ref) -> None:
        self.ref = ref


class _Special(Exception):
    """A value that msgspec doesn't know: the slow way looks who does."""


class _Whole(Exception):
    """The value as a whole, not something inside of it, is one for a codec."""

    def __init__(self, found: Encoded) -> None:
        super().__init__()
        self.found = found


def _dumped(value: Any) -> Any:
    """Pydantic models, whatever their place, give their own plain form."""
    dump = getattr(type(value), "model_dump", None)
    if callable(dump):
        return dump(value)
    raise _Special


def no_ext(code: int, data: memoryview) -> NoReturn:
    """What stands for an ext outside of a bundle.

    Raises:
        Broken: always.
    """
    raise Broken(f"MessagePack holds an ext of the unknown type {code}")


_MSGPACK = msgspec.msgpack.Encoder(enc_hook=_dumped)
_JSON = msgspec.json.Encoder(enc_hook=_dumped)
_FROM_MSGPACK = msgspec.msgpack.Decoder(ext_hook=no_ext)
_FROM_JSON = msgspec.json.Decoder()


class Codecs:
    """How one client or one app turns values into payloads and back.

    `codecs` are plugins beside the installed ones, as objects or names; "pickle" allows pickle. A value of up to
    `json_up_to` bytes is sent as JSON where JSON gives back the same value; 0 is for never. `limit` is the most that a
    payload may take, in bytes.

    Raises:
        InvalidArguments: a codec is none, or `json_up_to` is no number of bytes.
    """

    def __init__(self, codecs: Iterable[str | Codec] = (), *, json_up_to: int = 0, limit: int = PAYLOAD_LIMIT) -> None:
        if not isinstance(json_up_to, int) or isinstance(json_up_to, bool) or json_up_to < 0:
            raise InvalidArguments(f"json_up_to is a number of bytes, 0 or more, not {json_up_to!r}")
        self.json_up_to = json_up_to
        self.limit = limit
        self.dialect = _AS_OPEN_JSON if json_up_to else _AS_MSGPACK
        self._plugins = Plugins(codecs)

    # -- values → payloads -------------------------------------------------------------------------------------------

    def payload(self, value: Any, media: int = _AS_MSGPACK, *, what: str = "the result") -> Payload:
        """`value` in the dialect `media` (MSGPACK, JSON or OPEN_JSON), or as the codec that knows it has it; bytes-like
        values stay as they are.

        Raises:
            TooLarge: it takes more than the limit of 1 MiB.
            InvalidArguments: something in it has no form on the wire; the message has its path and says what it is.
        """
        if value.__class__ in _BYTES:
            data, media = bytes(value), _AS_BYTES
        else:
            try:
                if media == _AS_MSGPACK:
                    data = _MSGPACK.encode(value)
                elif media == _AS_JSON:
                    data = _JSON.encode(value)
                else:
                    data = _MSGPACK.encode(value)
                    text = self._text(value, data)
                    data, media = (data, _AS_MSGPACK) if text is None else (text, media)
            except (_Special, *_UNENCODABLE):
                return self.encode(value, media, what=what).payload()
        if len(data) > self.limit:
            check_size(len(data), what, self.limit)
        return Payload(data, media)

    def sendable(self, value: Any, media: int = _AS_MSGPACK, *, what: str = "the result") -> Payload | Encoded:
        """As `payload` where that takes up to 64 KiB, and else of any size, in buffers, for a stream of its own.

        Raises:
            InvalidArguments: as `payload`.
        """
        if value.__class__ not in _BYTES:
            try:
                if media == _AS_MSGPACK:
                    data = _MSGPACK.encode(value)
                elif media == _AS_JSON:
                    data = _JSON.encode(value)
                else:
                    data = _MSGPACK.encode(value)
                    text = self._text(value, data)
                    data, media = (data, _AS_MSGPACK) if text is None else (text, media)
                return Payload(data, media) if len(data) <= INLINE_LIMIT else encoded(media, (data,))
            except (_Special, *_UNENCODABLE):
                pass
        found = self.encode(value, media, what=what, limit=SIZE_LIMIT)
        return found.payload() if found.size <= INLINE_LIMIT else found

    def encode(
        self, value: Any, media: int = _AS_MSGPACK, *, what: str = "the result", limit: int | None = None
    ) -> Encoded:
        """As `payload`, in buffers that are not joined: large ones are the value's own memory, which must not change
        before they are sent. `limit` in bytes stands in for that of 1 MiB."""
        try:
            if value.__class__ in _BYTES:
                found = _bytes(value)
            elif media == _AS_JSON:
                found = encoded(_AS_JSON, (_JSON_SLOW.encode(value),))
            elif media == _AS_OPEN_JSON:
                found = self._readable(value)
            else:
                found = self._binary(value)
        except Unsendable as error:
            culprit = error.value
            raise _refusal(what, path_to(value, lambda one: one is culprit), error.why) from error
        except RecursionError as error:
            raise _refusal(what, None, f"it holds itself, or is nested too deeply ({error})") from error
        except _UNENCODABLE as error:
            raise _refusal(what, path_to(value, lambda one: _fails(one, media)), str(error)) from error
        check_size(found.size, what, self.limit if limit is None else limit)
        return found

    def _binary(self, value: Any) -> Encoded:
        parts: list[Encoded] = []

        def hook(one: Any) -> Any:
            simple, found = self._found(one)
            if found is None:
                return simple
            if one is value:
                raise _Whole(found)
            parts.append(found)
            return place(len(parts))

        try:
            body = msgspec.msgpack.Encoder(enc_hook=hook).encode(value)
        except _Whole as whole:
            return whole.found
        return bundled(body, parts) if parts else encoded(_AS_MSGPACK, (body,))

    def _found(self, value: Any) -> tuple[Any, Encoded | None]:
        """A value that msgspec doesn't know, as one that it does, or as a codec has it."""
        from farhand.wire.codecs import arrow, files, plain, protobuf

        if value.__class__ is ByRef:
            return None, encoded(_AS_REF, (_MSGPACK.encode(value.ref),))
        found = arrow.encode(value) or protobuf.encode(value) or files.encode(value)
        if found is not None:
            return None, found
        simple = plain.scalar(value)
        if simple is not value:
            return simple, None
        try:
            return _dumped(value), None
        except _Special:
            found = self._plugins.encode(value)
        if found is None:
            raise Unsendable(value, _advice(value, self._plugins.pickles))
        return None, found

    def _readable(self, value: Any) -> Encoded:
        """As JSON, if it is small and reads back as the same value: then its MessagePack is the same too."""
        found = self._binary(value)
        text = self._text(value, found.buffers[0]) if found.media == _AS_MSGPACK else None
        return found if text is None else encoded(_AS_OPEN_JSON, (text,))

    def _text(self, value: Any, data: bytes) -> bytes | None:
        """The JSON of a value whose MessagePack is `data`; None where it is large, or isn't the same value."""
        if len(data) > self.json_up_to:  # JSON is hardly ever shorter
            return None
        try:
            text = _JSON.encode(value)
            same = len(text) <= self.json_up_to and _MSGPACK.encode(_FROM_JSON.decode(text)) == data
        except (_Special, *_UNENCODABLE):
            return None  # MessagePack takes it and JSON doesn't
        return text if same else None

    # -- payloads → values -------------------------------------------------------------------------------------------

    def read(self, payload: Payload) -> Any:
        """The value of `payload`: plain Python types, arrays, tables and what codecs make; None where there is none.

        Raises:
            InvalidArguments: the bytes are not what their media type says, or can't be read here.
            TooLarge: they would take far more memory than their size allows.
        """
        media = payload.media
        try:
            if media == _AS_MSGPACK:
                if len(payload.data) >= LARGE:
                    check_growth(payload.data)
                return _FROM_MSGPACK.decode(payload.data)
            if media in _ANY_JSON:
                return _FROM_JSON.decode(payload.data)
        except _UNDECODABLE as error:
            raise unreadable(media, error) from error
        if media == _AS_BYTES:
            return payload.data
        if media == _AS_NOTHING:
            return None
        return self.decode(media, (payload.data,), arrived=_arrived(payload))

    def read_as(self, payload: Payload, returns: Any) -> Any:
        """The value of `payload` as the type `returns`; None for as it is.

        Raises:
            InvalidArguments: as `read`, or the value doesn't fit; the message has the path inside of it.
        """
        if returns is None:
            return self.read(payload)
        return fit(self.decode(payload.media, (payload.data,), returns, _arrived(payload)), returns)

    def decode(self, media: int, buffers: Sequence[Any], wanted: Any = None, arrived: Arrived | None = None) -> Any:
        """The value of a payload that came in one buffer or several. Arrays and tables lie over them and are read-only
        where they can. `wanted` is a type that helps to find the right one; the value need not be of it. `arrived` is
        the payload where it came over a stream of its own.

        Raises:
            InvalidArguments: as `read`.
        """
        size = sum(memoryview(one).nbytes for one in buffers)
        limits = Limits(size)
        if media == _AS_BUNDLE:
            bundle = self.bundle(buffers, arrived)
            check_growth(bundle.body)
            return _guarded(lambda: msgspec.msgpack.decode(bundle.body, ext_hook=bundle.ext), media)
        whole = buffers[0] if len(buffers) == 1 else cut(buffers, 0, size)
        if media in (_AS_MSGPACK, _AS_JSON, _AS_OPEN_JSON, _AS_NOTHING):
            return self.read(Payload(bytes(whole), media))
        place = None if arrived is None else arrived.place
        return _guarded(lambda: self._part(media, memoryview(whole).cast("B"), limits, wanted, place), media)

    def bundle(self, buffers: Sequence[Any], arrived: Arrived | None = None) -> Bundle:
        """A bundle, for who decodes its MessagePack into types of his own. `arrived` as for `decode`.

        Raises:
            InvalidArguments: it is none.
        """
        size = sum(memoryview(one).nbytes for one in buffers)
        limits = Limits(size)
        place = None if arrived is None else arrived.place

        def open_part(media: int, data: memoryview, at: int) -> Any:
            where = None if place is None else OnDisk(place.path, place.start + at, len(data), place.owner)
            return self._part(media, data, limits, place=where)

        bundle = Bundle(buffers, size, open_part)
        for index, payload in () if arrived is None else arrived.parts.items():
            bundle.put(index, self.read(payload))
        return bundle

    def _part(
        self, media: int, data: memoryview, limits: Limits, wanted: Any = None, place: OnDisk | None = None
    ) -> Any:
        from farhand.wire.codecs import arrow, files, protobuf
        from farhand.wire.codecs.base import take_name

        if media == _AS_BYTES:
            return bytes(data)
        if media == _AS_REF:
            return msgspec.msgpack.decode(data, type=Ref)
        if media == _AS_ARROW:
            kind = type_name(wanted) if isinstance(wanted, type) else ""
            return arrow.decode(data, limits, kind if kind in arrow.TABLES else "")
        if media == _AS_PROTOBUF:
            return protobuf.decode(data, wanted)
        if media == _AS_NAMED:
            name, body = take_name(data)
            if place is not None:
                skipped = len(data) - len(body)
                place = OnDisk(place.path, place.start + skipped, len(body), place.owner)
            file = files.decode(name, body if place is None else place)
            return self._plugins.decode(name, body, limits) if file is None else file
        raise Broken(f"a payload has the unknown media type {media}; this side is older than its peer")


def _arrived(payload: Payload) -> Arrived | None:
    return payload if isinstance(payload, Arrived) else None


def unreadable(media: int, error: BaseException) -> Broken:
    """What is said of bytes that are not what their media type says."""
    return Broken(f"a payload is not valid {Media(media).mime}: {error or 'it takes too much memory'}")


def _guarded(work: Callable[[], Any], media: int) -> Any:
    """Whatever the libraries raise at hostile bytes is an error of those bytes."""
    try:
        return work()
    except FarhandError:
        raise
    except Exception as error:
        raise unreadable(media, error) from error


def _plain_hook(value: Any) -> Any:
    """For callers that speak JSON: plain forms, where there are any."""
    from farhand.wire.codecs import plain

    simple = plain.plain(value)
    if simple is not value:
        return simple
    try:
        return _dumped(value)
    except _Special:
        raise Unsendable(value, f"{a_type(value)} has no form in JSON; {_INSTEAD}") from None


_JSON_SLOW = msgspec.json.Encoder(enc_hook=_plain_hook)


def to_json(value: Any) -> bytes:
    """A value as JSON for people: arrays and tables as lists and records, what has no form as its text."""

    def hook(one: Any) -> Any:
        try:
            return _plain_hook(one)
        except (Unsendable, FarhandError):
            return str(one)

    return msgspec.json.encode(value, enc_hook=hook)


def _bytes(value: Any) -> Encoded:
    view = memoryview(value)
    return encoded(_AS_BYTES, (value if view.c_contiguous else bytes(value),))


_INSTEAD = "send plain data, a dataclass, an array, a table or a farhand File, or install a codec for it"


def _advice(value: Any, pickles: bool) -> str:
    also = "; it can't be pickled either" if pickles else f" ({NO_PICKLE})"
    return f"{a_type(value)} can't be sent; {_INSTEAD}{also}"


def _fails(value: Any, media: int) -> bool:
    """Whether a value by itself is what msgspec refuses."""
    if isinstance(value, dict | list | tuple | set | frozenset):
        return False
    try:
        (_JSON if media == _AS_JSON else _MSGPACK).encode(value)
    except _Special:
        return False
    except Exception:
        return True
    return False


def _refusal(what: str, path: str | None, why: str) -> InvalidArguments:
    where = "" if path is None else f"{path}: "
    found = InvalidArguments(f"{what} can't be sent: {where}{why}")
    if path is not None:
        found.details["problems"] = [{"path": path, "message": why}]
    return found


DEFAULT = Codecs()
to_payload = DEFAULT.payload
from_payload = DEFAULT.read

__all__ = ["DEFAULT", "NOTHING", "Codecs", "check_size", "from_payload", "to_json", "to_payload"]
