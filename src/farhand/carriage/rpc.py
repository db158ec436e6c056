"""gRPC's errors as farhand's."""

from __future__ import annotations

from typing import Any

import grpc
import msgspec
from google.protobuf.message import DecodeError
from google.rpc.error_details_pb2 import ErrorInfo
from google.rpc.status_pb2 import Status

from farhand.errors import (
    DeadlineExceeded,
    FarhandError,
    OutcomeUnknown,
    Overloaded,
    PermissionDenied,
    Unavailable,
    from_code,
)

BARE: dict[grpc.StatusCode, type[FarhandError]] = {
    grpc.StatusCode.DEADLINE_EXCEEDED: DeadlineExceeded,
    grpc.StatusCode.RESOURCE_EXHAUSTED: Overloaded,
    grpc.StatusCode.PERMISSION_DENIED: PermissionDenied,
    grpc.StatusCode.UNAUTHENTICATED: PermissionDenied,
    grpc.StatusCode.CANCELLED: OutcomeUnknown,
    grpc.StatusCode.UNKNOWN: OutcomeUnknown,
    grpc.StatusCode.INTERNAL: OutcomeUnknown,
}
"""What a status that brings no farhand error stands for: gRPC itself, a proxy, or another server spoke."""


def error_of(error: grpc.aio.AioRpcError) -> FarhandError:
    """The farhand error in a failed RPC."""
    status = _status(error)
    if status is not None:
        for packed in status.details:
            info = ErrorInfo()
            if packed.Is(ErrorInfo.DESCRIPTOR) and packed.Unpack(info) and info.domain == "farhand":
                retryable = info.metadata.get("retryable") == "true"
                return from_code(info.reason, status.message, _details(info.metadata.get("details")), retryable)
    text = f"{error.code().name.lower().replace('_', ' ')}: {error.details() or 'no reason given'}"
    if error.code() is grpc.StatusCode.UNIMPLEMENTED:
        return Unavailable(f"what answers there is no farhand hub, or an older one: {text}", retryable=False)
    if error.code() is grpc.StatusCode.UNAVAILABLE:
        return Unavailable(text, reached=False)
    return BARE.get(error.code(), FarhandError)(text)


def _details(text: str | None) -> dict[str, Any]:
    try:
        found: Any = msgspec.json.decode(text or "{}")
    except msgspec.DecodeError:
        return {}
    return found if isinstance(found, dict) else {}


def _status(error: grpc.aio.AioRpcError) -> Status | None:
    for key, value in error.trailing_metadata() or ():
        if key == "grpc-status-details-bin" and isinstance(value, bytes):
            try:
                return Status.FromString(value)
            except DecodeError:
                return None
    return None
