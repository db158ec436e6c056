"""The gRPC door: `AiActionService`, whose one method takes an observation and answers an action."""

from __future__ import annotations

from typing import Any

import grpc
from google.protobuf.message import DecodeError

from farhand.fronts.nextflow.deciding import Deciding
from farhand.model.limits import MESSAGE_LIMIT
from farhand.wire.nextflow.observations import TaskObservation

SERVICE = "nf_ai_comms.AiActionService"
METHOD = "SendTaskObservation"

Context = grpc.aio.ServicerContext[Any, Any]


class ActionDoor:
    """What the hub's gRPC server mounts (`fronts.grpc.mounts.Mount`)."""

    names = (SERVICE,)
    pool = TaskObservation.DESCRIPTOR.file.pool
    receive_limit = MESSAGE_LIMIT

    def __init__(self, deciding: Deciding) -> None:
        self._deciding = deciding

    def handlers(self) -> list[grpc.GenericRpcHandler]:
        """The service."""
        return [action_service(self._deciding)]

    def close(self) -> None:
        """Nobody stays."""


def action_service(deciding: Deciding) -> grpc.GenericRpcHandler:
    """The service, to be added to a `grpc.aio` server.

    It reads the bytes itself: what gRPC can't read it would call an error of the server's own.
    """

    async def send(request: bytes, context: Context) -> bytes:
        if len(request) > MESSAGE_LIMIT:  # where another door on the port takes larger ones
            await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, f"the observation is over {MESSAGE_LIMIT:,} bytes")
        try:
            observation = TaskObservation.FromString(request)
        except (DecodeError, UnicodeDecodeError):
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "the request is no TaskObservation")
        action = await deciding.decide(observation, context.time_remaining())
        return action.SerializeToString()

    methods: dict[str, Any] = {METHOD: grpc.unary_unary_rpc_method_handler(send)}
    return grpc.method_handlers_generic_handler(SERVICE, methods)
