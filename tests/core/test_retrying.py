"""What follows from the end of a durable job's attempt."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farhand.core.lifecycle import Move
from farhand.core.retrying import Verdict, judge
from farhand.model.durable import Retries
from farhand.model.event import Event, Fault, Kind
from farhand.model.payload import Payload


def failed(code: str = "HANDLER_FAILED", kind: str = "ValueError") -> Event:
    return Event(Kind.FAILED, fault=Fault(code, "no", details={"type": kind}))


def test_what_ended_well_or_was_cancelled_has_ended() -> None:
    done = Event(Kind.SUCCEEDED, Payload(b"1"))
    assert judge(Retries(attempts=3), 1, done, 0.0, 0.5) == Verdict(Move.SUCCEED, done)
    stopped = Event(Kind.CANCELLED, fault=Fault("CANCELLED", "was cancelled"), outcome="stopped")
    assert judge(Retries(attempts=3), 1, stopped, 0.0, 0.5) == Verdict(Move.STOP, stopped)


def test_an_attempt_that_had_time_until_the_job_expires_expires_with_it() -> None:
    overdue = Event(Kind.EXPIRED, fault=Fault("DEADLINE_EXCEEDED", "too slow"))
    assert judge(Retries(attempts=3), 1, overdue, 0.0, 0.5, to_the_end=True) == Verdict(Move.EXPIRE, overdue)
    assert judge(Retries(attempts=3), 1, overdue, 0.0, 0.5).move is Move.RETRY
    assert judge(Retries(attempts=3), 1, failed(), 0.0, 0.5, to_the_end=True).move is Move.RETRY


@pytest.mark.parametrize("event", [failed("INVALID_ARGUMENTS"), failed("TOO_LARGE"), failed(kind="mod.Fatal")])
def test_what_would_fail_again_is_not_tried_again(event: Event) -> None:
    assert judge(Retries(attempts=3, never=("mod.Fatal",)), 1, event, 0.0, 0.5) == Verdict(Move.FAIL, event)


def test_the_only_attempt_fails_as_it_failed_and_the_last_of_many_says_so() -> None:
    assert judge(Retries(), 1, failed(), 0.0, 0.5).event == failed()
    overdue = Event(Kind.EXPIRED, fault=Fault("DEADLINE_EXCEEDED", "too slow"))
    verdict = judge(Retries(attempts=2), 2, overdue, 0.0, 0.5)
    assert verdict.move is Move.FAIL
    assert verdict.event is not None
    assert verdict.event.fault is not None
    assert verdict.event.fault.code == "ATTEMPTS_EXHAUSTED"
    assert verdict.event.fault.details == {"attempts": 2, "last": "DEADLINE_EXCEEDED"}


def test_an_attempt_that_was_lost_is_tried_again_but_not_for_ever() -> None:
    lost = Event(Kind.FAILED, fault=Fault("OUTCOME_UNKNOWN", "worker lost"))
    assert [judge(Retries(), attempt, lost, 0.0, 0.5).move for attempt in (1, 4, 5)] == [
        Move.RETRY,
        Move.RETRY,
        Move.FAIL,
    ]


@given(st.integers(1, 10_000), st.floats(0, 1, exclude_max=True))
def test_waits_are_jittered_and_bounded(attempt: int, chance: float) -> None:
    verdict = judge(Retries(attempts=100_000, backoff=0.5, backoff_limit=60), attempt, failed(), 100.0, chance)
    assert verdict.move is Move.RETRY
    assert verdict.event is None
    assert verdict.run_at is not None
    assert 100.0 <= verdict.run_at <= 100.0 + min(60, 0.5 * 2.0 ** min(attempt - 1, 64))
