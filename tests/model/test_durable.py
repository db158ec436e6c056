"""A durable job keeps what it was, through the form in which stores hold it."""

from __future__ import annotations

import msgspec

from farhand.model.durable import FOREVER, DurableJob, KeptJob, Retries
from farhand.model.event import Event, Fault, Kind
from farhand.model.payload import Payload
from farhand.model.state import ENDS, LEASED, State


def test_states_are_told_apart() -> None:
    assert not ENDS & LEASED
    assert set(State) - ENDS - LEASED == {State.WAITING, State.QUEUED}
    assert State("queued") in {State.QUEUED: 1}


def test_a_kept_job_survives_being_written_and_read() -> None:
    job = DurableJob(
        id="j",
        handler="add",
        args=Payload(b"\x80", 2),
        labels={"gpu": "1"},
        created=1.0,
        run_at=2.0,
        retries=Retries(attempts=3, never=("ValueError",)),
        after=("p",),
        inputs={"x": "p"},
    )
    last = Event(Kind.FAILED, fault=Fault("HANDLER_FAILED", "no", details={"type": "E"}))
    kept = KeptJob(job=job, state=State.FAILED, run_at=2.0, ended=3.0, last=last)
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(kept), type=KeptJob) == kept
    assert kept.job.end_by == FOREVER
