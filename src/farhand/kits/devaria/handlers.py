"""Job handlers as handlers of an app, which pull runners and hubs' own workers serve alike."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from farhand.core import console
from farhand.errors import FarhandError
from farhand.worker.app import App
from farhand.worker.context import Context
from farhand.worker.loading import AppNotFound, load_module
from farhand.worker.loading import load_app as load_own

HANDLERS = "JOB_HANDLERS"
CONSOLE = "console_output"
"""The key of a result that is no part of it, but what the job has printed."""


class Heartbeat(Protocol):
    """Says how far a job is (None: not known), and all that it has printed until now."""

    def __call__(self, progress_current: float | None, progress_total: float | None, console_output: str) -> None: ...


class JobHandler:
    """Runs jobs of one type. Each job has an instance of its own, made without arguments."""

    def execute(self, input_params: dict[str, Any], heartbeat_callback: Heartbeat) -> dict[str, Any]:
        """Do the work and return the result; what is under ``console_output`` in it is taken out, as the text that the
        job has printed.

        Raises:
            ValueError: the parameters are wrong; the submitter reads ``Invalid parameters: `` and its text.
            Exception: anything else; the submitter reads ``Job execution failed: `` and its text.
        """
        raise NotImplementedError(f"{type(self).__name__} has no execute(input_params, heartbeat_callback)")


class Beats:
    """The `Heartbeat` of one job: what is new in each goes to its caller."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self._heard = console.NOTHING

    def __call__(self, progress_current: float | None, progress_total: float | None, console_output: str) -> None:
        """One beat.

        Raises:
            BaseException: the job was cancelled; let it pass.
        """
        self.tell(console_output)
        if progress_current is not None:
            self._ctx.progress(progress_current, progress_total)

    def tell(self, text: str) -> None:
        """All that was printed until now."""
        new, self._heard = console.news(self._heard, str(text))
        if new:
            self._ctx.print(new)


def app_of(handlers: Mapping[str, Any]) -> App:
    """An app that serves job handlers, each a class as `JobHandler`, or an object with such an `execute`.

    Raises:
        ValueError: one of the names can't be a handler's.
        TypeError: one of them has no `execute`.
    """
    app = App()
    for name, handler in handlers.items():
        if not callable(getattr(handler, "execute", None)):
            raise TypeError(f"{HANDLERS}[{name!r}] has no execute(input_params, heartbeat_callback)")
        app.handler(_runner(handler), name=name)
    return app


def load_app(reference: str) -> App:
    """The app of a module's ``JOB_HANDLERS``; of ``MODULE:APP``, or a module without them, its own app.

    Raises:
        AppNotFound: there is no such module, or neither in it. What the module itself raises passes through.
    """
    where, colon, _ = reference.partition(":")
    if colon:
        return load_own(reference)
    found = getattr(load_module(where), HANDLERS, None)
    if isinstance(found, Mapping):
        return app_of(found)
    try:
        return load_own(reference)
    except FarhandError as error:
        raise AppNotFound(f"{where} has no dict {HANDLERS}, and no App: {error.message}") from None


def _runner(handler: Any) -> Any:
    def run(_context: Context, **input_params: Any) -> Any:
        one = handler() if isinstance(handler, type) else handler
        beats = Beats(_context)
        result = one.execute(input_params, beats)
        if isinstance(result, dict) and CONSOLE in result:
            result = dict(result)
            beats.tell(result.pop(CONSOLE))
        return result

    run.__doc__ = getattr(handler, "__doc__", None)
    return run
