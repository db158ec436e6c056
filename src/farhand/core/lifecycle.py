"""The one table of a job's states and moves. Code, error texts and the diagram in the docs are read from it."""

from __future__ import annotations

from enum import StrEnum

from farhand.model.event import Kind


class State(StrEnum):
    """Where a job is. The last four are ends."""

    QUEUED = "queued"
    ASSIGNED = "assigned"
    RUNNING = "running"
    CANCELLING = "cancelling"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"


class Move(StrEnum):
    """What can happen to a job."""

    ASSIGN = "assign"
    REJECT = "reject"
    START = "start"
    CANCEL = "cancel"
    SUCCEED = "succeed"
    FAIL = "fail"
    STOP = "stop"
    EXPIRE = "expire"


ENDS = frozenset({State.SUCCEEDED, State.FAILED, State.CANCELLED, State.EXPIRED})

_OVER = {
    Move.SUCCEED: State.SUCCEEDED,
    Move.FAIL: State.FAILED,
    Move.STOP: State.CANCELLED,
    Move.EXPIRE: State.EXPIRED,
}

TABLE: dict[State, dict[Move, State]] = {
    State.QUEUED: {
        Move.ASSIGN: State.ASSIGNED,
        Move.FAIL: State.FAILED,
        Move.STOP: State.CANCELLED,
        Move.EXPIRE: State.EXPIRED,
    },
    State.ASSIGNED: {
        Move.REJECT: State.QUEUED,
        Move.START: State.RUNNING,
        Move.CANCEL: State.CANCELLING,
        **_OVER,
    },
    State.RUNNING: {Move.CANCEL: State.CANCELLING, **_OVER},
    State.CANCELLING: {Move.START: State.CANCELLING, **_OVER},
    State.SUCCEEDED: {},
    State.FAILED: {},
    State.CANCELLED: {},
    State.EXPIRED: {},
}

BY_END: dict[Kind, Move] = {
    Kind.SUCCEEDED: Move.SUCCEED,
    Kind.FAILED: Move.FAIL,
    Kind.CANCELLED: Move.STOP,
    Kind.EXPIRED: Move.EXPIRE,
}
"""The move that each kind of last event makes."""


class IllegalMove(Exception):
    """A move the table doesn't have: a defect in farhand, or a worker that lies."""


def after(state: State, move: Move) -> State:
    """The state that `move` leads to.

    Raises:
        IllegalMove: the table has no such move.
    """
    try:
        return TABLE[state][move]
    except KeyError:
        legal = ", ".join(TABLE[state]) or "nothing: it has ended"
        raise IllegalMove(f"a {state} job can't {move}; it can {legal}") from None


def diagram() -> str:
    """The table as a Mermaid state diagram."""
    lines = ["stateDiagram-v2", "    [*] --> queued"]
    lines += [f"    {state} --> {to}: {move}" for state, moves in TABLE.items() for move, to in moves.items()]
    lines += [f"    {state} --> [*]" for state in State if state in ENDS]
    return "\n".join(lines)
