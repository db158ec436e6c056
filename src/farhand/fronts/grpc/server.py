"""The gRPC server of a hub: its options, its services, and how it ends."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from importlib.metadata import version as package_version
from typing import Any, cast

import grpc
import structlog
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from farhand.errors import Unavailable
from farhand.fronts.grpc.calls import CallService
from farhand.fronts.grpc.channels import ChannelService
from farhand.fronts.grpc.data import DataService
from farhand.fronts.grpc.guard import guarded, guarded_stream, reading
from farhand.fronts.grpc.jobs import JobService
from farhand.fronts.grpc.mounts import Mount, Pools
from farhand.fronts.grpc.registry import Registry
from farhand.fronts.grpc.workers import WorkerService
from farhand.hub.durable import Durables
from farhand.hub.loopback import check_loopback
from farhand.hub.service import Hub
from farhand.wire.farhand._pb import client_pb2, data_pb2
from farhand.wire.farhand.options import serve_options

WORKER_SERVICE = "farhand.v1.WorkerService"
CLIENT_SERVICE = "farhand.v1.ClientService"
DATA_SERVICE = "farhand.v1.DataService"


class Server:
    """A hub's native door, and those that are mounted on its port. `address` is set once it has started."""

    def __init__(self, hub: Hub, durables: Durables | None = None, mounts: Sequence[Mount] = ()) -> None:
        self._hub = hub
        self._mounts = mounts
        self._durables = durables
        self._version = package_version("farhand")
        self._registry = Registry(hub)
        self._health = health.aio.HealthServicer()
        self._server = grpc.aio.server(options=serve_options([mount.receive_limit for mount in mounts]))
        self._chore: asyncio.Task[None] | None = None
        self.address = ""
        self._log = structlog.get_logger("farhand.grpc")

    async def start(self, address: str) -> str:
        """Listen on ``HOST:PORT`` (port 0: a free one); the address it has.

        Raises:
            PermissionDenied: the host is not loopback.
            Unavailable: the address is taken.
        """
        host, port = check_loopback(address)
        self._server.add_generic_rpc_handlers((self._worker_methods(), self._client_methods(), self._data_methods()))
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        services = [WORKER_SERVICE, CLIENT_SERVICE, DATA_SERVICE]
        for mount in self._mounts:
            self._server.add_generic_rpc_handlers(tuple(mount.handlers()))
            services += mount.names
        names = (*services, health.SERVICE_NAME, reflection.SERVICE_NAME)
        reflection.enable_server_reflection(names, self._server, cast(Any, Pools(self._mounts)))
        try:
            bound = self._server.add_insecure_port(f"{host}:{port}")
        except RuntimeError as error:
            raise Unavailable(
                f"can't listen on {host}:{port}: another program has the port, or it isn't allowed"
            ) from error
        await self._server.start()
        for name in ("", *services):
            await self._health.set(name, health_pb2.HealthCheckResponse.SERVING)
        self._chore = asyncio.ensure_future(self._registry.chore())
        self.address = f"{host}:{bound}"
        return self.address

    async def drain(self, grace: float) -> bool:
        """Refuse new work, tell the peers, wait for what runs up to `grace` seconds; whether all of it finished."""
        await self._health.enter_graceful_shutdown()
        self._registry.tell_draining()
        return await self._hub.drain(grace)

    async def stop(self) -> None:
        """Tell callers whose jobs are left, say goodbye to every peer, and close."""
        self._hub.stop()
        self._registry.close_all()
        for mount in self._mounts:
            mount.close()
        await self._registry.all_closed(3.0)
        if self._chore is not None:
            self._chore.cancel()
        await self._server.stop(0.5)

    def _worker_methods(self) -> grpc.GenericRpcHandler:
        workers = WorkerService(self._hub, self._registry, self._version)
        return grpc.method_handlers_generic_handler(
            WORKER_SERVICE, {"Connect": grpc.stream_stream_rpc_method_handler(guarded(workers.connect))}
        )

    def _client_methods(self) -> grpc.GenericRpcHandler:
        jobs = JobService(self._durables)
        calls = CallService(self._hub, self._durables, self._version)
        channels = ChannelService(self._hub, jobs, self._registry, self._version)
        methods = {
            "Run": _unary(guarded(calls.run), client_pb2.RunRequest),
            "Stream": grpc.unary_stream_rpc_method_handler(
                guarded_stream(calls.stream),
                reading(client_pb2.RunRequest.FromString),
                client_pb2.JobEvent.SerializeToString,
            ),
            "Cancel": _unary(guarded(calls.cancel), client_pb2.CancelRequest),
            "Channel": grpc.stream_stream_rpc_method_handler(guarded(channels.channel)),
            "OpenSession": _unary(guarded(calls.open_session), client_pb2.OpenSessionRequest),
            "CloseSession": _unary(guarded(calls.close_session), client_pb2.CloseSessionRequest),
            "ListWorkers": _unary(guarded(calls.list_workers), client_pb2.ListWorkersRequest),
            "ListHandlers": _unary(guarded(calls.list_handlers), client_pb2.ListHandlersRequest),
            "GetHub": _unary(guarded(calls.get_hub), client_pb2.GetHubRequest),
            "Submit": _unary(guarded(jobs.submit), client_pb2.SubmitRequest),
            "GetJob": _unary(guarded(jobs.get), client_pb2.GetJobRequest),
            "ListJobs": _unary(guarded(jobs.find), client_pb2.ListJobsRequest),
            "Attach": grpc.unary_stream_rpc_method_handler(
                guarded(jobs.attach),
                reading(client_pb2.AttachRequest.FromString),
                client_pb2.LogEntry.SerializeToString,
            ),
            "RetryJob": _unary(guarded(jobs.retry), client_pb2.RetryJobRequest),
            "Uncache": _unary(guarded(jobs.uncache), client_pb2.UncacheRequest),
            "ListSchedules": _unary(guarded(jobs.schedules), client_pb2.ListSchedulesRequest),
            "DropSchedule": _unary(guarded(jobs.drop_schedule), client_pb2.DropScheduleRequest),
            "FireSchedule": _unary(guarded(jobs.fire_schedule), client_pb2.FireScheduleRequest),
        }
        return grpc.method_handlers_generic_handler(CLIENT_SERVICE, methods)

    def _data_methods(self) -> grpc.GenericRpcHandler:
        data = DataService(self._hub.transfers, JobService(self._durables))
        methods = {
            "Pull": grpc.stream_stream_rpc_method_handler(guarded(data.pull)),
            "Push": grpc.stream_unary_rpc_method_handler(guarded(data.push), response_serializer=_serialize),
            "Put": grpc.stream_stream_rpc_method_handler(guarded(data.put)),
            "Locate": _unary(guarded(data.locate), data_pb2.LocateRequest),
            "GetRef": _unary(guarded(data.get_ref), data_pb2.RefRequest),
        }
        return grpc.method_handlers_generic_handler(DATA_SERVICE, methods)


def _unary(method: Callable[..., Any], request: Any) -> Any:
    return grpc.unary_unary_rpc_method_handler(method, reading(request.FromString), _serialize)


def _serialize(message: Any) -> bytes:
    data: bytes = message.SerializeToString()
    return data
