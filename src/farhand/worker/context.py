"""What a running handler sees of its job, and how what it prints finds its way to the caller."""

from __future__ import annotations

import contextvars
import io
import logging
import sys
import threading
from types import SimpleNamespace
from typing import Any, Protocol, TextIO

from farhand.model.event import Progress
from farhand.model.job import ATTEMPT_MARK


class Stop(BaseException):
    """Raised inside a handler in a thread whose job was cancelled, at its next call of its context. It is no
    `Exception`, so that a handler's ``except Exception`` doesn't eat it."""


class Port(Protocol):
    """What a context needs of the call behind it."""

    job: str
    attempt: int
    worker_id: str
    session_state: dict[str, Any] | None
    app_state: SimpleNamespace

    def report(self, progress: Progress) -> None: ...
    def console(self, text: str) -> None: ...
    def is_cancelled(self) -> bool: ...
    def seconds_left(self) -> float | None: ...


class Context:
    """The handler's side of its job. A parameter annotated `farhand.Context` gets it."""

    __slots__ = ("_log", "_port")

    def __init__(self, port: Port) -> None:
        self._port = port
        self._log: logging.LoggerAdapter[logging.Logger] | None = None

    def progress(self, current: float, total: float | None = None, message: str = "") -> None:
        """Say how far the job is: `current` of `total`, in any unit. Callers get the latest, at most 20 times a second.

        Raises:
            BaseException: the job was cancelled, and this handler runs in a thread; let it pass.
        """
        self._port.report(Progress(float(current), None if total is None else float(total), str(message)))

    def print(self, text: str) -> None:
        """Give text to the job's console, as what is printed goes there, and nowhere else.

        Raises:
            BaseException: as `progress`.
        """
        self._port.console(text)

    @property
    def session(self) -> dict[str, Any] | None:
        """State that lives as long as the session on this worker; None outside a session."""
        return self._port.session_state

    @property
    def state(self) -> SimpleNamespace:
        """What the app's lifespan set up."""
        return self._port.app_state

    @property
    def cancelled(self) -> bool:
        """Whether the job's end was asked for. A handler that looks may clean up and return early."""
        return self._port.is_cancelled()

    @property
    def deadline(self) -> float | None:
        """Seconds left until the caller gives up; None without a deadline."""
        return self._port.seconds_left()

    @property
    def job_id(self) -> str:
        """The job's id."""
        return self._port.job.partition(ATTEMPT_MARK)[0]

    @property
    def attempt(self) -> int:
        """Which try this is, from 1."""
        return self._port.attempt

    @property
    def worker_id(self) -> str:
        """The id of the worker it runs on."""
        return self._port.worker_id

    @property
    def log(self) -> logging.LoggerAdapter[logging.Logger]:
        """A logger whose lines also reach the caller as console text."""
        if self._log is None:
            logger = logging.getLogger("farhand.job")
            if not any(isinstance(handler, _ConsoleHandler) for handler in logger.handlers):
                logger.addHandler(_ConsoleHandler())
                logger.setLevel(logging.INFO)
            self._log = logging.LoggerAdapter(logger, {"job": self._port.job})
        return self._log


current: contextvars.ContextVar[Port | None] = contextvars.ContextVar("farhand_call", default=None)
"""The call that runs here, for what is printed."""


class _ConsoleHandler(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        port = current.get()
        if port is not None:
            port.console(f"{record.levelname.lower()}: {record.getMessage()}\n")


class _Tee(io.TextIOBase):
    """A text stream that also gives a handler's output to its job."""

    def __init__(self, stream: TextIO) -> None:
        self.wrapped = stream

    def write(self, text: str, /) -> int:
        port = current.get()
        if port is not None and text:
            port.console(text)
        return self.wrapped.write(text)

    def flush(self) -> None:
        self.wrapped.flush()

    def isatty(self) -> bool:
        return self.wrapped.isatty()

    def fileno(self) -> int:
        return self.wrapped.fileno()

    def writable(self) -> bool:
        return True

    def __getattr__(self, name: str) -> Any:
        return getattr(self.wrapped, name)  # buffer, reconfigure and whatever else the stream itself has

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self.wrapped.encoding


_installed = threading.Lock()
_users = 0


def capture_prints() -> None:
    """Send what handlers print to their jobs too, until `release_prints`; may be nested."""
    global _users
    with _installed:
        _users += 1
        for name in ("stdout", "stderr"):
            stream = getattr(sys, name)
            if not isinstance(stream, _Tee):  # also where something has put a stream of its own there since
                setattr(sys, name, _Tee(stream))


def release_prints() -> None:
    """Undo one `capture_prints`."""
    global _users
    with _installed:
        _users -= 1
        if _users == 0:
            for name in ("stdout", "stderr"):
                stream = getattr(sys, name)
                if isinstance(stream, _Tee):
                    setattr(sys, name, stream.wrapped)


__all__ = ["Context", "Stop", "capture_prints", "current", "release_prints"]
