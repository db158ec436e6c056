"""An ephemeral call runs at most once: what may have begun is never given to another worker, what did not is."""

from __future__ import annotations

import time

import pytest

from farhand.assembly import RunningHub, serve_hub
from farhand.core.machine import Limits
from farhand.model.event import Kind
from farhand.wire.farhand._pb import client_pb2, worker_pb2
from tests.conftest import Eventually
from tests.fronts.raw import FAILED, STARTED, SUCCEEDED, RawClient, RawWorker, calls, events, fault

CANCELLED, EXPIRED = int(Kind.CANCELLED), int(Kind.EXPIRED)
SEVEN = b"\x07"


async def test_what_a_lost_worker_had_is_never_given_to_another(hub: RunningHub) -> None:
    """Whether it had begun or not: the hub can't know. The next job goes to the other worker."""
    async with RawWorker(hub.address, "first", slots=2) as first, RawClient(hub.address) as caller:
        await first.greet()
        await caller.greet()
        await caller.say(calls([1, 2], "work", group="bad"))
        begun, _ = await first.job(), await first.job()
        await first.say(events(begun, (STARTED,)))
        await caller.event(1, STARTED)
        async with RawWorker(hub.address, "second", slots=9) as second:
            await second.greet()
            await first.drop()
            for number in (1, 2):
                if not any(number in frame.events.call and FAILED in frame.events.kind for frame in caller.frames):
                    await caller.event(number, FAILED)
            ends = {
                call: fault(body).code
                for frame in caller.frames
                for call, kind, body in zip(frame.events.call, frame.events.kind, frame.events.body, strict=True)
                if kind == FAILED
            }
            assert ends == {1: "OUTCOME_UNKNOWN", 2: "OUTCOME_UNKNOWN"}
            await caller.call(3, "work", group="bad")
            job = await second.job()
            assert [list(frame.assign.job) for frame in second.frames if frame.assign.job] == [[job]]
            await second.say(events(job, (SUCCEEDED, SEVEN)))
            await caller.event(3, SUCCEEDED)


async def test_what_a_draining_worker_gives_back_goes_to_another(hub: RunningHub) -> None:
    async with RawWorker(hub.address, "first") as first, RawClient(hub.address) as caller:
        await first.greet()
        await caller.greet()
        await caller.call(1, "work", group="bad")
        job = await first.job()
        await first.say(worker_pb2.WorkerFrame(draining=True, rejected=[job]))
        async with RawWorker(hub.address, "second") as second:
            await second.greet()
            assert await second.job() == job
            await second.say(events(job, (SUCCEEDED, SEVEN)))
            await caller.event(1, SUCCEEDED)


async def test_what_is_not_begun_in_time_is_taken_back_and_given_to_another() -> None:
    limits = Limits(start_timeout=0.3, cancel_timeout=30)
    async with (
        await serve_hub(limits=limits) as hub,
        RawWorker(hub.address, "first", slots=1) as first,
        RawClient(hub.address) as caller,
    ):
        await first.greet()
        await caller.greet()
        await caller.call(1, "work", group="bad")
        job = await first.job()
        asked = await first.hear(lambda frame: list(zip(frame.cancel.job, frame.cancel.reason, strict=True)))
        assert asked == [(job, "TAKE_BACK")]
        async with RawWorker(hub.address, "second") as second:
            await second.greet()
            await first.say(worker_pb2.WorkerFrame(draining=True, rejected=[job]))
            assert await second.job() == job


async def test_what_is_neither_begun_nor_given_back_has_an_unknown_outcome() -> None:
    limits = Limits(start_timeout=0.2, cancel_timeout=0.2)
    async with (
        await serve_hub(limits=limits) as hub,
        RawWorker(hub.address, "first") as first,
        RawWorker(hub.address, "second") as second,
        RawClient(hub.address) as caller,
    ):
        await first.greet()
        await caller.greet()
        await caller.call(1, "work", group="bad")
        job = await first.job()
        await second.greet()
        _, body, _ = await caller.event(1, FAILED)
        assert fault(body).code == "OUTCOME_UNKNOWN"
        assert "neither began the job nor gave it back" in fault(body).message
        await caller.call(2, "work", group="bad")
        assert await second.job() != job
        await first.say(events(job, (STARTED,), (SUCCEEDED, SEVEN)))
        await caller.call(3, "work", group="bad")
        await first.job()


async def test_no_worker_gets_more_than_its_slots(hub: RunningHub) -> None:
    async with RawWorker(hub.address, slots=2) as worker, RawClient(hub.address) as caller:
        await worker.greet()
        await caller.greet()
        await caller.say(calls(range(1, 6), "work", group="bad"))
        held = [await worker.job(), await worker.job()]
        for ended in range(1, 4):
            await worker.say(events(held.pop(), (SUCCEEDED, SEVEN)))
            held.append(await worker.job())
            assert sum(len(frame.assign.job) for frame in worker.frames) == 2 + ended


