"""A user's policy, as what the front asks: a coroutine function as it is, any other callable in a thread, and a
handler's name through a client of its hub."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from farhand.client import AsyncClient
from farhand.fronts.nextflow.deciding import Policy
from farhand.model.limits import RUN_TIMEOUT
from farhand.wire.nextflow.observations import TaskObservation, plain

THREADS: Final = 32
"""Observations that one server's policy looks at at once, where it isn't a coroutine function."""


class PolicyStopped(Exception):
    """A policy raised what would end a program, as SystemExit; it ends no server."""


def check_policy(policy: Any, hub: str | None) -> None:
    """See that it can be asked.

    Raises:
        ValueError: it names a handler, and no hub is given; or a hub is given, and nothing to ask it for.
        TypeError: it is nothing of that kind.
    """
    if isinstance(policy, str):
        if not policy or not hub:
            raise ValueError(f"policy={policy!r} is a handler's name: give hub='HOST:PORT' too, and a name")
    elif hub is not None:
        raise ValueError("hub= is for a policy that is a handler's name")
    elif policy is not None and not callable(policy):
        raise TypeError(f"a policy is a callable or a handler's name, not a {type(policy).__name__}")


def asked_of_hub(client: AsyncClient, handler: str) -> Policy:
    """A policy that runs a handler of group ``default`` with the argument `observation`, for at most 30 s."""

    async def decide(observation: TaskObservation, left: float | None) -> Any:
        timeout = RUN_TIMEOUT if left is None else min(left, RUN_TIMEOUT)
        return await client.run(handler, {"observation": plain(observation)}, timeout=timeout)

    return decide


def called(policy: Callable[[TaskObservation], Any], threads: ThreadPoolExecutor) -> Policy:
    """A policy that is a callable. One that returns an awaitable has that awaited on the server's loop."""
    if inspect.iscoroutinefunction(policy) or inspect.iscoroutinefunction(getattr(policy, "__call__", None)):  # noqa: B004

        async def awaited(observation: TaskObservation, left: float | None) -> Any:
            return await policy(observation)

        return awaited

    def contained(observation: TaskObservation) -> Any:
        try:
            return policy(observation)
        except Exception:
            raise
        except BaseException as error:
            raise PolicyStopped(f"the policy raised {type(error).__name__}") from error

    async def in_a_thread(observation: TaskObservation, left: float | None) -> Any:
        answer = await asyncio.get_running_loop().run_in_executor(threads, contained, observation)
        return await answer if inspect.isawaitable(answer) else answer

    return in_a_thread
