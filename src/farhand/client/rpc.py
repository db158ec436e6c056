"""The unary methods of ClientService."""

from __future__ import annotations

from typing import TypeVar

import grpc
from google.protobuf.message import Message

from farhand.carriage.rpc import error_of

Answer = TypeVar("Answer", bound=Message)

SERVICE = "/farhand.v1.ClientService/"
RPC_TIMEOUT = 10.0

Metadata = tuple[tuple[str, str], ...]


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
        method,
        request_serializer=type(request).SerializeToString,
        response_deserializer=answer.FromString,
    )
    try:
        response: Answer = await rpc(request, timeout=timeout, metadata=metadata)
    except grpc.aio.AioRpcError as error:
        raise error_of(error) from None
    return response
