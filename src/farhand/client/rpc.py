"""The unary methods of ClientService, and gRPC's errors as farhand's."""

from __future__ import annotations

from typing import Any, TypeVar

import grpc
import msgspec
from google.protobuf.message import DecodeError, Message
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

Answer = TypeVar("Answer", bound=Message)

SERVICE = "/farhand.v1.ClientService/"
RPC_TIMEOUT = 10.0

Metadata = tuple[tuple[str, str], ...]

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


async def ask(
    channel: grpc.aio.Channel,
    method: str,
    request: Message,
    answer: type[Answer],
    timeout: float = RPC_TIMEOUT,
    metadata: Metadata | None = None,
) -> Answer:
    """Call a unary method; `timeout` in seconds.

    Raises:
        FarhandError: what the hub answered, or Unavailable where there is none.
    """
    rpc = channel.unary_unary(
        SERVICE + method,
        request_serializer=type(request).SerializeToString,
        response_deserializer=answer.FromString,
    )
    try:
        response: Answer = await rpc(request, timeout=timeout, metadata=metadata)
    except grpc.aio.AioRpcError as error:
        raise error_of(error) from None
    return response


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
