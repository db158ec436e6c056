"""What handlers of `farhand service` import: `Input`, and the verbs of tasks that code written for the control
protocol's template uses (`TaskManager`, `run_in_background`, `ExecuteRequest`, `ExecuteResponse`,
`fetch_from_upstream`)."""

from __future__ import annotations

from farhand.kits.service.inputs import Input
from farhand.kits.service.tasks import (
    ExecuteRequest,
    ExecuteResponse,
    ResultLock,
    Task,
    TaskManager,
    fetch_from_upstream,
    grpc_host,
    grpc_port,
    run_in_background,
    task_manager,
)

__all__ = [
    "ExecuteRequest",
    "ExecuteResponse",
    "Input",
    "ResultLock",
    "Task",
    "TaskManager",
    "fetch_from_upstream",
    "grpc_host",
    "grpc_port",
    "run_in_background",
    "task_manager",
]
