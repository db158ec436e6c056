"""Stores against each other: whatever is asked in whatever order, SQLite answers as the memory engine does."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

from hypothesis import HealthCheck, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from farhand.core.lifecycle import ENDS, TABLE, Move, sources
from farhand.engines.memory.store import MemoryStore
from farhand.engines.sqlite.store import SqliteStore
from farhand.errors import JobNotFound
from farhand.model.durable import Keep
from farhand.model.state import State
from farhand.ports.store import Change, Declared, Filter, Lease, Mark, Prune, Schedule, Store
from farhand.testing.conformance.store import DONE, FAILED, TEXT, claim, job
from tests.sizes import reliability, size
from tests.tallies import Tally

T = TypeVar("T")

STEPS = 100
"""Things asked in one history."""
VERBS = (
    "add",
    "add",
    "add",
    "claim",
    "claim",
    "change",
    "change",
    "change",
    "append",
    "renew",
    "adopt",
    "prune",
    "trim",
    "declare",
    "surplus",
    "uncache",
    "fire",
)
UNTIMED = ("renew", "adopt", "prune", "trim", "declare", "surplus", "uncache")


class Asker:
    """Asks one thing at a time, by chance and with a seed; the same of every store it is given."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.now = 1.0
        self.fresh = 0

    def next(self) -> tuple[str, dict[str, Any]]:
        """A verb and what it is asked with."""
        pick = self.chance
        self.now += pick.choice((0.0, 1.0, 5.0))
        return (verb := pick.choice(VERBS)), getattr(self, f"_{verb}")()

    def _add(self) -> dict[str, Any]:
        pick = self.chance
        self.fresh += 1
        known = [f"n{number:04d}" for number in range(max(1, self.fresh - 8), self.fresh)] or ["nobody"]
        return {
            "job": job(
                f"n{self.fresh:04d}",
                handler=pick.choice("ffg"),
                group=pick.choice(("default", "default", "g")),
                priority=pick.choice((0, 0, 1)),
                labels=pick.choice(({}, {}, {"gpu": "1"})),
                created=self.now,
                run_at=self.now + pick.choice((0.0, 0.0, 7.0)),
                begin_by=self.now + pick.choice((9.0, 1e9)),
                end_by=self.now + pick.choice((19.0, 1e9)),
                key=pick.choice(("", "", "k1", "k2")),
                key_until=self.now + pick.choice((5.0, 50.0)),
                cache_key=pick.choice(("", "", "c1", "c2")),
                cache_ttl=pick.choice((10.0, 1e9)),
                after=tuple(sorted(set(pick.choices(known, k=pick.choice((0, 0, 0, 1, 2)))))),
            )
        }

    def _claim(self) -> dict[str, Any]:
        pick = self.chance
        more = {"labels": pick.choice(({}, {"gpu": "1"})), "group": pick.choice(("default", "g"))}
        handlers = frozenset(pick.choice((("f",), ("f", "g"))))
        return {"wanted": claim(pick.randint(1, 3), handlers=handlers, lease_until=self.now + 20.0, **more)}

    def _change(self) -> dict[str, Any]:
        pick = self.chance
        how = pick.choice(list(Move))
        to = next(moves[how] for moves in TABLE.values() if how in moves)
        said = (DONE,) if to is State.SUCCEEDED else (FAILED,) if to in ENDS else pick.choice(((), (TEXT,)))
        answers = to is State.SUCCEEDED or (to in ENDS and pick.random() < 0.3)
        epoch, run_at = pick.choice((None, None, 1, 2)), pick.choice((None, self.now + 3.0))
        return {
            "change": Change(
                id=self._some(),
                sources=sources(how),
                to=to,
                epoch=epoch,
                said=said,
                run_at=run_at,
                answers=answers,
                worker=pick.choice(("", "w3")),
            )
        }

    def _append(self) -> dict[str, Any]:
        return {"lease": Lease(self._some(), self.chance.randint(1, 2)), "said": [TEXT, TEXT]}

    def _renew(self) -> dict[str, Any]:
        leases = [Lease(self._some(), self.chance.randint(1, 2)) for _ in range(3)]
        return {"leases": leases, "until": self.now + 20.0}

    def _adopt(self) -> dict[str, Any]:
        lease = Lease(self._some(), self.chance.randint(1, 2))
        return {"lease": lease, "worker": "w2", "until": self.now + 20.0}

    def _prune(self) -> dict[str, Any]:
        ended = self.now - self.chance.choice((0.0, 10.0, 30.0))
        after = Mark(self.chance.choice((float("-inf"), ended - 20.0)), self._some())
        bounds = {"jobs": self.chance.randint(1, 5), "entries": self.chance.randint(1, 6)}
        return {"wanted": Prune(handler="f", upto=Mark(ended, self._some()), after=after, **bounds)}

    def _trim(self) -> dict[str, Any]:
        return {"id": self._some(), "upto": self.chance.randint(0, 6), "cut": self.chance.randint(0, 3)}

    def _declare(self) -> dict[str, Any]:
        pick = self.chance
        keep = Keep(jobs=pick.choice((None, 0, 7)), seconds=pick.choice((None, 9.0)), entries=pick.choice((None, 5)))
        return {"declared": [Declared(pick.choice("ab"), pick.choice("fg"), keep)]}

    def _surplus(self) -> dict[str, Any]:
        return {"handler": self.chance.choice("fg"), "keep": self.chance.randint(0, 9)}

    def _uncache(self) -> dict[str, Any]:
        return {"handler": "f", "cache_key": self.chance.choice(("", "c1"))}

    def _fire(self) -> dict[str, Any]:
        self.fresh += 1
        new = job(f"n{self.fresh:04d}", created=self.now, run_at=self.now)
        return {"name": "s", "fired": self.chance.randint(0, 2), "next_at": self.now + 9.0, "job": new}

    def _some(self) -> str:
        return f"n{self.chance.randint(max(1, self.fresh - 12), max(1, self.fresh)):04d}"