async def test_a_cancel_without_a_receipt_says_that_it_may_still_run() -> None:
    async with (
        await serve_hub(limits=Limits(cancel_timeout=0.3)) as hub,
        RawWorker(hub.address, slots=1) as worker,
        RawClient(hub.address) as caller,
    ):
        await worker.greet()
        await caller.greet()
        await caller.call(1, "work", group="bad")
        job = await worker.job()
        await worker.say(events(job, (STARTED,)))
        await caller.event(1, STARTED)
        await caller.say(client_pb2.ClientFrame(cancel=[1, 1, 1]))
        assert await worker.hear(lambda frame: list(frame.cancel.job)) == [job]
        _, body, _ = await caller.event(1, CANCELLED)
        assert (fault(body).code, fault(body).outcome) == ("CANCELLED", "unconfirmed")
        assert "it may still run" in fault(body).message
        await caller.call(2, "work", group="bad")
        await worker.say(events(job, (SUCCEEDED, SEVEN)))
        assert await worker.job() != job


@pytest.mark.parametrize("outcome", ["stopped", "finished", "killed"])
async def test_the_receipt_of_a_cancel_is_the_workers_word(hub: RunningHub, outcome: str) -> None:
    async with RawWorker(hub.address) as worker, RawClient(hub.address) as caller:
        await worker.greet()
        await caller.greet()
        await caller.call(1, "work", group="bad")
        job = await worker.job()
        await worker.say(events(job, (STARTED,)))
        await caller.say(client_pb2.ClientFrame(cancel=[1]))
        await worker.hear(lambda frame: list(frame.cancel.job))
        if outcome == "finished":
            await worker.say(events(job, (SUCCEEDED, SEVEN)))
            assert (await caller.event(1, SUCCEEDED, CANCELLED))[0] == SUCCEEDED
            return
        receipt = fault(b"")
        receipt.code, receipt.outcome = "CANCELLED", outcome
        await worker.say(events(job, (CANCELLED, receipt.SerializeToString())))
        _, body, _ = await caller.event(1, CANCELLED)
        assert fault(body).outcome == outcome


async def test_a_cancel_of_what_waits_says_that_it_never_began(hub: RunningHub) -> None:
    async with RawClient(hub.address) as caller:
        await caller.greet()
        await caller.call(1, "work", group="nobody")
        await caller.say(client_pb2.ClientFrame(cancel=[1]))
        _, body, _ = await caller.event(1, CANCELLED)
        assert (fault(body).code, fault(body).outcome) == ("CANCELLED", "not_started")


async def test_a_deadline_that_passes_is_told_to_the_caller_and_to_the_worker(hub: RunningHub) -> None:
    async with RawWorker(hub.address) as worker, RawClient(hub.address) as caller:
        await worker.greet()
        await caller.greet()
        began = time.monotonic()
        await caller.call(1, "work", group="bad", timeout_ms=400)
        job, left = await worker.hear(
            lambda frame: (frame.assign.job[0], frame.assign.timeout_ms[0]) if frame.assign.job else None
        )
        assert 0 < left <= 400
        await worker.say(events(job, (STARTED,)))
        _, body, _ = await caller.event(1, EXPIRED)
        assert 0.4 <= time.monotonic() - began < 2
        assert fault(body).code == "DEADLINE_EXCEEDED"
        asked = await worker.hear(lambda frame: list(zip(frame.cancel.job, frame.cancel.reason, strict=True)))
        assert asked == [(job, "DEADLINE_EXCEEDED")]


async def test_a_hub_that_is_full_refuses_within_100_ms(eventually: Eventually) -> None:
    """Every bound: one group's queue, all queues together, all jobs."""
    for limits, why in (
        (Limits(queue=5), "5 jobs wait for group 'a' already"),
        (Limits(queue_total=5), "5 jobs wait for the hub already"),
        (Limits(jobs=5), "the hub has 5 unfinished jobs"),
    ):
        async with await serve_hub(limits=limits) as hub, RawClient(hub.address) as caller:
            await caller.greet()
            await caller.say(calls(range(1, 6), "work", group="a"))
            await caller.event(5, int(Kind.QUEUED))
            began = time.monotonic()
            await caller.call(6, "work", group="a")
            _, body, _ = await caller.event(6, FAILED)
            assert time.monotonic() - began < 0.1
            assert (fault(body).code, fault(body).retryable) == ("OVERLOADED", True)
            assert why in fault(body).message
            await caller.say(client_pb2.ClientFrame(cancel=[5]))
            await caller.event(5, CANCELLED)
            await caller.call(7, "work", group="a")
            await caller.event(7, int(Kind.QUEUED))
