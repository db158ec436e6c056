"""The unary methods of ClientService, and gRPC's errors as farhand's."""

from __future__ import annotations

from typing import Any, TypeVar

import grpc
import msgspec
from google.protobuf.message import DecodeError, Message
from google.rpc.error_details_pb2 import ErrorInfo
from google.rpc.status_pb2 import Status

from farhand.errors import DeadlineExceeded, FarhandError, Unavailable, from_code

Answer = TypeVar("Answer", bound=Message)

SERVICE = "/farhand.v1.ClientService/"
RPC_TIMEOUT = 10.0


async def ask(
    channel: grpc.aio.Channel, method: str, request: Message, answer: type[Answer], timeout: float = RPC_TIMEOUT
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
        response: Answer = await rpc(request, timeout=timeout)
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
                details: dict[str, Any] = msgspec.json.decode(info.metadata.get("details") or "{}")
                return from_code(info.reason, status.message, details, info.metadata.get("retryable") == "true")
    text = error.details() or ""
    code = error.code()
    if code is grpc.StatusCode.DEADLINE_EXCEEDED:
        return DeadlineExceeded(f"the hub did not answer in time: {text}")
    return Unavailable(f"{code.name.lower().replace('_', ' ')}: {text}")


def _status(error: grpc.aio.AioRpcError) -> Status | None:
    for key, value in error.trailing_metadata() or ():
        if key == "grpc-status-details-bin" and isinstance(value, bytes):
            try:
                return Status.FromString(value)
            except DecodeError:
                return None
    return None
