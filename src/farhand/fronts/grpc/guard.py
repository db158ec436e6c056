"""One wrapper owns every RPC: errors become `google.rpc.Status`, and a cancelled RPC is always let go.

A handler that swallows `CancelledError` leaks memory in grpc.aio (grpc#43360), so none may catch it on its own.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from typing import Any, NoReturn, TypeVar

import grpc
import msgspec
import structlog
from google.protobuf.any_pb2 import Any as AnyMessage
from google.rpc.error_details_pb2 import ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status
from grpc_status.rpc_status import to_status

from farhand.errors import FarhandError, Overloaded, TooLarge
from farhand.model.limits import MESSAGE_LIMIT
from farhand.wire.trailers import brief

Request = TypeVar("Request")
Response = TypeVar("Response")
Context = grpc.aio.ServicerContext[Any, Any]

DOMAIN = "farhand"
DETAILS_LIMIT = 3584
"""Bytes of an error's details. They and its message ride in HTTP/2 trailers, the details in base64 and the message
twice, which together peers bound to 8 KiB by default (gRPC refuses larger ones now and then, and from 16 KiB always);
longer ones are shortened."""

_log = structlog.get_logger("farhand.grpc")


class MessageTooLarge(TooLarge):
    """A message over 4 MiB. gRPC itself refuses those with the same status, where no other front takes larger ones on
    the same port."""

    grpc_status = "RESOURCE_EXHAUSTED"


def check_message(data: bytes) -> bytes:
    """`data`, which was read as one message.

    Raises:
        MessageTooLarge: it is over the limit.
    """
    if len(data) > MESSAGE_LIMIT:
        raise MessageTooLarge(
            f"a message of {len(data):,} bytes is over the limit of {MESSAGE_LIMIT:,}", limit=MESSAGE_LIMIT
        )
    return data


async def read(context: Context) -> Any:
    """The next message of a stream, in bytes, or `grpc.aio.EOF`.

    Raises:
        MessageTooLarge: it is over the limit.
    """
    data = await context.read()
    return data if data is grpc.aio.EOF else check_message(data)


def reading(parse: Callable[[bytes], Any]) -> Callable[[bytes], Any]:
    """A deserializer that leaves alone what is over the limit; `guarded` and `guarded_stream` refuse that."""
    return lambda data: parse(data) if len(data) <= MESSAGE_LIMIT else data


def status_of(error: FarhandError) -> Status:
    """The error as `google.rpc.Status`: an ErrorInfo with its code, and a RetryInfo where a retry makes sense."""
    code = getattr(grpc.StatusCode, error.grpc_status).value[0]
    details = msgspec.json.encode(error.details, enc_hook=str)
    if len(details) > DETAILS_LIMIT:
        details = msgspec.json.encode(_shorten(error.details), enc_hook=str)
    info = ErrorInfo(
        reason=error.code,
        domain=DOMAIN,
        metadata={"details": details.decode(), "retryable": "true" if error.retryable else "false"},
    )
    status = Status(code=code, message=brief(error.message), details=[_packed(info)])
    if isinstance(error, Overloaded):
        retry = RetryInfo()
        retry.retry_delay.FromMilliseconds(int(error.retry_after * 1000))
        status.details.append(_packed(retry))
    return status


def _shorten(details: dict[str, Any]) -> dict[str, Any]:
    """The details with long texts cut to their ends, where a traceback says most."""
    for most in (1500, 300):
        short = {key: _tail(value, most) if isinstance(value, str) else value for key, value in details.items()}
        if len(msgspec.json.encode(short, enc_hook=str)) <= DETAILS_LIMIT:
            return short
    return {"omitted": "too large"}


def _tail(text: str, most: int) -> str:
    data = text.encode(errors="replace")
    return text if len(data) <= most else f"… {data[-most:].decode(errors='ignore')}"


def _packed(message: Any) -> AnyMessage:
    packed = AnyMessage()
    packed.Pack(message)
    return packed


async def refuse(context: Context, error: FarhandError) -> NoReturn:
    """End the RPC with this error."""
    try:
        await context.abort_with_status(to_status(status_of(error)))
    except grpc.aio.AbortError:
        raise
    except Exception:  # gRPC's own, of no public type: the peer left before it had this
        raise grpc.aio.AbortError from None
    raise AssertionError("abort_with_status always raises")


def guarded(
    method: Callable[[Request, Context], Awaitable[Response]],
) -> Callable[[Request, Context], Awaitable[Response]]:
    """The RPC method with its errors mapped."""

    async def call(request: Request, context: Context) -> Response:
        try:
            if isinstance(request, bytes):
                check_message(request)
            return await method(request, context)
        except FarhandError as error:
            await refuse(context, error)
        except grpc.aio.AbortError:
            raise
        except Exception as error:
            _log.exception("an RPC failed in the hub", method=getattr(method, "__name__", "?"))
            await refuse(context, FarhandError(f"internal error: {type(error).__name__}; the hub's log has more"))

    return call


def guarded_stream(
    method: Callable[[Request, Context], AsyncGenerator[Response, None]],
) -> Callable[[Request, Context], AsyncIterator[Response]]:
    """As `guarded`, for a method that streams its answers."""

    async def call(request: Request, context: Context) -> AsyncIterator[Response]:
        async with aclosing(method(request, context)) as answers:
            try:
                if isinstance(request, bytes):
                    check_message(request)
                async for answer in answers:
                    yield answer
            except FarhandError as error:
                await refuse(context, error)

    return call
