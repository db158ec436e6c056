"""The machine's answers, one scenario a test."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from farhand.core import effects as do
from farhand.core import events as on
from farhand.core.machine import Limits, Machine
from farhand.errors import HandlerNotFound, JobNotFound, Overloaded, ProtocolViolation, SessionLost, Unavailable
from farhand.model.event import Event, Kind, Progress
from farhand.model.handler import HandlerSpec
from farhand.model.job import Job
from farhand.model.payload import Payload
from farhand.model.session import OnLoss, Session
from farhand.model.worker import WorkerInfo, WorkerState

DONE = Event(Kind.SUCCEEDED, Payload(b"1"))


class Bench:
    """A machine with a clock."""

    def __init__(self, **limits: Any) -> None:
        self.machine = Machine(Limits(**limits))
        self.now = 0.0

    def tell(self, event: on.Input) -> list[do.Effect]:
        return self.machine.handle(event, self.now)

    def join(
        self, link: int = 1, slots: int = 1, group: str = "default", handlers: str = "add", **more: Any
    ) -> list[do.Effect]:
        specs = tuple(HandlerSpec(name=name) for name in handlers.split())
        held, in_turn = more.pop("held", ()), more.pop("in_turn", True)
        info = WorkerInfo(**{"id": f"w{link}", "group": group, "slots": slots, "handlers": specs, **more})
        return self.tell(on.WorkerJoined(link, info, held, in_turn))

    def submit(self, id: str = "j", handler: str = "add", **more: Any) -> list[do.Effect]:
        return self.tell(on.Submitted(Job(id, handler, submitted=self.now, **more)))

    def start(self, id: str = "j", link: int = 1) -> list[do.Effect]:
        return self.tell(on.JobStarted(link, id))

    def end(self, id: str = "j", link: int = 1, event: Event = DONE, chunks: int = 0) -> list[do.Effect]:
        return self.tell(on.JobEnded(link, id, event, chunks))

    def at(self, now: float) -> list[do.Effect]:
        self.now = now
        return self.tell(on.Ticked())

    def open(self, id: str = "s", on_loss: OnLoss = "fail", **more: Any) -> None:
        self.tell(on.SessionOpened(Session(id=id, on_loss=on_loss, **more)))


def assigned(effects: list[do.Effect]) -> Mapping[str, int]:
    return {effect.job.id: effect.link for effect in effects if isinstance(effect, do.Assign)}


def ended(effects: list[do.Effect]) -> Event:
    last = [effect.event for effect in effects if isinstance(effect, do.Deliver) and effect.event.kind.final]
    assert len(last) == 1
    return last[0]


def test_a_call_from_submit_to_end() -> None:
    bench = Bench()
    bench.join()
    effects = bench.submit(events=True)
    assert isinstance(effects[0], do.Deliver)
    assert effects[0].event == Event(Kind.QUEUED, text="j")
    assert assigned(effects) == {"j": 1}
    assert bench.machine.running == bench.machine.unfinished == 1
    assert bench.start() == [do.Deliver("j", Event(Kind.STARTED, worker="w1"))]
    said = Event(Kind.PROGRESS, progress=Progress(1))
    assert bench.tell(on.JobReported(1, "j", said)) == [do.Deliver("j", said)]
    assert bench.machine.knows("j")
    assert bench.end() == [do.Deliver("j", DONE)]
    assert bench.machine.running == bench.machine.unfinished == 0


def test_a_quiet_call_gets_its_end_only() -> None:
    bench = Bench()
    bench.join()
    bench.submit()
    assert bench.start() == []
    assert bench.tell(on.JobReported(1, "j", Event(Kind.CONSOLE, text="x"))) == []


def test_a_success_says_that_it_began() -> None:
    bench = Bench()
    bench.join()
    bench.submit(events=True)
    assert bench.end() == [do.Deliver("j", Event(Kind.STARTED, worker="w1")), do.Deliver("j", DONE)]


def test_least_busy_then_longest_idle() -> None:
    bench = Bench()
    bench.join(1, slots=2)
    bench.join(2, slots=2)
    assert [assigned(bench.submit(str(n)))[str(n)] for n in range(4)] == [1, 2, 1, 2]
    bench.end("1", 2)
    bench.end("0", 1)
    assert assigned(bench.submit("x")) == {"x": 2}


def test_least_busy_then_first_joined_where_workers_are_not_taken_in_turn() -> None:
    bench = Bench()
    bench.join(2, slots=2, in_turn=False)
    bench.join(3, slots=2, in_turn=False)
    for number in range(3):
        assert assigned(bench.submit(f"alone {number}")) == {f"alone {number}": 2}
        bench.end(f"alone {number}", 2)
    assert [assigned(bench.submit(str(n)))[str(n)] for n in range(4)] == [2, 3, 2, 3]
    bench.end("1", 3)
    bench.end("0", 2)
    assert assigned(bench.submit("x")) == {"x": 2}
    assert assigned(bench.submit("y")) == {"y": 3}


def test_who_serves_what() -> None:
    bench = Bench()
    bench.join(1, group="a", handlers="add sub")
    assert bench.machine.serves("a", "sub")
    assert not bench.machine.serves("a", "mul")
    assert not bench.machine.serves("b", "sub")
    bench.tell(on.WorkerLeft(1, clean=True))
    assert not bench.machine.serves("a", "sub")


def test_pools_of_different_handlers_are_compared() -> None:
    bench = Bench()
    bench.join(1, slots=2, handlers="add sub")
    bench.join(2, slots=2)
    assert assigned(bench.submit("a")) == {"a": 1}
    assert assigned(bench.submit("b")) == {"b": 2}
    assert assigned(bench.submit("c", "sub")) == {"c": 1}
    assert assigned(bench.submit("d")) == {"d": 2}
    assert bench.submit("e") == []


def test_free_slots_that_nobody_waits_for_are_offered() -> None:
    bench = Bench()
    bench.join(1, slots=2)
    bench.join(2, slots=3, labels={"gpu": "1"})
    bench.join(3, slots=1)
    bench.submit("a")
    offers = {tuple(offer.labels.items()): offer.free for offer in bench.machine.offers()}
    assert offers == {(): 3 - 1, (("gpu", "1"),): 3} or offers == {(): 3, (("gpu", "1"),): 2}
    for number in range(6):
        bench.submit(str(number))
    assert list(bench.machine.offers()) == []


def test_fifo_within_priority() -> None:
    bench = Bench()
    for name, priority in (("low", -1), ("one", 0), ("two", 0), ("high", 1)):
        assert bench.submit(name, priority=priority) == []
    order = list(assigned(bench.join()))
    for _ in range(3):
        order += assigned(bench.end(order[-1]))
    assert order == ["high", "one", "two", "low"]
    assert bench.end("low")


def test_labels_choose_the_worker() -> None:
    bench = Bench()
    bench.join(1, labels={"zone": "a"})
    bench.join(2, labels={"zone": "b"})
    assert assigned(bench.submit("x", labels={"zone": "b"})) == {"x": 2}
    assert bench.submit("y", labels={"zone": "c"}, deadline=1.0) == []
    assert "has the labels zone=c" in str(ended(bench.at(1.1)).fault)


def test_unknown_handler_names_near_ones_and_other_groups() -> None:
    bench = Bench()
    bench.join()
    bench.join(2, group="gpu", handlers="train")
    with pytest.raises(HandlerNotFound, match="did you mean add") as caught:
        bench.submit(handler="ad")
    assert caught.value.details["similar"] == ["add"]
    with pytest.raises(HandlerNotFound, match="group gpu serves it"):
        bench.submit(handler="train")
    with pytest.raises(HandlerNotFound, match="serves 1 others"):
        bench.submit(handler="zzzzzz")


def test_a_handler_once_served_is_waited_for() -> None:
    bench = Bench()
    bench.join(1, handlers="add")
    bench.join(2, handlers="sub")
    bench.tell(on.WorkerLeft(1, clean=True))
    assert bench.submit(deadline=1.0) == []
    assert "serves 'add' any more" in str(ended(bench.at(2.0)).fault)


def test_known_handlers_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("farhand.core.dispatch.KNOWN_LIMIT", 1)
    bench = Bench()
    bench.join(handlers="add sub")
    with pytest.raises(HandlerNotFound):
        bench.submit()


def test_no_worker_waits_until_the_deadline_and_says_why() -> None:
    bench = Bench()
    bench.submit(deadline=1.0)
    end = ended(bench.at(1.1))
    assert end.kind is Kind.EXPIRED
    assert end.fault is not None
    assert end.fault.retryable
    assert "no worker is connected at all" in end.fault.message
    bench.join(2, group="gpu")
    bench.submit("k", deadline=2.0)
    end = ended(bench.at(2.1))
    assert end.fault is not None
    assert end.fault.details == {"dispatched": False, "waited": 1.0, "groups": {"gpu": 1}}
    assert "groups with workers: gpu" in end.fault.message


def test_all_slots_taken_and_all_draining_are_told_apart() -> None:
    bench = Bench()
    bench.join()
    bench.submit("a")
    bench.submit("b", deadline=1.0)
    assert "all 1 slots" in str(ended(bench.at(1.1)).fault)
    bench.tell(on.WorkerDraining(1))
    bench.submit("c", deadline=2.0)
    assert "stalled or draining" in str(ended(bench.at(2.1)).fault)
    bench.tell(on.WorkerDraining(9))


def test_queues_are_bounded() -> None:
    bench = Bench(queue=1, queue_total=2, jobs=4)
    bench.submit("a")
    with pytest.raises(Overloaded, match="group 'default'"):
        bench.submit("b")
    bench.submit("c", group="gpu")
    with pytest.raises(Overloaded, match="the hub"):
        bench.submit("d", group="new")
    assert sorted(view.name for view in bench.machine.groups()) == ["default", "gpu"]
    assert all(view.oldest == 0.0 for view in bench.machine.groups())
    bench.join(slots=9)
    bench.submit("e")
    bench.submit("f")
    with pytest.raises(Overloaded, match="unfinished"):
        bench.submit("g")


def test_deadline_of_a_running_job() -> None:
    bench = Bench()
    bench.join()
    bench.submit(deadline=1.0)
    bench.start()
    effects = bench.at(1.1)
    assert do.CancelJob(1, "j", "DEADLINE_EXCEEDED") in effects
    end = ended(effects)
    assert end.fault is not None
    assert end.fault.details["dispatched"] is True
    assert bench.submit("k") == []
    assert assigned(bench.end()) == {"k": 1}


def test_cancel_waits_for_the_receipt() -> None:
    bench = Bench()
    bench.join()
    bench.submit(deadline=100.0)
    bench.start()
    assert bench.tell(on.CancelAsked("j")) == [do.CancelJob(1, "j", "CANCELLED")]
    assert bench.tell(on.CancelAsked("j")) == []
    receipt = Event(Kind.CANCELLED, outcome="stopped")
    assert ended(bench.end(event=receipt)) is receipt
    with pytest.raises(JobNotFound):
        bench.tell(on.CancelAsked("j"))


def test_cancel_of_a_waiting_job_and_of_one_that_is_never_confirmed() -> None:
    bench = Bench()
    bench.submit()
    assert ended(bench.tell(on.CancelAsked("j"))).outcome == "not_started"
    bench.join()
    bench.submit("k")
    bench.tell(on.CancelAsked("k"))
    bench.start("k")
    assert ended(bench.at(10.1)).outcome == "unconfirmed"
    assert bench.end("k") == []


def test_a_draining_worker_gives_jobs_back() -> None:
    bench = Bench()
    bench.join(slots=3)
    bench.submit("a")
    bench.submit("b")
    bench.submit("c")
    bench.tell(on.CancelAsked("b"))
    bench.tell(on.WorkerDraining(1))
    assert ended(bench.tell(on.JobRejected(1, "b"))).outcome == "not_started"
    assert bench.tell(on.JobRejected(1, "a")) == []
    assert assigned(bench.join(2)) == {"a": 2}
    assert bench.tell(on.JobRejected(1, "c")) == []
    assert assigned(bench.end("a", 2)) == {"c": 2}


def test_a_job_given_back_goes_to_another_worker_at_once() -> None:
    bench = Bench()
    bench.join()
    bench.submit()
    bench.join(2)
    bench.tell(on.WorkerDraining(1))
    assert assigned(bench.tell(on.JobRejected(1, "j"))) == {"j": 2}


def test_giving_back_after_it_ended_for_its_caller_frees_the_slot() -> None:
    bench = Bench()
    bench.join()
    bench.submit(deadline=1.0)
    bench.at(1.1)
    bench.tell(on.WorkerDraining(1))
    assert bench.tell(on.JobRejected(1, "j")) == []
    assert bench.machine.running == 0


def test_what_is_reported_after_the_end_is_dropped() -> None:
    bench = Bench()
    bench.join()
    bench.submit(events=True)
    bench.end()
    assert bench.tell(on.JobReported(1, "j", Event(Kind.CONSOLE, text="late"))) == []


def test_lies_are_violations() -> None:
    bench = Bench()
    bench.join(slots=2)
    bench.submit()
    for lie in (on.JobStarted(1, "x"), on.JobStarted(9, "j"), on.JobRejected(1, "j")):
        with pytest.raises(ProtocolViolation):
            bench.tell(lie)
    bench.start()
    with pytest.raises(ProtocolViolation, match="twice"):
        bench.start()


def test_what_is_not_started_in_time_is_taken_back() -> None:
    bench = Bench(silence=1000, stall_timeout=1000)
    bench.join(slots=2)
    bench.submit("a")
    bench.now = 5.0
    bench.submit("b")
    assert bench.at(10.5) == [do.CancelJob(1, "a", "TAKE_BACK")]
    assert assigned(bench.tell(on.JobRejected(1, "a"))) == {"a": 1}
    bench.start("a")
    assert do.CancelJob(1, "b", "TAKE_BACK") in bench.at(16.0)
    bench.start("b")
    bench.end("b")
    bench.submit("c")
    bench.at(28.0)
    assert bench.at(30.0) == []
    bench.tell(on.CancelAsked("c"))
    bench.end("c", event=Event(Kind.CANCELLED, outcome="stopped"))
    bench.submit("d")
    bench.at(45.0)
    lost = ended(bench.at(57.0))
    assert lost.fault is not None
    assert lost.fault.code == "OUTCOME_UNKNOWN"


def test_a_recalled_job_that_ended_for_its_caller_is_forgotten() -> None:
    bench = Bench(silence=1000, stall_timeout=1000)
    bench.join()
    bench.submit(deadline=11.5)
    bench.at(10.5)
    bench.at(12.0)
    assert bench.at(25.0) == []


def test_a_lost_worker_ends_its_jobs_at_once() -> None:
    bench = Bench()
    bench.join(slots=2)
    bench.submit("a", deadline=1.0)
    bench.submit("b")
    bench.at(1.1)
    end = ended(bench.tell(on.WorkerLeft(1, clean=False)))
    assert end.fault is not None
    assert end.fault.code == "OUTCOME_UNKNOWN"
    assert "was lost" in end.fault.message
    assert bench.tell(on.WorkerLeft(1, clean=True)) == []
    assert bench.tell(on.WorkerHeard(1)) == []


def test_the_newer_of_two_workers_with_one_id_replaces_the_older() -> None:
    bench = Bench()
    bench.join(1, id="same")
    bench.submit()
    effects = bench.join(2, id="same")
    assert isinstance(effects[0], do.CloseWorker)
    assert (effects[0].link, effects[0].code) == (1, "REPLACED")
    assert "replaced" in str(ended(effects).fault)


def test_silent_workers_stall_and_are_given_up() -> None:
    bench = Bench()
    bench.join()
    bench.join(2, group="gpu", slots=2)
    bench.at(10.0)
    bench.tell(on.WorkerHeard(2))
    bench.at(16.0)
    states = {view.info.id: view.state for view in bench.machine.workers(16.0)}
    assert states == {"w1": WorkerState.STALLED, "w2": WorkerState.READY}
    assert bench.submit() == []
    assert assigned(bench.tell(on.WorkerHeard(1))) == {"j": 1}
    effects = bench.at(150.0)
    assert sorted(one.link for one in effects if isinstance(one, do.CloseWorker)) == [1, 2]
    bench.now = 152.0
    bench.at(152.0)
    assert bench.machine.wake_at() is None


def test_chunks_are_numbered_credited_and_counted() -> None:
    bench = Bench()
    bench.join()
    bench.tell(on.Granted("j", 5))
    bench.submit(window=100)
    bench.start()
    chunk = Payload(b"x")
    assert bench.tell(on.JobChunk(1, "j", chunk, 1)) == [do.Deliver("j", Event(Kind.CHUNK, chunk), 1)]
    assert bench.tell(on.Granted("j", 5)) == [do.GiveCredit(1, "j", 5)]
    with pytest.raises(ProtocolViolation, match="ended after 3"):
        bench.end(chunks=3)
    assert bench.end(chunks=1) == [do.Deliver("j", DONE, 1)]


def test_events_after_the_deadline_are_dropped() -> None:
    bench = Bench()
    bench.join()
    bench.submit(deadline=1.0, window=100, events=True)
    bench.at(1.1)
    assert bench.start() == []
    assert bench.tell(on.JobChunk(1, "j", Payload(b"x"), 1)) == []
    assert bench.tell(on.JobReported(1, "j", Event(Kind.CONSOLE))) == []
    assert bench.end(chunks=1) == []


def test_a_session_stays_on_its_worker() -> None:
    bench = Bench()
    bench.open(data=Payload(b"{}"))
    bench.join(1)
    bench.join(2)
    effects = bench.submit("a", session="s", group="elsewhere")
    assert isinstance(effects[0], do.Assign)
    assert effects[0].session_data == Payload(b"{}")
    assert bench.submit("b", session="s") == []
    assert assigned(bench.end("a")) == {"b": 1}
    assert [view.sessions for view in bench.machine.workers(0.0)] == [1, 0]
    assert bench.tell(on.SessionClosed("s")) == [do.DropSession(1, "s")]
    assert bench.tell(on.SessionClosed("s")) == []
    with pytest.raises(SessionLost):
        bench.submit("c", session="s")


def test_a_session_chooses_its_worker_by_its_labels() -> None:
    bench = Bench()
    bench.open(labels={"gpu": "1"})
    bench.join(1)
    bench.join(2, labels={"gpu": "1"})
    assert assigned(bench.submit("a", session="s", labels={})) == {"a": 2}
    bench.end("a", 2)
    bench.submit("b", session="s", labels={"gpu": "2"})
    assert assigned(bench.join(3, labels={"gpu": "2"})) == {}


def test_two_waiting_calls_of_a_new_session_go_to_one_worker() -> None:
    bench = Bench()
    bench.open()
    bench.submit("a", session="s")
    bench.submit("b", session="s")
    assert assigned(bench.join(1)) == {"a": 1}
    assert assigned(bench.join(2)) == {}
    assert assigned(bench.end("a")) == {"b": 1}
    bench = Bench()
    bench.open()
    bench.submit("a", session="s")
    bench.submit("b", session="s", handler="sub")
    assert assigned(bench.join(1, slots=2)) == {"a": 1}
    assert assigned(bench.join(2, handlers="add sub")) == {}


def test_a_session_call_that_finds_its_home_free_again() -> None:
    bench = Bench()
    bench.open()
    bench.submit("a", session="s")
    bench.submit("b", session="s", labels={"zone": "a"})
    bench.join(1, slots=2, labels={"zone": "b"})
    bench.tell(on.WorkerLeft(1, clean=True))


def test_a_lost_session_fails_its_waiting_calls() -> None:
    bench = Bench()
    bench.open()
    bench.join()
    bench.submit("a", session="s")
    bench.submit("b", session="s")
    effects = bench.tell(on.WorkerLeft(1, clean=False))
    codes = {one.job: one.event.fault.code for one in effects if isinstance(one, do.Deliver) and one.event.fault}
    assert codes == {"a": "OUTCOME_UNKNOWN", "b": "SESSION_LOST"}


def test_a_moving_session_goes_on_elsewhere() -> None:
    bench = Bench()
    bench.open(on_loss="move")
    bench.join(1)
    bench.submit("a", session="s")
    bench.submit("b", session="s")
    bench.submit("c", session="s")
    bench.join(2)
    effects = bench.tell(on.WorkerLeft(1, clean=False))
    moved = [one for one in effects if isinstance(one, do.Assign)]
    assert [(one.job.id, one.link, one.moved) for one in moved] == [("b", 2, True)]
    assert assigned(bench.end("b", 2)) == {"c": 2}


def test_unused_sessions_close_by_themselves() -> None:
    bench = Bench()
    bench.open(ttl=5)
    bench.at(1.5)
    bench.at(6.0)
    with pytest.raises(SessionLost):
        bench.submit(session="s")


def test_a_rejected_call_of_a_session_goes_back_home() -> None:
    bench = Bench()
    bench.open()
    bench.join()
    bench.submit(session="s")
    bench.at(10.5)
    assert assigned(bench.tell(on.JobRejected(1, "j"))) == {"j": 1}


def test_draining_refuses_and_stopping_tells_everyone() -> None:
    bench = Bench()
    bench.join()
    bench.submit("a")
    bench.submit("b")
    bench.tell(on.DrainBegan())
    with pytest.raises(Unavailable):
        bench.submit("c")
    with pytest.raises(Unavailable):
        bench.open()
    codes = [
        one.event.fault.code for one in bench.tell(on.Stopped()) if isinstance(one, do.Deliver) and one.event.fault
    ]
    assert codes == ["OUTCOME_UNKNOWN", "NEVER_DISPATCHED"]


def test_it_wakes_for_the_nearest() -> None:
    bench = Bench()
    assert bench.machine.wake_at() is None
    bench.submit(deadline=0.5)
    assert bench.machine.wake_at() == pytest.approx(0.55)
    bench.join()
    assert bench.machine.wake_at() == pytest.approx(0.55)
    bench.end()
    assert bench.machine.wake_at() == 1.0


# -- leased jobs -----------------------------------------------------------------------------------------------------


def leased(id: str = "j#1", **more: Any) -> Job:
    return Job(id, "add", window=1_000, leased=True, **more)


def may_return(event: Event) -> bool:
    assert event.fault is not None
    assert event.fault.code == "OUTCOME_UNKNOWN"
    return event.fault.details == {"may_return": True}


def with_a_leased_job() -> Bench:
    bench = Bench()
    bench.join(slots=2)
    assert assigned(bench.tell(on.Submitted(leased()))) == {"j#1": 1}
    bench.start("j#1")
    return bench


@pytest.mark.parametrize(("clean", "returns"), [(True, False), (False, True)])
def test_a_lost_worker_may_be_back_with_its_leased_jobs_unless_it_said_goodbye(clean: bool, returns: bool) -> None:
    bench = with_a_leased_job()
    bench.submit("k")
    effects = bench.tell(on.WorkerLeft(1, clean))
    ends = {effect.job: effect.event for effect in effects if isinstance(effect, do.Deliver)}
    assert may_return(ends["j#1"]) is returns
    assert may_return(ends["k"]) is False


def test_a_hub_that_stops_leaves_leased_jobs_to_the_next() -> None:
    bench = with_a_leased_job()
    assert may_return(ended(bench.tell(on.Stopped())))


def test_a_job_that_a_worker_holds_is_adopted_and_goes_on() -> None:
    bench = Bench()
    assert bench.join(slots=2, held=("j#1",)) == []
    assert bench.machine.holds(1, "j#1")
    assert not bench.machine.holds(2, "j#1")
    assert bench.machine.running == 1
    assert assigned(bench.submit("a")) == {"a": 1}
    assert assigned(bench.submit("b")) == {}
    job = leased(deadline=5.0, events=True)
    assert bench.tell(on.JobAdopted(1, job, 7)) == [do.Adopt(1, "j#1", 7)]
    assert bench.machine.knows("j#1")
    chunk = Payload(b"x")
    assert bench.tell(on.JobChunk(1, "j#1", chunk, 8)) == [do.Deliver("j#1", Event(Kind.CHUNK, chunk), 8)]
    effects = bench.end("j#1", chunks=8)
    assert effects[0] == do.Deliver("j#1", DONE, 8, 1)
    assert assigned(effects) == {"b": 1}
    assert not bench.machine.knows("j#1")


def test_an_adopted_job_has_its_deadline_and_may_be_cancelled() -> None:
    bench = Bench()
    bench.join(held=("j#1",))
    bench.tell(on.JobAdopted(1, leased(deadline=5.0), 0))
    assert bench.tell(on.CancelAsked("j#1")) == [do.CancelJob(1, "j#1", "CANCELLED")]
    bench = Bench()
    bench.join(held=("j#1",))
    bench.tell(on.JobAdopted(1, leased(deadline=5.0), 0))
    assert ended(bench.at(5.1)).kind is Kind.EXPIRED


def test_a_job_without_a_deadline_is_adopted_too() -> None:
    bench = Bench()
    bench.join(held=("j#1",))
    assert bench.tell(on.JobAdopted(1, leased(), 0)) == [do.Adopt(1, "j#1", 0)]
    assert bench.at(1e6) != []


def test_what_is_not_held_any_more_or_is_another_s_is_not_adopted() -> None:
    bench = Bench()
    bench.join(held=("j#1",))
    for link, job in ((2, "j#1"), (1, "k#1")):
        with pytest.raises(JobNotFound, match="isn't held"):
            bench.tell(on.JobAdopted(link, leased(job), 0))
    bench.tell(on.JobAdopted(1, leased(), 0))
    with pytest.raises(JobNotFound, match="another's"):
        bench.tell(on.JobAdopted(1, leased(), 0))


def test_a_job_that_is_disowned_is_stopped_and_frees_its_slot_by_its_end() -> None:
    bench = Bench()
    bench.join(held=("j#1",))
    assert bench.tell(on.JobDisowned(1, "j#1")) == [do.CancelJob(1, "j#1", "LEASE_LOST")]
    assert bench.tell(on.JobDisowned(1, "k#1")) == bench.tell(on.JobDisowned(2, "j#1")) == []
    assert assigned(bench.submit("a")) == {}
    effects = bench.end("j#1", event=Event(Kind.FAILED))
    assert effects[0] == do.Release(1, "j#1")
    assert assigned(effects) == {"a": 1}


def test_a_job_that_was_adopted_is_not_disowned() -> None:
    bench = Bench()
    bench.join(held=("j#1",))
    bench.tell(on.JobAdopted(1, leased(), 0))
    assert bench.tell(on.JobDisowned(1, "j#1")) == []


def test_an_end_that_is_nobody_s_needs_not_be_held() -> None:
    bench = with_a_leased_job()
    bench.tell(on.CancelAsked("j#1"))
    assert ended(bench.at(10.1)).outcome == "unconfirmed"
    assert bench.end("j#1") == [do.Release(1, "j#1")]


@pytest.mark.parametrize("held", [("a#1", "b#1"), ("a#1", "a#1")])
def test_a_worker_holds_no_more_than_its_slots(held: tuple[str, ...]) -> None:
    bench = Bench()
    bench.join()
    with pytest.raises(ProtocolViolation, match="slots"):
        bench.join(2, id="w1", slots=1 if held[0] != held[1] else 2, held=held)
    assert assigned(bench.submit()) == {"j": 1}
