"""The one table of a job's states and moves. Code, error texts and the diagram in the docs are read from it."""

from __future__ import annotations

from enum import StrEnum

from farhand.model.event import Kind
from farhand.model.state import ENDS, State


class Move(StrEnum):
    """What can happen to a job. `RELEASE` (its parents have ended) and `RETRY` (an attempt failed, or its lease is
    over) are for durable jobs."""

    RELEASE = "release"
    ASSIGN = "assign"
    RETRY = "retry"
    REJECT = "reject"
    START = "start"
    CANCEL = "cancel"
    SUCCEED = "succeed"
    FAIL = "fail"
    STOP = "stop"
    EXPIRE = "expire"

    __hash__ = str.__hash__


_OVER = {
    Move.SUCCEED: State.SUCCEEDED,
    Move.FAIL: State.FAILED,
    Move.STOP: State.CANCELLED,
    Move.EXPIRE: State.EXPIRED,
}

TABLE: dict[State, dict[Move, State]] = {
    State.WAITING: {
        Move.RELEASE: State.QUEUED,
        Move.FAIL: State.FAILED,
        Move.STOP: State.CANCELLED,
        Move.EXPIRE: State.EXPIRED,
    },
    State.QUEUED: {
        Move.ASSIGN: State.ASSIGNED,
        Move.FAIL: State.FAILED,
        Move.STOP: State.CANCELLED,
        Move.EXPIRE: State.EXPIRED,
    },
    State.ASSIGNED: {
        Move.REJECT: State.QUEUED,
        Move.RETRY: State.QUEUED,
        Move.START: State.RUNNING,
        Move.CANCEL: State.CANCELLING,
        **_OVER,
    },
    State.RUNNING: {Move.CANCEL: State.CANCELLING, Move.RETRY: State.QUEUED, **_OVER},
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
    to = TABLE[state].get(move)
    if to is None:
        legal = ", ".join(TABLE[state]) or "nothing: it has ended"
        raise IllegalMove(f"a {state} job can't {move}; it can {legal}")
    return to


_SOURCES = {move: frozenset(state for state, moves in TABLE.items() if move in moves) for move in Move}


def sources(move: Move) -> frozenset[State]:
    """The states that a move may be made from."""
    return _SOURCES[move]


def diagram() -> str:
    """The table as a Mermaid state diagram."""
    lines = ["stateDiagram-v2", "    [*] --> queued", "    [*] --> waiting"]
    lines += [f"    {state} --> {to}: {move}" for state, moves in TABLE.items() for move, to in moves.items()]
    lines += [f"    {state} --> [*]" for state in State if state in ENDS]
    return "\n".join(lines)


__all__ = ["BY_END", "ENDS", "TABLE", "IllegalMove", "Move", "State", "after", "diagram", "sources"]
