"""A module as the control protocol's template has it: only its imports are farhand's."""

import threading
import time

import my_service_pb2  # type: ignore[import-not-found]

from farhand.kits.service import (
    ExecuteRequest,
    ExecuteResponse,
    TaskManager,
    fetch_from_upstream,
    grpc_host,
    grpc_port,
    run_in_background,
    task_manager,
)

_last_result = None
_result_lock = threading.Lock()


def execute_TrainModel(request: ExecuteRequest) -> ExecuteResponse:
    """Long-running training operation."""
    task_manager.register_task(request.task_id, request)
    run_in_background(request.task_id, _train_worker, request)

    return ExecuteResponse(
        status="running",
        task_id=request.task_id,
    )


def _train_worker(task_id: str, request: ExecuteRequest, manager: TaskManager) -> None:
    global _last_result

    try:
        name = str(request.parameters.get("name", "none"))
        for inp in request.inputs:
            if inp.get("protocol") == "grpc":
                name += "+" + fetch_from_upstream(inp["uri"]).model_path

        for epoch in range(100):
            time.sleep(float(request.parameters.get("pause", 0)))
            manager.update_progress(task_id, epoch + 1)

        result = my_service_pb2.TrainResponse()
        result.model_path = name
        result.accuracy = 0.95
        with _result_lock:
            _last_result = result
        time.sleep(0.05)  # others set theirs now

        manager.complete_task(
            task_id,
            {
                "protocol": "grpc",
                "uri": f"{grpc_host}:{grpc_port}",
                "format": "TrainResponse",
            },
        )

    except Exception as e:
        manager.fail_task(task_id, str(e))


def execute_Quick(request: ExecuteRequest) -> ExecuteResponse:
    """Ends at once, with a reference of its own."""
    return ExecuteResponse("complete", request.task_id, {"protocol": "s3", "uri": "s3://a/b", "format": "csv"})


def execute_Fails(request: ExecuteRequest) -> ExecuteResponse:
    """Says so."""
    task_manager.register_task(request.task_id, request)
    task_manager.fail_task(request.task_id, "no such column")
    return ExecuteResponse("running", request.task_id)


def execute_Raises(request: ExecuteRequest) -> ExecuteResponse:
    """Raises."""
    raise KeyError("column")


def execute_Forgets(request: ExecuteRequest) -> ExecuteResponse:
    """Its worker says nothing."""
    run_in_background(request.task_id, lambda task_id, request, manager: None, request)
    return ExecuteResponse("running", request.task_id)


def execute_Own(request: ExecuteRequest) -> ExecuteResponse:
    """A thread of its own."""

    def work() -> None:
        task = task_manager.get_task(request.task_id)
        assert task is not None
        task_manager.complete_task(request.task_id, result={"status": task.status})

    threading.Timer(0.05, work).start()
    return ExecuteResponse("running", request.task_id)
