"""Requests and answers of SnakepitBridge, the first generation's service ↔ plain nouns. Its methods carry raw bytes, so
that what can't be read is refused here, as INVALID_ARGUMENT, and not by gRPC as INTERNAL."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from google.protobuf.message import DecodeError, EncodeError

from farhand.errors import InvalidArguments, TooLarge
from farhand.model.limits import NAME_LIMIT, TEXT_LIMIT
from farhand.wire.snakepit._pb import snakepit_pb2

pb: Any = snakepit_pb2

SERVICE = "snakepit.SnakepitBridge"
MESSAGE_LIMIT = 100 * 1024 * 1024
"""Bytes of the largest request or answer; the limit of the system's later generations."""
EXECUTE_TIMEOUT, STREAM_TIMEOUT = 30.0, 300.0
"""Seconds that a command may take where the request doesn't say."""
SHOWN = 200


class Order(msgspec.Struct, frozen=True):
    """What is to be run. `timeout` in seconds; `session` is None where the call has none."""

    command: str
    args: Mapping[str, bytes]
    timeout: float
    request_id: str
    session: str | None = None


class Statistics(msgspec.Struct, frozen=True):
    """What a worker counts. Times in seconds, memory in bytes, CPU in percent of one core."""

    handled: int
    failed: int
    uptime: float
    memory: int
    cpu: float
    sessions: int


def read(kind: Any, data: bytes) -> Any:
    """The message in `data`.

    Raises:
        InvalidArguments: it is none, or a text in it isn't UTF-8.
    """
    try:
        return kind.FromString(data)
    except DecodeError as error:
        raise InvalidArguments(f"a request can't be read as {kind.DESCRIPTOR.full_name}: {error}") from error


def read_execute(data: bytes, default: float) -> Order:
    """A request of Execute or ExecuteStream; `default` is the timeout where it names none.

    Raises:
        InvalidArguments: it is none.
    """
    message = read(pb.ExecuteRequest, data)
    return Order(message.command, message.args, _seconds(message.timeout_ms, default), _id(message.request_id))


def read_in_session(data: bytes, default: float) -> Order:
    """As `read_execute`, of ExecuteInSession and ExecuteInSessionStream."""
    message = read(pb.SessionRequest, data)
    timeout = _seconds(message.timeout_ms, default)
    return Order(message.command, message.args, timeout, _id(message.request_id), message.session_id)


def _id(request_id: str) -> str:
    if len(request_id) > TEXT_LIMIT:
        raise InvalidArguments(f"request_id has {len(request_id):,} characters; the limit is {TEXT_LIMIT:,}")
    return request_id


def _seconds(timeout_ms: int, default: float) -> float:
    return timeout_ms / 1000 if timeout_ms else default


def check(order: Order) -> None:
    """
    Raises:
        InvalidArguments: its timeout or its session's id makes no sense.
    """
    if order.timeout < 0:
        raise InvalidArguments(f"timeout_ms must be 0 or more, not {order.timeout * 1000:.0f}")
    if order.session is not None and not 0 < len(order.session) <= NAME_LIMIT:
        raise InvalidArguments(f"session_id must have 1 to {NAME_LIMIT} characters, not {len(order.session)}")


def clean(text: str) -> str:
    """A text as protobuf takes it: lone surrogates become ``?``."""
    return text if text.isascii() else text.encode(errors="replace").decode()


def shown(command: str) -> str:
    """A command as it is told to whoever sent it."""
    return command if len(command) <= SHOWN else f"{command[:SHOWN]}…"


def result(request_id: str, values: Mapping[str, bytes]) -> bytes:
    """The answer of a command that succeeded.

    Raises:
        TooLarge: it is over the limit.
    """
    return _bytes(pb.ExecuteResponse(success=True, result=values, timestamp=time.time_ns(), request_id=request_id))


def failure(request_id: str, error: str) -> bytes:
    """The answer of one that failed."""
    return _bytes(
        pb.ExecuteResponse(success=False, error=clean(error), timestamp=time.time_ns(), request_id=request_id)
    )


def unknown(request_id: str, command: str, commands: Sequence[str]) -> bytes:
    """The answer to an unknown command, which counts as a success whose result tells of the error."""
    now = time.time_ns()
    values = {
        "status": b"error",
        "error": f"Unknown command: {shown(command)}".encode(),
        "supported_commands": msgspec.json.encode(commands),
        "timestamp": msgspec.json.encode(now / 1e9),
    }
    return _bytes(pb.ExecuteResponse(success=True, result=values, timestamp=now, request_id=request_id))


def chunk(request_id: str, values: Mapping[str, bytes], index: int, final: bool) -> bytes:
    """One message of a stream.

    Raises:
        TooLarge: it is over the limit.
    """
    return _bytes(
        pb.StreamResponse(
            is_final=final, chunk=values, timestamp=time.time_ns(), request_id=request_id, chunk_index=index
        )
    )


def broken_off(request_id: str, error: str, index: int) -> bytes:
    """The last message of a stream that failed."""
    return _bytes(
        pb.StreamResponse(
            is_final=True,
            chunk={"error": error.encode(errors="replace")},
            error=clean(error),
            timestamp=time.time_ns(),
            request_id=request_id,
            chunk_index=index,
        )
    )


def health(worker: str, healthy: bool, version: str, statistics: Statistics) -> bytes:
    """The answer of Health."""
    return _bytes(
        pb.HealthResponse(
            healthy=healthy,
            worker_id=worker,
            uptime_ms=int(statistics.uptime * 1000),
            total_requests=statistics.handled,
            total_errors=statistics.failed,
            version=version,
        )
    )


def info(
    about: Mapping[str, str], commands: Sequence[str], capabilities: Mapping[str, str], statistics: Statistics | None
) -> bytes:
    """The answer of GetInfo. `about` has `worker_type`, `version`, and beside them what becomes `system_info`."""
    system = {key: value for key, value in about.items() if key not in ("worker_type", "version")}
    message = pb.InfoResponse(
        worker_type=about["worker_type"],
        version=about["version"],
        supported_commands=commands,
        capabilities=capabilities,
        system_info=system,
    )
    if statistics is not None:
        message.stats.CopyFrom(
            pb.WorkerStats(
                requests_handled=statistics.handled,
                requests_failed=statistics.failed,
                uptime_ms=int(statistics.uptime * 1000),
                memory_usage_bytes=statistics.memory,
                cpu_usage_percent=statistics.cpu,
                active_sessions=statistics.sessions,
            )
        )
    return _bytes(message)


def _bytes(message: Any) -> bytes:
    try:
        size = message.ByteSize()
        if size <= MESSAGE_LIMIT:
            data: bytes = message.SerializeToString()
            return data
    except (EncodeError, ValueError):  # over the 2 GiB of any message
        size = 2**31
    raise TooLarge(
        f"the answer takes {size:,} bytes; the limit is {MESSAGE_LIMIT:,}: stream it in chunks",
        limit=MESSAGE_LIMIT,
        size=size,
    )
