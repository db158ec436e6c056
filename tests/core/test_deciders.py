"""Each decider as a function."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farhand.core.deadlines import GRAIN, Deadlines
from farhand.core.lifecycle import BY_END, ENDS, TABLE, IllegalMove, Move, State, after, diagram, sources
from farhand.core.link import Link, Role, Says, Stage, check_protocol
from farhand.core.presence import Presence
from farhand.core.retrying import Backoff
from farhand.core.sessions import Sessions
from farhand.core.streams import Stream
from farhand.errors import InvalidArguments, Overloaded, ProtocolViolation, SessionLost
from farhand.model.event import Kind
from farhand.model.session import Session


def test_a_move_knows_its_sources() -> None:
    assert sources(Move.RETRY) == {State.ASSIGNED, State.RUNNING}
    assert all(move in TABLE[state] for move in Move for state in sources(move))


def test_ends_have_no_moves_and_every_end_kind_has_one() -> None:
    assert {state for state, moves in TABLE.items() if not moves} == ENDS
    assert set(BY_END) == {kind for kind in Kind if kind.final}
    assert "queued --> assigned: assign" in diagram()


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("move", Move)
def test_every_move_is_the_tables(state: State, move: Move) -> None:
    if move in TABLE[state]:
        assert after(state, move) is TABLE[state][move]
    else:
        with pytest.raises(IllegalMove, match=f"a {state} job can't {move}"):
            after(state, move)


@given(st.lists(st.tuples(st.integers(0, 30), st.floats(0, 10)), max_size=60), st.floats(0, 12))
def test_deadlines_are_never_early_and_at_most_a_grain_late(pairs: list[tuple[int, float]], now: float) -> None:
    deadlines: Deadlines[int] = Deadlines()
    kept: dict[int, float] = {}
    for key, at in pairs:
        if key in kept:
            deadlines.remove(key, kept.pop(key))
        else:
            deadlines.add(key, at)
            kept[key] = at
    wake = deadlines.wake_at()
    assert (wake is None) == (not kept)
    due = set(deadlines.due(now))
    assert all(kept[key] <= now for key in due)
    assert all(at + 2 * GRAIN > now for key, at in kept.items() if key not in due)


def test_removing_what_was_due_is_nothing() -> None:
    deadlines: Deadlines[str] = Deadlines()
    deadlines.add("a", 1.0)
    assert list(deadlines.due(5.0)) == ["a"]
    deadlines.remove("a", 1.0)
    assert deadlines.wake_at() is None


def _open(role: Role) -> Link:
    link = Link(role, 0.0)
    for speaker, says in ((Role.PEER, Says.HELLO), (Role.HUB, Says.WELCOME)):
        (link.sent if speaker is role else link.received)(says, 0.0)
    assert link.is_open
    return link


@pytest.mark.parametrize("role", Role)
def test_a_conversation_from_both_ends(role: Role) -> None:
    link = _open(role)
    link.received(Says.WORK, 1.0)
    link.sent(Says.WORK, 2.0)
    link.received(Says.WORK | Says.DRAINING, 3.0)
    assert link.peer_draining
    assert link.heartbeat_due(4.0) == 3.0
    assert link.silent_for(4.0) == 1.0
    assert not link.is_silent(18.0)
    assert link.is_silent(18.1)
    link.received(Says.GOODBYE, 5.0)
    assert link.stage is Stage.CLOSED
    with pytest.raises(ProtocolViolation, match=r"WORK from the .* is not allowed while the link is closed"):
        link.received(Says.WORK, 6.0)
    with pytest.raises(ProtocolViolation):
        link.sent(Says.WORK, 6.0)


def test_what_crosses_a_goodbye_does_not_count() -> None:
    link = _open(Role.PEER)
    link.sent(Says.GOODBYE, 1.0)
    link.received(Says.WORK | Says.GOODBYE, 2.0)
    assert link.stage is Stage.CLOSED


def test_work_before_welcome_is_refused() -> None:
    link = Link(Role.HUB, 0.0)
    with pytest.raises(ProtocolViolation):
        link.received(Says.HELLO | Says.WORK, 0.0)
    check_protocol(1)
    with pytest.raises(ProtocolViolation, match="protocol 2"):
        check_protocol(2)


def test_presence() -> None:
    presence = Presence(silence=15, stall_timeout=120)
    presence.join(1, 0.0)
    presence.join(2, 0.0)
    assert not presence.heard(2, 10.0)
    assert presence.check(16.0) == ([1], [])
    assert presence.check(17.0) == ([], [])
    assert presence.stalled(1)
    assert presence.silent_for(1, 20.0) == 20.0
    assert not presence.heard(2, 20.0)
    assert presence.heard(1, 21.0)
    assert not presence.stalled(1)
    assert presence.check(142.0) == ([], [1, 2])
    presence.leave(1)
    presence.leave(2)
    assert presence.check(500.0) == ([], [])


def test_streams_are_whole_and_bounded() -> None:
    stream = Stream(100)
    stream.take(1, 50)
    with pytest.raises(ProtocolViolation, match="chunk 3 came where 2 was due"):
        stream.take(3, 1)
    with pytest.raises(ProtocolViolation, match="ended after 2 chunks, of which 1 came"):
        stream.end(2)
    stream.end(1)
    stream.take(2, 2_000_000)
    with pytest.raises(ProtocolViolation, match="faster"):
        stream.take(3, 1)
    stream.grant(2_000_000)
    stream.take(3, 1)


def test_sessions() -> None:
    sessions = Sessions(limit=2)
    sessions.open(Session(id="a", ttl=10), 0.0)
    sessions.open(Session(id="b", ttl=10, on_loss="move"), 0.0)
    assert len(sessions) == 2
    with pytest.raises(Overloaded):
        sessions.open(Session(id="c"), 0.0)
    with pytest.raises(InvalidArguments, match="open already"):
        _twice()
    assert sessions.pin("a", 7) == (True, False)
    assert sessions.pin("a", 7) == (False, False)
    assert sessions.pin("gone", 7) == (False, False)
    assert sessions.pin("b", 7) == (True, False)
    assert sessions.on(7) == 2
    assert sessions.link_of("a") == 7
    assert sessions.link_of("gone") is None
    sessions.begin("b", 5.0)
    assert sessions.expired(12.0) == ["a"]
    sessions.finish("b", 6.0)
    sessions.finish("gone", 6.0)
    assert sessions.leave(7) == {"a": False, "b": True}
    with pytest.raises(SessionLost, match="is gone"):
        sessions.get("a")
    with pytest.raises(SessionLost, match="is not open"):
        sessions.get("gone")
    assert sessions.get("b").id == "b"
    assert sessions.pin("b", 8) == (True, True)
    assert sessions.close("b") == 8
    assert sessions.close("b") is None
    assert sessions.close("a") is None


def _twice() -> None:
    sessions = Sessions()
    sessions.open(Session(id="a"), 0.0)
    sessions.open(Session(id="a"), 0.0)


@given(st.floats(0, 1, exclude_max=True), st.integers(1, 50))
def test_backoff_stays_between_its_bounds(chance: float, tries: int) -> None:
    backoff = Backoff(0.2, 30.0)
    waits = [backoff.next(chance) for _ in range(tries)]
    assert all(0.2 <= wait <= 30.0 for wait in waits)
    assert waits == sorted(waits)
    backoff.reset()
    assert backoff.next(0.0) == 0.2
