"""The gRPC door: `AiActionService`, whose one method takes an observation and answers an action."""

from __future__ import annotations

from typing import Any

import grpc
from google.protobuf.message import DecodeError

from farhand.fronts.nextflow.deciding import Deciding
from farhand.wire.nextflow.observations import TaskObservation

SERVICE = "nf_ai_comms.AiActionService"
METHOD = "SendTaskObservation"

Context = grpc.aio.ServicerContext[Any, Any]


def action_service(deciding: Deciding) -> grpc.GenericRpcHandler:
    """The service, to be added to a `grpc.aio` server.

    It reads the bytes itself: what gRPC can't read it would call an error of the server's own.
    """

    async def send(request: bytes, context: Context) -> bytes:
        try:
            observation = TaskObservation.FromString(request)
        except (DecodeError, UnicodeDecodeError):
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "the request is no TaskObservation")
        action = await deciding.decide(observation, context.time_remaining())
        return action.SerializeToString()

    methods: dict[str, Any] = {METHOD: grpc.unary_unary_rpc_method_handler(send)}
    return grpc.method_handlers_generic_handler(SERVICE, methods)
