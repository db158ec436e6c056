"""What a caller asks of a durable job, checked and made a job."""

from __future__ import annotations

from typing import Any

import pytest

from farhand.errors import FarhandError, InvalidArguments, TooLarge
from farhand.hub.loopback import is_loopback
from farhand.hub.metering import ALL, BOUNDS, EACH, SERIES, Meter, Times, cumulative
from farhand.hub.ordering import durable_job
from farhand.model.durable import FOREVER
from farhand.model.event import Kind
from farhand.model.handler import JobDefaults
from farhand.model.job import Job
from farhand.model.limits import PAYLOAD_LIMIT, SECONDS_LIMIT
from farhand.model.order import Order
from farhand.model.payload import Payload

NOTHING_SAID = JobDefaults()
DECLARED = JobDefaults(attempts=5, backoff=2.0, never=("E",), cache_ttl=60.0, version="2")


def test_what_is_not_said_is_as_declared() -> None:
    job = durable_job(Order(handler="work"), "id", 100.0, DECLARED)
    assert (job.retries.attempts, job.retries.backoff, job.retries.never) == (5, 2.0, ("E",))
    assert (job.cache_ttl, len(job.cache_key), job.group) == (60.0, 64, "default")
    assert (job.begin_by, job.end_by, job.run_timeout, job.key_until) == (FOREVER, FOREVER, None, 0.0)
    said = Order(handler="work", attempts=1, backoff=9, never=("F",), cache=False, delay=5, begin_within=1, key="k")
    job = durable_job(said, "id", 100.0, DECLARED)
    assert (job.retries.attempts, job.retries.backoff, job.retries.never) == (1, 9, ("F",))
    assert (job.cache_key, job.run_at, job.begin_by, job.key) == ("", 105.0, 106.0, "k")


@pytest.mark.parametrize(("run_at", "begins"), [(150.0, 150.0), (99.0, 100.0), (0.0, 100.0)])
def test_a_time_to_begin_that_has_passed_is_now(run_at: float, begins: float) -> None:
    assert durable_job(Order(handler="work", run_at=run_at), "id", 100.0, DECLARED).run_at == begins


def test_equal_work_has_an_equal_key() -> None:
    def key(**more: Any) -> str:
        order = Order(**{"handler": "work", "cache": True, **more})
        return durable_job(order, "id", 0.0, NOTHING_SAID).cache_key

    assert key() == key() != key(group="other")
    assert key(args=Payload(b"{}")) != key(args=Payload(b"{ }"))
    assert key(args=Payload(b"{}"), digest=b"x" * 32) == key(args=Payload(b"{ }"), digest=b"x" * 32)
    assert key(inputs={"a": "j"}) != key()
    assert key(cache_key="mine") == "mine"


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        ({"session": "s"}, "session"),
        ({"key": "k" * 201}, "idempotency_key"),
        ({"cache_key": "k" * 201}, "cache_key"),
        ({"delay": -1}, "delay"),
        ({"delay": float("nan")}, "delay"),
        ({"run_at": -1}, "run_at"),
        ({"run_at": float("nan")}, "run_at"),
        ({"run_at": SECONDS_LIMIT + 1}, "run_at"),
        ({"run_at": 5.0, "delay": 1}, "both"),
        ({"end_within": SECONDS_LIMIT + 1}, "end_within"),
        ({"attempts": 1001}, "attempts"),
        ({"never": ("E",) * 101}, "never"),
        ({"digest": b"x"}, "args_digest"),
        ({"after": tuple(map(str, range(1001)))}, "after"),
        ({"inputs": {"": "j"}}, "inputs"),
        ({"inputs": {"a" * 201: "j"}}, "inputs"),
        ({"handler": "-"}, "handler"),
        ({"group": "a b"}, "group"),
    ],
    ids=str,
)
def test_what_makes_no_sense_is_refused(wrong: dict[str, Any], text: str) -> None:
    with pytest.raises(InvalidArguments, match=text):
        durable_job(Order(**{"handler": "work", **wrong}), "id", 0.0, NOTHING_SAID)


def test_arguments_over_the_limit_are_refused() -> None:
    with pytest.raises(TooLarge, match="the arguments"):
        durable_job(Order(handler="work", args=Payload(b"x" * (PAYLOAD_LIMIT + 1))), "id", 0.0, NOTHING_SAID)
    assert isinstance(TooLarge(), FarhandError)


def test_what_is_loopback() -> None:
    for host in ("localhost", "LOCALHOST", "127.0.0.1", "127.9.9.9", "::1", "[::1]"):
        assert is_loopback(host), host
    for host in (
        "",
        "0.0.0.0",
        "::",
        "10.0.0.1",
        "localhost.",
        "evil.example",
        "[::1",
        "127.0.0.1.nip.io",
        "2130706433",
    ):
        assert not is_loopback(host), host


def test_times_are_counted_by_their_bounds() -> None:
    times = Times()
    for seconds in (0.0001, BOUNDS[0], 0.3, 99_999.0, 0.4):
        times.add(seconds)
    times.add(0.3, 1)
    assert sum(times.counts) == 6
    assert times.counts[0] == 2  # an upper end counts as below it
    assert dict(cumulative(times))["0.5"] == 5
    assert cumulative(times)[-1] == ("+Inf", 6)
    assert times.total == pytest.approx(99_999 + 1.0 + 0.0001 + BOUNDS[0])


def test_what_is_told_apart_is_bounded_and_a_call_is_counted_once() -> None:
    clock = iter(range(100_000))
    meter = Meter(lambda: float(next(clock)))
    for number in range(SERIES + 10):
        job = Job(f"j{number}", f"h{number}", group="g", submitted=0.0)
        if number % 2:
            meter.assigned(job)
        meter.chunk(job)
        meter.ended(job, Kind.SUCCEEDED if number % 2 else Kind.EXPIRED)
    found = dict(meter.series())
    assert len(found) == SERIES + 1
    assert sum(sum(series.calls.values()) for series in found.values()) == SERIES + 10
    assert sum(sum(series.run.counts) for series in found.values()) == (SERIES + 10) / 2
    assert sum(found["other", "other"].calls.values()) == 10
    meter.tick()
    leased = Job("d#1", "h0", group="g", leased=True)
    meter.assigned(leased)
    meter.ended(leased, Kind.SUCCEEDED)
    meter.claimed("h0", "g", 3.0)
    meter.kept("h0", "g", "succeeded")
    one = dict(meter.series())["h0", "g"]
    assert (one.calls, one.durables) == ({Kind.EXPIRED: 1}, {"succeeded": 1})
    assert (sum(one.queue.counts), sum(one.run.counts)) == (1, 1)


def test_of_many_jobs_some_stand_for_all_until_the_next_second() -> None:
    meter = Meter(lambda: 1.0)
    for _ in range(2):
        for number in range(ALL + 100 * EACH):
            job = Job(f"j{number}", "h", group="g", submitted=0.5)
            meter.assigned(job)
            meter.ended(job, Kind.SUCCEEDED)
        meter.tick()
    one = dict(meter.series())["h", "g"]
    assert one.calls == {Kind.SUCCEEDED: 2 * (ALL + 100 * EACH)}
    assert sum(one.queue.counts) == sum(one.run.counts) == 2 * (ALL + 100 * EACH)
    assert one.queue.total == pytest.approx(0.5 * 2 * (ALL + 100 * EACH))
