"""Errors ↔ RFC 9457's problem details."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

import msgspec

from farhand.errors import FarhandError, Overloaded
from farhand.model.limits import TEXT_LIMIT

MEDIA = "application/problem+json"
TYPES = "urn:farhand:error:"
"""Before an error's code, as the problem's `type`."""

_ENCODER = msgspec.json.Encoder(enc_hook=str)


class Problem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What went wrong, as RFC 9457 has it. `code` is the same stable reason as on every wire; `retryable` says whether
    the same request may be sent again; `details` has further facts, such as `problems` with the path of each wrong
    field."""

    type: str
    title: str
    status: int
    code: str
    retryable: bool
    detail: str = ""
    instance: str = ""
    details: dict[str, Any] = {}


def problem_of(error: FarhandError, instance: str = "") -> Problem:
    """The problem that an error is; `instance` is the path that was asked for."""
    code = str(error.details.get("code", error.code)) if error.code == FarhandError.code else error.code
    return Problem(
        type=TYPES + code.lower().replace("_", "-"),
        title=_title(type(error)),
        status=error.http_status,
        code=code,
        retryable=error.retryable,
        detail=_cut(str(error)),
        instance=instance,
        details={name: _cut(value) if isinstance(value, str) else value for name, value in error.details.items()},
    )


def problem_bytes(error: FarhandError, instance: str = "") -> bytes:
    """The body of a problem; details that JSON can't hold are left out."""
    problem = problem_of(error, instance)
    try:
        return _ENCODER.encode(problem)
    except Exception:  # whatever a handler put there: an error must always reach its caller
        omitted = {"omitted": "the details can't be sent"}
        return _ENCODER.encode(msgspec.structs.replace(problem, details=omitted))


def retry_after(error: FarhandError) -> str:
    """The value of `Retry-After`, in whole seconds; empty where the status has none."""
    if error.http_status not in (429, 503) or not error.retryable:
        return ""
    return str(max(1, round(error.retry_after))) if isinstance(error, Overloaded) else "1"


def _title(kind: type[FarhandError]) -> str:
    """The first sentence of what the error's class says."""
    text = " ".join((kind.__doc__ or "").split())
    return text.partition(". ")[0].rstrip(".") or HTTPStatus(kind.http_status).phrase


def _cut(text: str) -> str:
    text = text if len(text) <= TEXT_LIMIT else f"{text[:TEXT_LIMIT]} …"
    return text if text.isascii() else text.encode(errors="replace").decode()
