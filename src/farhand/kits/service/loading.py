"""What `farhand service` is given: an app, or a module of ``execute_Name`` functions; and the protos beside it."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import msgspec

from farhand.kits.service.fetching import Fetcher
from farhand.kits.service.policy import Policy
from farhand.kits.service.running import Running, running
from farhand.kits.service.tasks import LAST_RESULT, RESULT_LOCK, ResultLock, perform
from farhand.kits.service.wrapping import wrapped
from farhand.ports.spool import Spool
from farhand.wire.control import messages
from farhand.wire.control.messages import Rpc
from farhand.worker.app import App
from farhand.worker.loading import AppNotFound, load_app, load_module

PREFIX = "execute_"
VARIABLE = "FARHAND_SERVICE_CHILD"
"""Tells the processes of isolated handlers what the service is made of."""
CHILD = "farhand.kits.service.child:app"


class Parts(msgspec.Struct, frozen=True, kw_only=True):
    """What a service is made of, as its child processes are told. `folder` is its spool's."""

    target: str
    protos: tuple[str, ...] = ()
    folder: str = ""
    policy: Policy = Policy()
    disk: int = 0

    def tell(self) -> None:
        """Let child processes know."""
        os.environ[VARIABLE] = msgspec.json.encode(self).decode()


class Service:
    """A service's handlers and protos, loaded. What the user's own code raises passes through."""

    def __init__(self, parts: Parts, spool: Spool) -> None:
        modules = [load_module(name) for name in parts.protos]
        self.rpcs: list[Rpc] = messages.rpcs_of(messages.services_in(modules))
        self.app = load_service(parts.target)
        fetcher = Fetcher(parts.policy, spool, self.rpcs, messages.message_types(modules))
        self.wrapped = wrapped(self.app, spool, fetcher, self.rpcs)


def load_service(target: str) -> App:
    """The app that a target names; of a module with ``execute_Name`` functions and no app, one of those.

    Raises:
        AppNotFound: there is neither.
    """
    where, colon, _ = target.partition(":")
    try:
        return load_app(target)
    except AppNotFound:
        if colon:
            raise
        module = load_module(where)
        app = app_of(module)
        if not app.handlers:
            raise
        return app


def app_of(module: ModuleType) -> App:
    """An app of the functions ``execute_Name`` of a module."""
    app = App()
    for name, function in vars(module).copy().items():
        if name.startswith(PREFIX) and len(name) > len(PREFIX) and callable(function):
            app.handler(name=name[len(PREFIX) :])(_performing(function))
    if app.handlers:
        names: dict[str, Any] = vars(module)
        names.setdefault(LAST_RESULT, None)
        names[RESULT_LOCK] = ResultLock(names)
    return app


def _performing(function: Callable[..., Any]) -> Callable[..., Any]:
    def run(**parameters: Any) -> Any:
        task = running.get()
        assert isinstance(task, Running), "a service's handlers run in tasks"
        return perform(function, task)

    run.__doc__ = function.__doc__
    return run


def spool_folder() -> Path:
    """A new temporary folder for results and inputs, which only this user can read."""
    return Path(tempfile.mkdtemp(prefix="farhand-service-"))


__all__ = ["CHILD", "Parts", "Service", "app_of", "load_service", "spool_folder"]
