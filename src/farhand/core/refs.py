"""Tokens of refs: how they are made and checked, and which address of a ref may be dialled.

A token says who holds the bytes, until when they may be fetched, as what, and at which data port; and it is signed, so
that what it says is what the hub once said. Its key is the holder's own, made from the hub's secret: a worker that is
given its key checks the tokens of its own refs, and can make none in another's name.
"""

from __future__ import annotations

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Collection

import msgspec
from msgspec.structs import replace

from farhand.errors import InvalidArguments, PermissionDenied, RefExpired
from farhand.model.addresses import check_address
from farhand.model.names import check_name
from farhand.model.ref import TOKEN_LIMIT, Ref

SECRET_SIZE = 32
"""Least bytes of a hub's secret, and the size of a key and of a signature."""

SPOOLED = ""
"""The holder of what is in the hub's own blob store."""

_TO_BYTES = msgspec.msgpack.Encoder()


class Claims(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """What a token says: the worker or client that holds the bytes (`SPOOLED`: the hub), when that ends, their media
    type, and the holder's data port."""

    holder: str
    expires: float
    format: str
    direct: str = ""


_CLAIMS = msgspec.msgpack.Decoder(Claims)


def key_of(secret: bytes, holder: str) -> bytes:
    """The key of a holder's tokens, 32 bytes.

    Raises:
        ValueError: the secret is shorter than 32 bytes.
    """
    if len(secret) < SECRET_SIZE:
        raise ValueError(f"a hub's secret needs {SECRET_SIZE} bytes or more, not {len(secret)}")
    return hmac.digest(secret, b"farhand ref key\0" + holder.encode(), "sha256")


def sign(secret: bytes, ref: Ref, holder: str = SPOOLED) -> Ref:
    """`ref` with a token that says that `holder` has it.

    Raises:
        InvalidArguments: the holder's name is none.
        ValueError: the secret is too short.
    """
    if holder != SPOOLED:
        check_name("holder", holder)
    return sign_held(key_of(secret, holder), ref, holder)


def sign_held(key: bytes, ref: Ref, holder: str) -> Ref:
    """As `sign`, by the holder itself, which has its own `key` only."""
    body = _TO_BYTES.encode(Claims(holder, ref.expires, ref.format, ref.direct))
    token = urlsafe_b64encode(_signature(key, ref.id, body) + body)
    return replace(ref, token=token.rstrip(b"=").decode())


def check(secret: bytes, id: str, token: str, now: float) -> Claims:
    """What the token of the ref `id` says; `now` is in seconds since 1970.

    Raises:
        PermissionDenied: the token isn't this hub's, or is of another ref.
        RefExpired: it was, and its time is over.
    """
    body, signature, claims = _opened(token)
    return _checked(key_of(secret, claims.holder), id, body, signature, claims, now)


def check_held(key: bytes, holder: str, id: str, token: str, now: float) -> Claims:
    """As `check`, by a holder that has its own `key` only: tokens of another's refs are refused.

    Raises:
        PermissionDenied: the token is not of a ref that this one holds.
        RefExpired: its time is over.
    """
    body, signature, claims = _opened(token)
    if claims.holder != holder:
        raise _refused()
    return _checked(key, id, body, signature, claims, now)


def check_ref(secret: bytes, ref: Ref, now: float) -> Claims:
    """As `check`, for a whole ref, in which nothing that its token says may have been altered.

    Raises:
        PermissionDenied: the token isn't this hub's, or the ref says something else than its token.
        RefExpired: its time is over.
    """
    claims = check(secret, ref.id, ref.token, now)
    if (ref.expires, ref.format, ref.direct) != (claims.expires, claims.format, claims.direct):
        raise _refused()
    return claims


def dialled(address: str, claims: Claims, advertised: Collection[str]) -> str:
    """`address`, if it may be dialled for a ref: it is, letter by letter, the one in the ref's checked `claims` and one
    that the holder has `advertised` when it connected, and plainly written. Nothing else is ever dialled.

    Raises:
        PermissionDenied: it may not.
    """
    if not address or address != claims.direct or address not in advertised:
        raise _elsewhere()
    try:
        return check_address(address)
    except InvalidArguments:
        raise _elsewhere() from None


def _opened(token: str) -> tuple[bytes, bytes, Claims]:
    """The signed body, its signature, and what the body says, none of it checked yet."""
    try:
        if len(token) > TOKEN_LIMIT:
            raise _refused()
        raw = urlsafe_b64decode(token.encode("ascii") + b"=" * (-len(token) % 4))
        signature, body = raw[:SECRET_SIZE], raw[SECRET_SIZE:]
        if urlsafe_b64encode(raw).rstrip(b"=").decode() != token:  # one spelling each
            raise _refused()
        return body, signature, _CLAIMS.decode(body)
    except (ValueError, msgspec.DecodeError):
        raise _refused() from None


def _checked(key: bytes, id: str, body: bytes, signature: bytes, claims: Claims, now: float) -> Claims:
    if not hmac.compare_digest(_signature(key, id, body), signature):
        raise _refused()
    if not now < claims.expires:
        text = f"the time of ref {id} is over: fetch sooner, or run the job again"
        raise RefExpired(text, expired=claims.expires)
    return claims


def _signature(key: bytes, id: str, body: bytes) -> bytes:
    name = id.encode("utf-8", "surrogatepass")
    return hmac.digest(key, b"%d:%b%b" % (len(name), name, body), "sha256")


def _elsewhere() -> PermissionDenied:
    return PermissionDenied("this address is not of the worker that holds the ref, and is not dialled: ask the hub")


def _refused() -> PermissionDenied:
    return PermissionDenied("this ref is not one that the hub gave out, or was altered: ask for a new one")