async def ask(store: Store, verb: str, given: dict[str, Any], now: float) -> Any:
    """What the store answers; an error as its text."""
    timed = {} if verb in UNTIMED else {"now": now}
    try:
        return await getattr(store, verb)(**given, **timed)
    except JobNotFound as error:
        return error.message


async def all_of(store: Store, now: float) -> list[Any]:
    """All that can be read."""
    jobs = await store.find(Filter(limit=10_000))
    logs = [await store.read(kept.job.id, 0, 1_000) for kept in jobs]
    overdue = await store.overdue(now, 100)
    rest = (await store.wake_at(now), await store.waiting(), await store.schedules())
    kept = (await store.history(), await store.declared())
    return [jobs, logs, *kept, sorted(kept.job.id for kept in overdue), *rest]


class Engines(RuleBasedStateMachine):
    """SQLite beside the memory engine, which is the model; Hypothesis chooses what both are asked."""

    folder: Path
    steps = 0

    def __init__(self) -> None:
        super().__init__()
        self._asker = Asker(0)
        self._loop = asyncio.new_event_loop()
        self._stores = self._run(self._open())

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        return self._loop.run_until_complete(work)

    async def _open(self) -> tuple[MemoryStore, SqliteStore]:
        def clock() -> float:
            return self._asker.now

        memory, sqlite = MemoryStore(clock), SqliteStore(self.folder / f"{Engines.steps}.db", clock)
        await sqlite._writer.run(lambda db: None)
        sqlite._writer._connection.pragma("synchronous", "off")  # what is on the disk is another test's
        for store in (memory, sqlite):
            await store.put_schedule(Schedule(name="s", handler="f", group="default", cron="* * * * *", next_at=5.0))
        return memory, sqlite

    @rule(number=st.integers(0, 2**32 - 1))
    def ask(self, number: int) -> None:
        """Ask both for the thing of this number; now and then, for all they have."""
        Engines.steps += 1
        self._asker.chance = chance = random.Random(number)
        verb, given = self._asker.next()
        now = self._asker.now
        memory, sqlite = self._run(self._both(verb, given, now))
        assert sqlite == memory, f"{verb} {given}"
        if chance.random() < 0.02:
            self.all_is_alike()

    async def _both(self, verb: str, given: dict[str, Any], now: float) -> list[Any]:
        return [await ask(store, verb, given, now) for store in self._stores]

    def all_is_alike(self) -> None:
        """What can be read of one can be read of the other."""
        memory, sqlite = [self._run(all_of(store, self._asker.now)) for store in self._stores]
        assert sqlite == memory

    def teardown(self) -> None:
        """The end of one history."""
        try:
            self.all_is_alike()
        finally:
            self._run(self._stores[1].close())
            self._loop.close()
            for file in self.folder.iterdir():
                file.unlink()


@reliability("R9", 600)
def test_the_engines_answer_alike(tmp_path: Path, tally: Tally) -> None:
    """Rounds by seed, so that a run can be had again.

    It fails when SQLite's `jobs_to_claim` forgets the priority, and when its `renew` doesn't compare the epoch.
    """
    Engines.folder, Engines.steps, failed = tmp_path, 0, 1
    try:
        for round in itertools.count():
            if (left := size("R9") - Engines.steps) <= 0:
                break
            how = settings(
                max_examples=min(50, -(-left // STEPS)),
                stateful_step_count=STEPS,
                deadline=None,
                database=None,
                suppress_health_check=list(HealthCheck),
            )
            run_state_machine_as_test(seed(round)(Engines), settings=how)
        failed = 0
    finally:
        tally.count(failed, Engines.steps, "steps answered otherwise by SQLite than by the model")
