"""The one tree of errors a caller can meet.

Each class has a stable `code` (the reason on every wire), says what to do, and maps once to a gRPC status and once
to an HTTP status. Fronts and clients translate with `from_code` and the class attributes; nobody else maps.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar


class FarhandError(Exception):
    """Anything farhand reports to a caller.

    Attributes:
        code: stable reason, the same on every wire, e.g. ``"HANDLER_NOT_FOUND"``.
        retryable: whether sending the same request again is safe and may succeed.
        details: further facts, JSON-compatible.
    """

    code: ClassVar[str] = "INTERNAL"
    grpc_status: ClassVar[str] = "INTERNAL"
    http_status: ClassVar[int] = 500
    retryable: bool = False

    def __init__(self, message: str = "", /, *, retryable: bool | None = None, **details: Any) -> None:
        super().__init__(message)
        self.message = message
        self.details: dict[str, Any] = details
        if retryable is not None:
            self.retryable = retryable

    def __str__(self) -> str:
        return self.message or self.code

    def __reduce__(self) -> tuple[Any, ...]:
        return (from_code, (self.code, self.message, self.details, self.retryable))


class InvalidArguments(FarhandError):
    """The arguments don't fit the handler. `details["problems"]` lists each wrong field with its path."""

    code = "INVALID_ARGUMENTS"
    grpc_status = "INVALID_ARGUMENT"
    http_status = 400


class HandlerNotFound(FarhandError):
    """No worker of the group serves a handler of this name. `details["similar"]` names near matches."""

    code = "HANDLER_NOT_FOUND"
    grpc_status = "NOT_FOUND"
    http_status = 404


class JobNotFound(FarhandError):
    """No such job, or it ended and its log is no longer kept."""

    code = "JOB_NOT_FOUND"
    grpc_status = "NOT_FOUND"
    http_status = 404


class LogPruned(FarhandError):
    """What was asked for of a durable job's log is not kept any more. `details["first"]` is the offset at which the log
    begins now: watch it from there."""

    code = "LOG_PRUNED"
    grpc_status = "OUT_OF_RANGE"
    http_status = 410

    @property
    def first(self) -> int:
        """The offset at which the log begins now."""
        given = self.details.get("first")
        return given if isinstance(given, int) and given > 0 else 0


class ScheduleNotFound(FarhandError):
    """No such schedule, or it was dropped. `farhand schedules` lists them."""

    code = "SCHEDULE_NOT_FOUND"
    grpc_status = "NOT_FOUND"
    http_status = 404


class HandlerFailed(FarhandError):
    """The handler raised. `type`, `message` and `traceback` are the remote exception's, as text."""

    code = "HANDLER_FAILED"
    grpc_status = "UNKNOWN"
    http_status = 500

    @property
    def type(self) -> str:
        """The remote exception's class name, e.g. ``"ZeroDivisionError"``."""
        return str(self.details.get("type", ""))

    @property
    def traceback(self) -> str:
        """The remote traceback as text; empty when the worker keeps it to itself."""
        return str(self.details.get("traceback", ""))

    def __str__(self) -> str:
        return f"{self.type}: {self.message}" if self.type else super().__str__()


class DeadlineExceeded(FarhandError):
    """The timeout passed. `details["dispatched"]` says whether a worker had the job; when not, retrying is safe."""

    code = "DEADLINE_EXCEEDED"
    grpc_status = "DEADLINE_EXCEEDED"
    http_status = 504


class Cancelled(FarhandError):
    """The job was cancelled. `details["receipt"]` says what became of the handler."""

    code = "CANCELLED"
    grpc_status = "CANCELLED"
    http_status = 409


class NeverDispatched(FarhandError):
    """The call was lost before any worker had it. It did not run: retry it."""

    code = "NEVER_DISPATCHED"
    grpc_status = "UNAVAILABLE"
    http_status = 503
    retryable = True


class OutcomeUnknown(FarhandError):
    """The worker or the connection was lost while the call ran: it may or may not have happened. Check, then retry."""

    code = "OUTCOME_UNKNOWN"
    grpc_status = "ABORTED"
    http_status = 502


class SessionLost(FarhandError):
    """The session's worker is gone, and its state with it. Open a new session, or use ``on_loss="move"``."""

    code = "SESSION_LOST"
    grpc_status = "FAILED_PRECONDITION"
    http_status = 410


class Overloaded(FarhandError):
    """A bounded queue is full. Wait `retry_after` seconds, then retry."""

    code = "OVERLOADED"
    grpc_status = "RESOURCE_EXHAUSTED"
    http_status = 429
    retryable = True

    @property
    def retry_after(self) -> float:
        """Seconds to wait before a retry is worth it, at most an hour; whatever a peer put into the details."""
        given = self.details.get("retry_after")
        return float(min(max(0, given), 3600)) if isinstance(given, int | float) else 1.0


class TooLarge(FarhandError):
    """A payload is over the limit named in the message and in `details["limit"]` (bytes)."""

    code = "TOO_LARGE"
    grpc_status = "OUT_OF_RANGE"
    http_status = 413


class Unavailable(FarhandError):
    """The hub can't be reached, or refuses new work because it is stopping. Nothing was accepted: retry later."""

    code = "UNAVAILABLE"
    grpc_status = "UNAVAILABLE"
    http_status = 503
    retryable = True


