"""`AiServer`: answers the observations of Nextflow's plugins, from a thread with its own event loop."""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import os
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Any, Final

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from farhand.client import AsyncClient
from farhand.engines.local.loops import new_loop
from farhand.errors import Unavailable
from farhand.fronts.nextflow.actions import SERVICE, action_service
from farhand.fronts.nextflow.deciding import Deciding
from farhand.kits.nextflow.log import FLUSH_AFTER, LINE_LIMIT, LogFile
from farhand.kits.nextflow.policies import THREADS, asked_of_hub, called, check_policy
from farhand.wire.farhand.options import SERVE_OPTIONS
from farhand.wire.nextflow.actions import Action
from farhand.wire.nextflow.observations import TaskObservation

AT_ONCE: Final = 10_000
"""Observations under way in one server; more are refused at once, with RESOURCE_EXHAUSTED. A plugin that sends
thousands without waiting is served: with gRPC's own, lower bounds some of them would fail now and then."""

OPTIONS: Final = [
    *(one for one in SERVE_OPTIONS if one[0] != "grpc.max_concurrent_streams"),
    ("grpc.max_concurrent_streams", AT_ONCE),
    ("grpc.server.max_pending_requests", AT_ONCE),
    ("grpc.server.max_pending_requests_hard_limit", AT_ONCE),
]


class AiServer:
    """A server of `AiActionService`. Any number of them may be in one process, in any thread or actor.

    Args:
        port: where it listens; 0 for a free one. `port` has it once it has started.
        log_file: where its log goes; ``ai_server.log`` in the temporary folder by default.
        policy: what decides. A callable of a `TaskObservation`, plain (it is called in one of 32 threads) or a
            coroutine function; or the name of a farhand handler, which is run on `hub` with the argument `observation`,
            a dict of all fields. It gives an `Action`, a text (the action's details), a dict of an action's fields, or
            None for the default answer. What it raises is answered by an action that is no success. Without a policy
            each observation is confirmed.
        host: the address it listens on. The protocol asks nobody who they are, so on another than this machine's own,
            whoever reaches the port can ask the policy.
        hub: ``HOST:PORT`` of the hub, where the policy is a handler's name.

    Raises:
        ValueError, TypeError: the policy can't be asked.
    """

    def __init__(
        self,
        port: int = 50052,
        log_file: str | os.PathLike[str] | None = None,
        policy: Callable[[TaskObservation], Any] | str | None = None,
        host: str = "127.0.0.1",
        hub: str | None = None,
    ) -> None:
        check_policy(policy, hub)
        self.port = port
        self.host = host
        self._log_file = log_file
        self._policy = policy
        self._hub = hub
        self._serving: _Serving | None = None

    def start(self) -> None:
        """Listen, and answer from now on. It returns once observations are taken, and doesn't block.

        Raises:
            Unavailable: the port is taken, or the log file can't be opened.
            RuntimeError: it has started already.
        """
        if self._serving is not None and not self._serving.over.is_set():
            raise RuntimeError(f"this server has started already, on port {self.port}")
        serving = _Serving(self.host, self.port, self._policy, self._hub)
        self.port = serving.start(self._log_file)
        self._serving = serving

    def wait_for_termination(self, timeout: float | None = None) -> bool:
        """Block until it has been stopped, or for `timeout` seconds; whether the timeout passed first."""
        return self._serving is not None and not self._serving.over.wait(timeout)

    def stop(self, grace: float | None = 0) -> None:
        """Take no more observations, give those under way `grace` seconds, and end. Stopping again does nothing. From
        any thread; a policy that calls it doesn't wait for its own end."""
        if self._serving is not None:
            self._serving.stop(grace or 0)

    def __enter__(self) -> AiServer:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


