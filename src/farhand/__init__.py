"""Run your Python where the data, the GPU or the database is, and bring the answer back live.

    import farhand
    app = farhand.App()

    @app.handler
    def add(a: float, b: float) -> float:
        return a + b

This is the shop window: each name is loaded when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from farhand.client import AsyncClient, Client, File, fetch
    from farhand.errors import (
        Cancelled,
        DeadlineExceeded,
        FarhandError,
        HandlerFailed,
        HandlerNotFound,
        InvalidArguments,
        JobNotFound,
        NeverDispatched,
        OutcomeUnknown,
        Overloaded,
        PermissionDenied,
        SessionLost,
        TooLarge,
        Unavailable,
    )
    from farhand.worker import App, Context

__all__ = [
    "App",
    "AsyncClient",
    "Cancelled",
    "Client",
    "Context",
    "DeadlineExceeded",
    "FarhandError",
    "File",
    "HandlerFailed",
    "HandlerNotFound",
    "InvalidArguments",
    "JobNotFound",
    "NeverDispatched",
    "OutcomeUnknown",
    "Overloaded",
    "PermissionDenied",
    "SessionLost",
    "TooLarge",
    "Unavailable",
    "fetch",
]

_ROOMS = {
    "App": "worker",
    "Context": "worker",
    "Client": "client",
    "AsyncClient": "client",
    "File": "client",
    "fetch": "client",
}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return import_module("importlib.metadata").version("farhand")
    if name not in __all__:
        raise AttributeError(f"module 'farhand' has no attribute {name!r}")
    value = getattr(import_module(f"farhand.{_ROOMS.get(name, 'errors')}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
