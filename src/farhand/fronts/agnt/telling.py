"""Errors of this door's methods as statuses. Nothing of a command is logged: there may be passwords in it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from traceback import extract_tb
from typing import Any, NoReturn, TypeVar

import grpc
import structlog

from farhand.errors import FarhandError, OutcomeUnknown
from farhand.wire.trailers import brief

Request = TypeVar("Request")
Response = TypeVar("Response")
Context = grpc.aio.ServicerContext[Any, Any]

_log = structlog.get_logger("farhand.agnt")


class AgentLost(OutcomeUnknown):
    """The agent was lost while it had the command; callers of this protocol know that as UNAVAILABLE."""

    grpc_status = "UNAVAILABLE"


def told(
    method: Callable[[Request, Context], Awaitable[Response]],
) -> Callable[[Request, Context], Awaitable[Response]]:
    """The method with its errors mapped."""

    async def call(request: Request, context: Context) -> Response:
        try:
            return await method(request, context)
        except FarhandError as error:
            await _abort(context, error.grpc_status, str(error))
        except grpc.aio.AbortError:
            raise
        except Exception as error:
            at = extract_tb(error.__traceback__)[-1]
            _log.error("an RPC failed in the hub", error=type(error).__name__, at=f"{at.filename}:{at.lineno}")
            await _abort(context, "INTERNAL", f"internal error: {type(error).__name__}; the hub's log has more")

    return call


async def _abort(context: Context, status: str, text: str) -> NoReturn:
    try:
        await context.abort(getattr(grpc.StatusCode, status), brief(text))
    except grpc.aio.AbortError:
        raise
    except Exception:  # gRPC's own, of no public type: the peer left before it had this
        raise asyncio.CancelledError from None
    raise AssertionError("abort always raises")