class _Serving:
    """From one start to its stop."""

    def __init__(self, host: str, port: int, policy: Any, hub: str | None) -> None:
        self.over = threading.Event()
        self._at = (f"[{host}]" if ":" in host and not host.startswith("[") else host, port)
        self._policy = policy
        self._hub = hub
        self._loop = new_loop()
        self._leave = asyncio.Event()
        self._grace = 0.0
        self._thread = threading.Thread(target=self._serve, name=f"ai-server-{port}", daemon=True)
        self._ready: Future[int] = Future()
        self._log: LogFile | None = None

    # -- from other threads ------------------------------------------------------------------------------------------

    def start(self, log_file: str | os.PathLike[str] | None) -> int:
        """Begin; the port it has."""
        try:
            self._log = LogFile(log_file)
            self._thread.start()
        except BaseException:
            self._loop.close()
            raise
        port = self._ready.result()
        atexit.register(self.stop, 0)  # gRPC's threads are to end before the interpreter does
        return port

    def stop(self, grace: float) -> None:
        """End, and wait for it."""
        atexit.unregister(self.stop)
        self._grace = grace
        with contextlib.suppress(RuntimeError):  # its loop is closed: it has ended
            self._loop.call_soon_threadsafe(self._leave.set)
        if threading.current_thread() is not self._thread:
            self._thread.join()

    # -- in its own --------------------------------------------------------------------------------------------------

    def _serve(self) -> None:
        loop = self._loop
        loop.set_exception_handler(_unless_of_the_poller)
        asyncio.set_event_loop(loop)
        try:
            loop.run_until_complete(self._main())
        except BaseException as error:
            if self._ready.done():
                raise
            self._ready.set_exception(error)
        finally:
            loop.run_until_complete(loop.shutdown_asyncgens())
            asyncio.set_event_loop(None)
            loop.close()
            if self._log is not None:
                self._log.close()
            self.over.set()

    async def _main(self) -> None:
        threads = ThreadPoolExecutor(THREADS, f"{self._thread.name}-policy")
        client = AsyncClient(self._hub) if self._hub else None
        try:
            server, port = await self._listen(threads, client)
            self._say(f"AI server started on port {port}")
            self._ready.set_result(port)
            await self._leave.wait()
            self._say("AI server is stopping")
            await server.stop(self._grace)
            self._say("AI server stopped")
        finally:
            threads.shutdown(wait=False, cancel_futures=True)
            if client is not None:
                await client.close()

    async def _listen(self, threads: ThreadPoolExecutor, client: AsyncClient | None) -> tuple[grpc.aio.Server, int]:
        policy = None
        if client is not None:
            policy = asked_of_hub(client, self._policy)
        elif self._policy is not None:
            policy = called(self._policy, threads)
        host, port = self._at
        server = grpc.aio.server(options=OPTIONS, maximum_concurrent_rpcs=AT_ONCE)
        server.add_generic_rpc_handlers((action_service(Deciding(policy, self._tell)),))
        checks = health.aio.HealthServicer()
        health_pb2_grpc.add_HealthServicer_to_server(checks, server)
        pool: Any = TaskObservation.DESCRIPTOR.file.pool
        reflection.enable_server_reflection((SERVICE, reflection.SERVICE_NAME), server, pool)
        try:
            bound = server.add_insecure_port(f"{host}:{port}")
        except RuntimeError as error:
            text = f"can't listen on {host}:{port}: another program has the port, or it isn't allowed; port=0 is free"
            raise Unavailable(text) from error
        await server.start()
        for name in ("", SERVICE):
            await checks.set(name, health_pb2.HealthCheckResponse.SERVING)
        return server, int(bound)

    def _tell(self, observation: TaskObservation, action: Action, seconds: float) -> None:
        outcome = "" if action.success else f" failed: {action.message[:LINE_LIMIT]}"
        self._say(
            f"TaskObservation {observation.event_id[:LINE_LIMIT]}: {observation.event_type[:LINE_LIMIT]} of "
            f"{observation.task_name[:LINE_LIMIT]}; action {action.action_id[:LINE_LIMIT]}{outcome} "
            f"in {seconds * 1000:.1f} ms: {action.action_details[:LINE_LIMIT]}"
        )

    def _say(self, text: str) -> None:
        if self._log is not None and self._log.say(text):
            self._loop.call_later(FLUSH_AFTER, self._log.flush)


def _unless_of_the_poller(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """gRPC's loops in one process share a queue, and each complains when another was quicker."""
    if "PollerCompletionQueue" not in context.get("message", ""):
        loop.default_exception_handler(context)
