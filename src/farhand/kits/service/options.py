"""How a service is served."""

from __future__ import annotations

import msgspec

from farhand.kits.service.policy import Policy

DISK = 20 * 1024**3
TASK_SECONDS = 24 * 3600.0


class ServiceOptions(msgspec.Struct, frozen=True, kw_only=True):
    """`target` is the app, or a module of ``execute_Name`` functions; `protos` are compiled modules. It listens on
    `host`, for orders on `port` and for data on `grpc_port` (0: a free one); `public` is the host that others know it
    by. `key` is asked for with orders. `store` is a URL, `slots` how many tasks run at once, `timeout` how many seconds
    one may take. Results and inputs may take `disk` bytes; `count` results are kept, each for `age` seconds."""

    target: str
    protos: tuple[str, ...] = ()
    host: str = "127.0.0.1"
    port: int = 8080
    grpc_port: int = 50051
    public: str = ""
    key: str = ""
    policy: Policy = Policy()
    store: str = "memory:"
    slots: int = 32
    timeout: float = TASK_SECONDS
    disk: int = DISK
    count: int = 1_000
    age: float = 24 * 3600.0
