"""Orders and their answers: the exact bodies of ``/control``."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from farhand.errors import InvalidArguments
from farhand.model.durable import KeptJob
from farhand.model.event import Fault, Progress
from farhand.model.state import ENDS, State

Status = Literal["complete", "running", "failed"]

OURS = "farhand.errors."
"""Errors of ours say all in their message, without their name before it."""


class Execute(msgspec.Struct, frozen=True, kw_only=True):
    """An order: `method` names the handler. `workflow_id` and `task_id` are the orchestrator's, the same in every run
    of a workflow. `inputs` are references, as they came; `parameters` are arguments by name. Other keys are ignored."""

    method: str
    workflow_id: str
    task_id: str
    inputs: list[dict[str, Any]] = []
    parameters: dict[str, Any] = {}


class Reference(msgspec.Struct, frozen=True, kw_only=True):
    """Where data is to be had, as an orchestrator hands it on. `format` is a media format, a message's name, or the
    rpc to call; `size_bytes` and `checksum` are what must come."""

    protocol: str
    uri: str
    format: str | None = None
    schema_uri: str | None = None
    size_bytes: int | None = None
    checksum: str | None = None
    metadata: dict[str, Any] | None = None


_EXECUTE = msgspec.json.Decoder(Execute)


def read_execute(body: bytes) -> Execute:
    """The order in a body.

    Raises:
        InvalidArguments: it is none; the message says where and why.
    """
    try:
        return _EXECUTE.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidArguments(f"the body is no order: {error}") from None


def read_reference(item: dict[str, Any]) -> Reference:
    """One of an order's inputs.

    Raises:
        InvalidArguments: it is no reference.
    """
    try:
        return msgspec.convert(item, Reference)
    except msgspec.ValidationError as error:
        raise InvalidArguments(f"an input is no reference: {error}") from None


def status_of(kept: KeptJob) -> Status:
    """A job's state as a task's status."""
    if kept.state is State.SUCCEEDED:
        return "complete"
    return "failed" if kept.state in ENDS else "running"


def percent(progress: Progress | None) -> int:
    """Progress as 0 to 100. Without a total nothing is known of the whole: 0."""
    if progress is None or not progress.total or not progress.total > 0:
        return 0
    share = progress.current / progress.total
    return int(100 * min(max(share, 0.0), 1.0)) if share == share else 0


def reason(fault: Fault | None) -> str:
    """Why a task failed, in a line or more: what the handler raised, by its type, or what became of it."""
    if fault is None:
        return "the task did not succeed"
    kind = str(fault.details.get("type", ""))
    if not kind or kind.startswith(OURS):
        return fault.message or kind.rpartition(".")[2] or fault.code
    return f"{kind}: {fault.message}" if fault.message else kind


def execute_answer(status: Status, task_id: str, output: Any, error: str | None) -> dict[str, Any]:
    """All four keys, always."""
    return {"status": status, "task_id": task_id, "output": output, "error": error}


def status_answer(status: Status, progress: int, error: str | None) -> dict[str, Any]:
    """How a task is."""
    return {"status": status, "progress": progress, "error": error}


def output_answer(output: Any) -> dict[str, Any]:
    """Where a complete task's result is."""
    return {"output": output}


def encode(body: Any) -> bytes:
    """A body as JSON."""
    return msgspec.json.encode(body, enc_hook=str)


def detail(text: str) -> dict[str, str]:
    """What an answer that is no success says."""
    return {"detail": text}


__all__ = [
    "Execute",
    "Reference",
    "Status",
    "detail",
    "encode",
    "execute_answer",
    "output_answer",
    "percent",
    "read_execute",
    "read_reference",
    "reason",
    "status_answer",
    "status_of",
]
