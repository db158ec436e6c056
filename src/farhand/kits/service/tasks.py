"""The verbs of code that was written for the control protocol's template: a function ``execute_Name`` for each method,
which registers its task, starts a worker function, and says that it runs. Its tasks are jobs like any other."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Any, Literal

import msgspec

from farhand.errors import InvalidArguments, TaskFailed
from farhand.kits.service.inputs import SMALL
from farhand.kits.service.running import Running, Told, running

LOOK = 0.1
"""Seconds between looks at a task whose own threads are to end it."""
LAST_RESULT, RESULT_LOCK = "_last_result", "_result_lock"

Status = Literal["running", "complete", "failed"]

grpc_host = os.environ.get("GRPC_HOST", "") or "localhost"
"""The host that others know this service's gRPC data by."""
grpc_port = int(os.environ.get("GRPC_PORT", "") or 50051)
"""Its port."""


class ExecuteRequest(msgspec.Struct, kw_only=True):
    """An order. `task_id` is the task's own id, by which its orchestrator asks for it. `inputs` are references as they
    came, `parameters` arguments by name."""

    method: str = ""
    workflow_id: str = ""
    task_id: str = ""
    inputs: list[dict[str, Any]] = []
    parameters: dict[str, Any] = {}


class ExecuteResponse(msgspec.Struct):
    """What ``execute_Name`` says: that its task runs, that it is complete, with the reference in `output`, or that it
    failed, with an `error`."""

    status: Status = "running"
    task_id: str = ""
    output: dict[str, Any] | None = None
    error: str | None = None


class Task(msgspec.Struct, kw_only=True):
    """A task of this process. `progress` is 0 to 100, `result` what is fetched from the service: a message, a dict or
    bytes."""

    task_id: str
    request: Any = None
    status: Status = "running"
    progress: int = 0
    output: dict[str, Any] | None = None
    error: str | None = None
    result: Any = None


class _Known:
    """A task that runs, and what belongs to it here."""

    def __init__(self, task: Task, run: Running | None) -> None:
        self.task = task
        self.run = run
        self.over = threading.Event()
        self.work: list[Callable[[], None]] = []
        self.namespace: dict[str, Any] = {}
        self.before: Any = None


_known: dict[str, _Known] = {}


def _of(task_id: str) -> _Known:
    found = _known.get(task_id)
    if found is None:
        raise InvalidArguments(f"there is no task {task_id[:80]!r} running here")
    return found


class TaskManager:
    """The tasks of this process. All managers see the same ones; every method may be called from any thread."""

    def register_task(self, task_id: str, request: Any = None) -> Task:
        """Name a task that begins. One that was ordered is known already."""
        known = _known.get(task_id)
        if known is None:
            known = _known[task_id] = _Known(Task(task_id=task_id), running.get())
        known.task.request = request
        return known.task

    def update_progress(self, task_id: str, progress: float) -> None:
        """Say how far a task is, in percent.

        Raises:
            BaseException: the task was cancelled; let it pass.
        """
        known = _of(task_id)
        known.task.progress = int(min(max(progress, 0), 100))
        if known.run is not None:
            known.run.context.progress(known.task.progress, 100)

    def complete_task(self, task_id: str, output: dict[str, Any] | None = None, result: Any = None) -> None:
        """A task is done. `output` is the reference to be told, by default one that farhand makes. `result` is what is
        fetched from here; by default, what the worker put into ``_last_result`` under ``_result_lock``."""
        known = _of(task_id)
        task = known.task
        if result is not None:
            task.result = result
        elif task.result is None and known.namespace.get(LAST_RESULT) is not known.before:
            task.result = known.namespace[LAST_RESULT]
        task.output, task.status, task.progress = output, "complete", 100
        known.over.set()

    def fail_task(self, task_id: str, error: str) -> None:
        """A task failed, and why."""
        known = _of(task_id)
        known.task.status, known.task.error = "failed", str(error)
        known.over.set()

    def get_task(self, task_id: str) -> Task | None:
        """A task that runs here; None where none does."""
        known = _known.get(task_id)
        return known.task if known is not None else None


task_manager = TaskManager()


def run_in_background(task_id: str, worker: Callable[[str, Any, TaskManager], None], request: Any) -> None:
    """Run ``worker(task_id, request, manager)`` once ``execute_Name`` has answered, in the task's own thread.

    Raises:
        InvalidArguments: there is no such task.
    """
    known = _of(task_id)
    known.namespace = getattr(worker, "__globals__", {})
    known.before = known.namespace.get(LAST_RESULT)
    known.work.append(lambda: worker(task_id, request, task_manager))


def fetch_from_upstream(uri: str) -> Any:
    """What the upstream at ``HOST:PORT`` gives: for the task of the order's input that has this uri, a message; an
    `Input` where it is larger than 1 MiB and no message. Only while a task runs.

    Raises:
        InputRefused: it can't be had.
        InvalidArguments: no task runs here.
    """
    task = running.get()
    if task is None:
        raise InvalidArguments("fetch_from_upstream belongs into a task: no task runs in this thread")
    given = [one for one in task.order.inputs if one.get("uri") == uri]
    found = task.fetch(given[0] if given else {"protocol": "grpc", "uri": uri})
    return found.value() if found.size <= SMALL or found.format != (found.reference.format or "") else found


class ResultLock:
    """The lock under which code of the template sets its module's ``_last_result``. What a task sets while it holds the
    lock is that task's result, whatever others do."""

    def __init__(self, namespace: dict[str, Any]) -> None:
        self._namespace = namespace
        self._lock = threading.RLock()
        self._before: Any = None

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        """As a lock's."""
        held = self._lock.acquire(blocking, timeout)
        if held:
            self._before = self._namespace.get(LAST_RESULT)
        return held

    def release(self) -> None:
        """As a lock's."""
        now, task = self._namespace.get(LAST_RESULT), running.get()
        if now is not self._before and task is not None and task.id in _known:
            _known[task.id].task.result = now
        self._lock.release()

    def __enter__(self) -> ResultLock:
        self.acquire()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


def perform(function: Callable[[ExecuteRequest], ExecuteResponse | None], run: Running) -> Told:
    """Run a task of such code to its end.

    Raises:
        TaskFailed: it failed.
    """
    order = run.order
    request = ExecuteRequest(
        method=order.method,
        workflow_id=order.workflow_id,
        task_id=run.id,
        inputs=order.inputs,
        parameters=order.parameters,
    )
    known = _known[run.id] = _Known(Task(task_id=run.id, request=request), run)
    try:
        answer = function(request)
        if isinstance(answer, ExecuteResponse) and answer.status == "failed":
            raise TaskFailed(answer.error or f"{order.method} failed")
        for work in known.work:
            work()
        task = known.task
        if known.work and not known.over.is_set():
            raise TaskFailed(f"the worker of {order.method} ended without complete_task or fail_task")
        if isinstance(answer, ExecuteResponse) and answer.status == "complete" and not known.over.is_set():
            return Told(task.result, answer.output)
        while not known.over.wait(LOOK):
            run.check()
        if task.status == "failed":
            raise TaskFailed(task.error or f"{order.method} failed")
        return Told(task.result, task.output)
    finally:
        _known.pop(run.id, None)
