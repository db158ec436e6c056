"""The state of the sessions on this worker, and the hook that restores it where a session has moved here."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from typing import Any

from farhand.wire.farhand.incoming import Assignment
from farhand.wire.values import DEFAULT, Codecs


class Sessions:
    """States by session id. All calls belong to the event loop that async handlers run on."""

    def __init__(self, restore: Callable[..., Any] | None, codecs: Codecs = DEFAULT) -> None:
        self._codecs = codecs
        self._restore = restore
        self._states: dict[str, dict[str, Any]] = {}
        self._restoring: dict[str, asyncio.Task[None]] = {}

    def state(self, session: str) -> dict[str, Any] | None:
        """Its state; None where it isn't here."""
        return self._states.get(session)

    def open(self, assignment: Assignment) -> tuple[dict[str, Any], asyncio.Task[None] | None]:
        """The state of a call's session, made where it isn't here yet, and what the call must wait for first: the
        restore hook, which fails each of the session's calls once it has failed."""
        session = assignment.session
        state = self._states.get(session)
        if state is None:
            data = self._codecs.read(assignment.session_data)
            state = self._states[session] = data if isinstance(data, dict) else {}
            if assignment.moved and self._restore is not None:
                task = asyncio.get_running_loop().create_task(self._run(self._restore, session, state))
                task.add_done_callback(lambda done: done.cancelled() or done.exception())
                self._restoring[session] = task
        return state, self._restoring.get(session)

    def close(self, session: str) -> None:
        """Forget it."""
        self._states.pop(session, None)
        task = self._restoring.pop(session, None)
        if task is not None:
            task.cancel()

    def close_all(self) -> list[str]:
        """Forget all; which there were."""
        gone = list(self._states)
        for session in gone:
            self.close(session)
        return gone

    async def _run(self, hook: Callable[..., Any], session: str, state: dict[str, Any]) -> None:
        made = hook(state)
        if inspect.isawaitable(made):
            await made
        self._restoring.pop(session, None)
