"""R8: the core under simulation, by seed."""

from __future__ import annotations

from typing import Any

import pytest

from farhand.core import effects as do
from farhand.core.dispatch import Dispatch
from farhand.core.machine import Machine
from farhand.testing.simulation import LIMITS, Simulation
from tests.sizes import reliability, size
from tests.tallies import Tally

BATCHES = 10


@pytest.mark.parametrize("batch", range(BATCHES))
@reliability("R8", 60)
def test_no_seed_breaks_a_promise(batch: int, tally: Tally) -> None:
    """Below are five mutants of the core that it finds."""
    seeds = range(batch * size("R8") // BATCHES, (batch + 1) * size("R8") // BATCHES)
    for seed in seeds:
        Simulation(seed).run()
    tally.count(0, len(seeds), "seeds with a violation")


def test_a_seed_replays() -> None:
    runs = []
    for _ in range(2):
        simulation = Simulation(7)
        simulation.run()
        runs.append((simulation.now, simulation.ends))
    assert runs[0] == runs[1]


def _caught() -> bool:
    for seed in range(300):
        try:
            Simulation(seed).run()
        except Exception:
            return True
    return False


def test_it_finds_a_slot_promised_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("farhand.core.seats.Seat.free", property(lambda self: 1 if self.open else 0))
    assert _caught()


def test_it_finds_a_worker_loss_that_forgets_its_jobs(monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(self: Machine, link: int, now: float, why: str, *, clean: bool = False) -> None:
        worker = self._workers.pop(link)
        del self._links[worker.info.id]
        self._presence.leave(link)
        self._dispatch.leave(link)
        for job in worker.held:
            self._jobs.pop(job, None)

    monkeypatch.setattr(Machine, "_gone", gone)
    assert _caught()


def test_it_finds_a_draining_worker_that_gets_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Dispatch, "set_open", lambda self, link, is_open: None)
    assert _caught()


def test_it_finds_a_slot_that_a_job_taken_up_does_not_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Dispatch, "occupy", lambda self, link, count: None)
    assert _caught()


def test_it_finds_a_second_end(monkeypatch: pytest.MonkeyPatch) -> None:
    real = Machine._end

    def twice(self: Machine, record: Any, event: Any, chunks: int, now: float, link: int | None = None) -> None:
        real(self, record, event, chunks, now, link)
        self._out.append(do.Deliver(record.job.id, event, chunks))

    monkeypatch.setattr(Machine, "_end", twice)
    assert _caught()
    assert Machine(LIMITS) is not None
