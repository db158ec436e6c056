"""The key under which equal work is found again, and who answers for it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from hashlib import sha256
from typing import Any

import msgspec

from farhand.model.durable import DurableJob
from farhand.model.payload import Payload
from farhand.model.state import State

_ENCODER = msgspec.json.Encoder(order="deterministic")
_AS_THEY_ARE = (bytes, bytearray, memoryview)


def args_digest(args: Any) -> bytes:
    """SHA-256 over the arguments as canonical JSON: keys sorted, no spaces; a whole float is the integer it equals, so
    that 1 and 1.0 are one. Whoever has the arguments computes it, as the hub never decodes a payload.

    Raises:
        TypeError: the arguments have no form of their own in JSON, as bytes and NaN.
        RecursionError: they hold themselves.
    """
    return sha256(_ENCODER.encode(_canonical(msgspec.to_builtins(args, builtin_types=_AS_THEY_ARE)))).digest()


def payload_digest(args: Payload) -> bytes:
    """SHA-256 over the arguments' bytes, which stands in where nobody has said what they mean."""
    return sha256(b"payload %d " % args.media + args.data).digest()


def pieces_digest(media: int, pieces: Iterable[bytes | memoryview]) -> bytes:
    """As `payload_digest`, over bytes that aren't in one piece."""
    hasher = sha256(b"payload %d " % media)
    for piece in pieces:
        hasher.update(piece)
    return hasher.digest()


def cache_key(handler: str, group: str, version: str, digest: bytes, inputs: Mapping[str, str] | None = None) -> str:
    """SHA-256, as hex, over all that makes work the same: the handler, its group, its version, the digest of the
    arguments, and the jobs whose results are arguments too."""
    return sha256(_ENCODER.encode([handler, group, version, digest.hex(), dict(inputs or {})])).hexdigest()


def answers(job: DurableJob, to: State) -> bool:
    """Whether a job that has come to this end by its own attempts answers for equal work."""
    return to is State.SUCCEEDED or (to is State.FAILED and job.cache_failures)


def _canonical(value: Any) -> Any:
    if isinstance(value, float):
        if not math.isfinite(value):
            raise TypeError("NaN and infinity have no form in JSON")
        return int(value) if value.is_integer() else value
    if isinstance(value, dict):
        return {key: _canonical(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_canonical(one) for one in value]
    if isinstance(value, _AS_THEY_ARE):
        raise TypeError("bytes have no form in JSON")
    return value