class PermissionDenied(FarhandError):
    """This caller may not do that."""

    code = "PERMISSION_DENIED"
    grpc_status = "PERMISSION_DENIED"
    http_status = 403


class ProtocolViolation(FarhandError):
    """The peer sent what the protocol doesn't allow here; its connection is closed, others go on."""

    code = "PROTOCOL_VIOLATION"
    grpc_status = "INVALID_ARGUMENT"
    http_status = 400


class Replaced(FarhandError):
    """A newer worker registered under the same id; this one must stop or choose another id."""

    code = "REPLACED"
    grpc_status = "ALREADY_EXISTS"
    http_status = 409


class RefNotFound(FarhandError):
    """No bytes are kept under this ref any more: they were fetched or deleted, or their holder is gone. Run the job
    again."""

    code = "REF_NOT_FOUND"
    grpc_status = "NOT_FOUND"
    http_status = 404


class RefExpired(FarhandError):
    """The ref's time is over; `details["expired"]` is when (seconds since 1970). Fetch sooner, or run the job again."""

    code = "REF_EXPIRED"
    grpc_status = "FAILED_PRECONDITION"
    http_status = 410


class OutOfSpace(FarhandError):
    """There is no room to keep the bytes, and nothing was kept. Delete what isn't needed or give more room, then
    retry."""

    code = "OUT_OF_SPACE"
    grpc_status = "RESOURCE_EXHAUSTED"
    http_status = 507
    retryable = True


class DataDamaged(FarhandError):
    """Bytes that were kept or carried are not those that were put in: their number or checksum differs. Fetch them
    again; if they stay so, run the job again."""

    code = "DATA_DAMAGED"
    grpc_status = "DATA_LOSS"
    http_status = 500


class ParentFailed(FarhandError):
    """A durable job that this one was to come after did not succeed, so it never began. Mend that one, then submit both
    anew."""

    code = "PARENT_FAILED"
    grpc_status = "FAILED_PRECONDITION"
    http_status = 409


class AttemptsExhausted(FarhandError):
    """A durable job failed at each of its attempts; the message has the last failure. `farhand retry` starts it
    anew."""

    code = "ATTEMPTS_EXHAUSTED"
    grpc_status = "ABORTED"
    http_status = 502


class RouteNotFound(FarhandError):
    """No such path. `/schema/openapi.json` has those there are."""

    code = "ROUTE_NOT_FOUND"
    grpc_status = "UNIMPLEMENTED"
    http_status = 404


class MethodNotAllowed(FarhandError):
    """The path is there, but not for this method. `Allow` has those it takes."""

    code = "METHOD_NOT_ALLOWED"
    grpc_status = "UNIMPLEMENTED"
    http_status = 405


class UnsupportedMedia(FarhandError):
    """The body is not of a media type that is taken here: send JSON, and say so in `Content-Type`."""

    code = "UNSUPPORTED_MEDIA"
    grpc_status = "INVALID_ARGUMENT"
    http_status = 415


class TooSlow(FarhandError):
    """The request did not come whole within its time; the connection is closed."""

    code = "TOO_SLOW"
    grpc_status = "DEADLINE_EXCEEDED"
    http_status = 408
    retryable = True


class HeadersTooLarge(FarhandError):
    """The request has more headers, or longer ones, than are taken; the connection is closed."""

    code = "HEADERS_TOO_LARGE"
    grpc_status = "RESOURCE_EXHAUSTED"
    http_status = 431


class TaskFailed(FarhandError):
    """A task of a service did not succeed; the message is the reason, as its status tells it."""

    code = "TASK_FAILED"
    grpc_status = "FAILED_PRECONDITION"
    http_status = 400


class InputRefused(FarhandError):
    """What an order refers to can't be had, is not what the reference says, or may not be fetched; the message names
    it and says why."""

    code = "INPUT_REFUSED"
    grpc_status = "FAILED_PRECONDITION"
    http_status = 400


class ResultGone(FarhandError):
    """A task's result is not kept any more: a service keeps so many, so large, for so long. Run the task again."""

    code = "RESULT_GONE"
    grpc_status = "NOT_FOUND"
    http_status = 410


BY_CODE: Mapping[str, type[FarhandError]] = {
    cls.code: cls
    for cls in (
        FarhandError,
        InvalidArguments,
        HandlerNotFound,
        JobNotFound,
        LogPruned,
        ScheduleNotFound,
        HandlerFailed,
        DeadlineExceeded,
        Cancelled,
        NeverDispatched,
        OutcomeUnknown,
        SessionLost,
        Overloaded,
        TooLarge,
        Unavailable,
        PermissionDenied,
        ProtocolViolation,
        Replaced,
        RefNotFound,
        RefExpired,
        OutOfSpace,
        DataDamaged,
        ParentFailed,
        AttemptsExhausted,
        RouteNotFound,
        MethodNotAllowed,
        UnsupportedMedia,
        TooSlow,
        HeadersTooLarge,
        TaskFailed,
        InputRefused,
        ResultGone,
    )
}


def from_code(code: str, message: str, details: Mapping[str, Any], retryable: bool | None = None) -> FarhandError:
    """The error of this `code`; an unknown code (a newer peer) becomes a plain `FarhandError` that keeps it."""
    cls = BY_CODE.get(code)
    error = (cls or FarhandError)(message, retryable=retryable)
    error.details = dict(details)
    if cls is None:
        error.details.setdefault("code", code)
    return error
