"""`send_task_observation`: what a plugin tells of a task, and a future of the action."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import grpc

from farhand.fronts.nextflow.actions import METHOD, SERVICE
from farhand.kits.nextflow.channels import SHARED
from farhand.wire.nextflow.actions import Action, failed_action
from farhand.wire.nextflow.observations import TaskObservation, observation_of

if TYPE_CHECKING:
    ActionFuture = grpc.Future[Action]
else:
    ActionFuture = grpc.Future  # which takes no parameter where it runs

PATH = f"/{SERVICE}/{METHOD}"


class Sent(ActionFuture):
    """The future of an action. Where the call's own timeout passes, the action is one that is no success and says so;
    every other failure is raised as gRPC raises it."""

    def __init__(self, call: Any, late: Callable[[], Action]) -> None:
        self._call = call
        self._late = late
        self._default: Action | None = None

    def result(self, timeout: float | None = None) -> Action:
        """The action, once it is there.

        Raises:
            grpc.FutureTimeoutError: `timeout` seconds have passed; the call goes on.
            grpc.FutureCancelledError: it was cancelled.
            grpc.RpcError: the call failed.
        """
        try:
            action: Action = self._call.result(timeout)
        except grpc.RpcError:
            if not self._is_late():
                raise
            if self._default is None:
                self._default = self._late()
            return self._default
        return action

    def exception(self, timeout: float | None = None) -> Any:
        """What the call failed with; None where it has an action."""
        error = self._call.exception(timeout)
        return None if self._is_late() else error

    def traceback(self, timeout: float | None = None) -> Any:
        """Where the call failed; None where it has an action."""
        trace = self._call.traceback(timeout)
        return None if self._is_late() else trace

    def code(self) -> grpc.StatusCode | None:
        """The call's status; it waits for the end."""
        code: grpc.StatusCode | None = self._call.code()
        return code

    def details(self) -> str:
        """What the status says; it waits for the end."""
        return str(self._call.details() or "")

    def cancel(self) -> bool:
        """Ask for its end; whether it had not ended."""
        return bool(self._call.cancel())

    def cancelled(self) -> bool:
        """Whether it was cancelled."""
        return bool(self._call.cancelled())

    def running(self) -> bool:
        """Whether it has not ended."""
        return bool(self._call.running())

    def done(self) -> bool:
        """Whether it has ended."""
        return bool(self._call.done())

    def add_done_callback(self, fn: Callable[[Sent], object]) -> None:
        """Call `fn` with this future once it has ended, from one of gRPC's threads."""
        self._call.add_done_callback(lambda call: fn(self))

    def _is_late(self) -> bool:
        """Whether it has ended because its timeout passed."""
        return self.done() and self._call.code() is grpc.StatusCode.DEADLINE_EXCEEDED


def send_task_observation(
    observation: Mapping[str, Any] | TaskObservation,
    server_address: str = "localhost:50052",
    *,
    channel: grpc.Channel | None = None,
    timeout: float | None = None,
) -> Sent:
    """Send what is known of a task, and give a future of the action.

    Args:
        observation: by its fields' names, of which every one that is there is sent; None is as if it weren't. Numbers
            may be texts, and `cpu_percent` is "150.0%" or 150.0. Without them, `event_id` is a new UUID and
            `timestamp_iso` is now.
        server_address: ``HOST:PORT`` of the server. All calls to an address share a channel, which is closed when the
            process ends.
        channel: the caller's own channel, in its place.
        timeout: seconds after which there is an action in any case: one that is no success. By default the call waits
            for as long as the server takes; a server that isn't there fails it at once.

    Raises:
        ValueError: a key is unknown or its value doesn't fit, and the message names it; or the timeout is no time.
    """
    message = observation_of(observation)
    if timeout is not None and not (isinstance(timeout, int | float) and math.isfinite(timeout) and timeout > 0):
        raise ValueError(f"timeout is more than 0 seconds, not {timeout!r}")
    shared = SHARED.take(server_address) if channel is None else None
    try:
        used: Any = channel if shared is None else shared.channel
        send = used.unary_unary(PATH, TaskObservation.SerializeToString, Action.FromString)
        call = send.future(message, timeout=timeout)
    except BaseException:
        if shared is not None:
            SHARED.give_back(shared, broken=False)
        raise
    if shared is not None:
        call.add_done_callback(
            lambda ended: SHARED.give_back(shared, broken=ended.code() is grpc.StatusCode.UNAVAILABLE)
        )
    id, wait = message.event_id, timeout
    return Sent(call, lambda: failed_action(id, f"no action came within {wait:g} s"))


def close_channels() -> None:
    """Close the channels that calls share, before the process ends. Calls under way are cancelled."""
    SHARED.close()
