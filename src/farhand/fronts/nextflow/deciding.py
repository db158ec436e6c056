"""What both doors do with an observation: ask the policy, and answer with an action whatever becomes of that."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final

from farhand.errors import DeadlineExceeded, FarhandError, HandlerFailed
from farhand.wire.nextflow.actions import Action, action_of, default_action, failed_action
from farhand.wire.nextflow.observations import TaskObservation

Policy = Callable[[TaskObservation, float | None], Awaitable[Any]]
"""What decides: of an observation, within so many seconds (None: as many as it likes), an Action, a text, a mapping of
an action's fields, or None for the default answer."""

Tell = Callable[[TaskObservation, Action, float], None]
"""Who hears of each observation, what was answered, and how many seconds that took. It must not raise."""


SOONER: Final = 0.05
"""Seconds before an asker's deadline at which the action is that nothing was decided, so that it still arrives."""


class Deciding:
    """Answers observations. Without a policy, each gets the default answer."""

    def __init__(self, policy: Policy | None, tell: Tell) -> None:
        self._policy = policy
        self._tell = tell

    async def decide(self, observation: TaskObservation, left: float | None = None) -> Action:
        """The action for an observation. A policy that fails, or answers what is no action, is an action that says so
        and is no success."""
        began = time.perf_counter()
        if self._policy is None:
            action = default_action(observation.event_id, observation.event_type)
        else:
            within = None if left is None else max(0.0, left - min(SOONER, left / 10))
            try:
                async with asyncio.timeout(within):
                    action = action_of(await self._policy(observation, within), observation)
            except TimeoutError:
                action = failed_action(observation.event_id, f"{DeadlineExceeded.code}: {_late(within)}")
            except Exception as error:  # whatever a policy raises is its answer
                action = failed_action(observation.event_id, _said(error))
        self._tell(observation, action, time.perf_counter() - began)
        return action


def _late(within: float | None) -> str:
    return "the policy has timed out" if within is None else f"the policy did not decide within {within:.3g} s"


def _said(error: Exception) -> str:
    """What an error says: a handler's own in its words, one of farhand's after its code, another after its type."""
    try:
        text = str(error)
    except Exception:  # whatever a policy's error does when it is asked
        text = ""
    if isinstance(error, HandlerFailed):
        return text
    name = error.code if isinstance(error, FarhandError) else type(error).__name__
    return f"{name}: {text}" if text else name
