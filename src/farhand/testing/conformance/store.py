"""What every store of durable jobs must do, row by row of `core.lifecycle.TABLE` and verb by verb of `ports.store`."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

from msgspec.structs import replace

from farhand.core.lifecycle import ENDS, TABLE, Move, sources
from farhand.errors import JobNotFound
from farhand.model.durable import DurableJob, Keep, KeptJob, Retries, Said
from farhand.model.event import Event, Fault, Kind
from farhand.model.payload import Payload
from farhand.model.state import LEASED, State
from farhand.ports.store import (
    Added,
    Change,
    Claim,
    Declared,
    Filter,
    History,
    Lease,
    Mark,
    Prune,
    Pruned,
    Schedule,
    Store,
)

DONE = Said(Event(Kind.SUCCEEDED, Payload(b"7", 1)))
FAILED = Said(Event(Kind.FAILED, fault=Fault("HANDLER_FAILED", "no")))
TEXT = Said(Event(Kind.CONSOLE, text="hällo\n\x00"))


def job(id: str, **more: Any) -> DurableJob:
    """A job of this id, submitted at time 1."""
    return DurableJob(**{"id": id, "handler": "f", "created": 1.0, "run_at": 1.0, **more})


def claim(count: int = 10, **more: Any) -> Claim:
    """A claim of a worker that serves f."""
    wanted = {"group": "default", "handlers": frozenset({"f"}), "labels": {}, "worker": "w", "lease_until": 100.0}
    return Claim(**{**wanted, "count": count, **more})


def move(id: str, how: Move, to: State, *said: Said, epoch: int | None = None, **more: Any) -> Change:
    """A move from wherever it may be made; a success answers for equal work."""
    wanted = {"answers": to is State.SUCCEEDED, **more}
    return Change(id=id, sources=sources(how), to=to, epoch=epoch, said=said, **wanted)


def ids(found: Iterable[KeptJob]) -> list[str]:
    """Their ids."""
    return [kept.job.id for kept in found]


async def bring(store: Store, id: str, state: State) -> KeptJob:
    """A new job in this state, with epoch 1 where a worker has or had it."""
    if state is State.WAITING:
        await store.add(job(f"{id}-parent", run_at=1e9), 2.0)
        return (await store.add(job(id, after=(f"{id}-parent",)), 2.0)).kept
    kept = (await store.add(job(id), 2.0)).kept
    if state is State.QUEUED:
        return kept
    (kept,) = [one for one in await store.claim(claim(1000), 3.0) if one.job.id == id]
    if state is State.ASSIGNED:
        return kept
    ways = {
        State.RUNNING: move(id, Move.START, State.RUNNING, epoch=1),
        State.CANCELLING: move(id, Move.CANCEL, State.CANCELLING),
        State.SUCCEEDED: move(id, Move.SUCCEED, State.SUCCEEDED, DONE, epoch=1),
        State.FAILED: move(id, Move.FAIL, State.FAILED, FAILED, epoch=1),
        State.CANCELLED: move(id, Move.STOP, State.CANCELLED, FAILED, epoch=1),
        State.EXPIRED: move(id, Move.EXPIRE, State.EXPIRED, FAILED, epoch=1),
    }
    changed = await store.change(ways[state], 4.0)
    assert changed is not None
    return changed


async def end(store: Store, job: DurableJob, at: float, *said: Said) -> None:
    """A new job that has succeeded at this time."""
    await store.add(job, 2.0)
    await store.claim(claim(handlers=frozenset({job.handler})), 3.0)
    assert await store.change(move(job.id, Move.SUCCEED, State.SUCCEEDED, *said, DONE), at) is not None


async def prune(store: Store, upto: Mark, handler: str = "f", **bounds: Any) -> Pruned:
    """Prune up to this mark."""
    return await store.prune(Prune(handler=handler, upto=upto, **bounds))


class StoreConformance:
    """Give it a fixture `store`, an empty store."""

    async def test_each_move_is_made_where_the_table_has_it_and_nowhere_else(self, store: Store) -> None:
        rows = 0
        for state in State:
            for how in Move:
                id = f"{state}-{how}"
                before = await bring(store, id, state)
                to = TABLE[state].get(how)
                target = to or next(moves[how] for moves in TABLE.values() if how in moves)
                after = await store.change(move(id, how, target, FAILED), 5.0)
                if to is None:
                    assert after is None, id
                    assert await store.get(id) == before, id
                else:
                    assert after is not None, id
                    assert after.state is to, id
                    assert after == await store.get(id), id
                    assert (after.ended is not None) is (to in ENDS), id
                rows += 1
        assert rows == len(State) * len(Move)

    async def test_a_stale_epoch_changes_nothing(self, store: Store) -> None:
        for state in LEASED:
            before = await bring(store, state, state)
            for epoch in (0, 2):
                assert await store.change(move(state, Move.FAIL, State.FAILED, FAILED, epoch=epoch), 5.0) is None
                assert await store.append(Lease(state, epoch), [TEXT], 5.0) is None
                assert await store.renew([Lease(state, epoch)], 500.0) == [False]
            assert await store.get(state) == before

    async def test_a_job_is_kept_as_it_was(self, store: Store) -> None:
        whole = job(
            "whole", args=Payload(b"\x00" * 1_000_000, 3), labels={"ä": "ö"}, priority=-3, key="k", key_until=9.0
        )
        added = await store.add(whole, 2.0)
        assert (added.how, added.kept.job, added.kept.state) == ("new", whole, State.QUEUED)
        assert await store.get("whole") == added.kept
        assert await store.get("other") is None
        (queued,) = await store.read("whole", 0, 10)
        assert (queued.offset, queued.at, queued.event.kind) == (0, 2.0, Kind.QUEUED)

    async def test_a_key_finds_its_job_for_its_time(self, store: Store) -> None:
        await store.add(job("a", key="k", key_until=10.0), 2.0)
        again = await store.add(job("b", key="k", key_until=20.0), 9.0)
        assert (again.how, again.kept.job.id) == ("key", "a")
        later = await store.add(job("c", key="k", key_until=30.0), 11.0)
        assert (later.how, later.kept.job.id) == ("new", "c")
        assert await store.get("b") is None

    async def test_equal_work_is_joined_and_answered(self, store: Store) -> None:
        await store.add(job("a", cache_key="c", cache_ttl=5.0), 2.0)
        assert (await store.add(job("b", cache_key="c"), 2.0)).how == "twin"
        await store.claim(claim(), 3.0)
        await store.change(move("a", Move.SUCCEED, State.SUCCEEDED, DONE), 4.0)
        cached = await store.add(job("b", cache_key="c"), 8.0)
        assert (cached.how, cached.kept.last) == ("cached", DONE.event)
        assert (await store.add(job("b", cache_key="c"), 10.0)).how == "new"
        await store.claim(claim(), 11.0)
        await store.change(move("b", Move.FAIL, State.FAILED, FAILED), 12.0)
        assert (await store.add(job("d", cache_key="c"), 13.0)).how == "new"

    async def test_an_end_that_answers_is_found_whatever_it_is(self, store: Store) -> None:
        for id, answers in (("a", True), ("b", False)):
            await store.add(job(id, cache_key=id, cache_ttl=5.0), 2.0)
            await store.claim(claim(), 3.0)
            await store.change(move(id, Move.FAIL, State.FAILED, FAILED, answers=answers), 4.0)
        cached = await store.add(job("c", cache_key="a"), 8.0)
        assert (cached.how, cached.kept.job.id, cached.kept.last) == ("cached", "a", FAILED.event)
        assert (await store.add(job("d", cache_key="b"), 8.0)).how == "new"
        assert (await prune(store, Mark(99.0))).jobs == 2  # this store's clock is far past their time
        await store.add(job("e", cache_key="e", cache_failures=True), 9.0)
        kept = await store.get("e")
        assert kept is not None
        assert kept.job.cache_failures
        await store.claim(claim(), 10.0)
        await store.change(move("e", Move.FAIL, State.FAILED, FAILED, answers=True), 11.0)
        assert await store.uncache("f", "e") == 1
        assert (await store.add(job("g", cache_key="e"), 12.0)).how == "new"

    async def test_a_child_that_fails_with_its_parent_answers_for_nothing(self, store: Store) -> None:
        await store.add(job("p"), 2.0)
        await store.add(job("child", after=("p",), cache_key="c", cache_failures=True), 2.0)
        await store.change(move("p", Move.FAIL, State.FAILED, FAILED, answers=True), 3.0)
        assert (await store.add(job("again", cache_key="c"), 4.0)).how == "new"

    async def test_uncached_work_is_done_again(self, store: Store) -> None:
        for id in ("a", "b"):
            await store.add(job(id, cache_key=id), 2.0)
        await store.claim(claim(), 3.0)
        await store.change(move("a", Move.SUCCEED, State.SUCCEEDED, DONE), 4.0)
        assert await store.uncache("other") == 0
        assert await store.uncache("f", "b") == 0
        assert await store.uncache("f") == 1
        assert (await store.add(job("c", cache_key="a"), 5.0)).how == "new"
        assert (await store.add(job("d", cache_key="b"), 5.0)).how == "twin"

    async def test_jobs_are_claimed_in_order_and_once(self, store: Store) -> None:
        for one in (
            job("e", run_at=2.0),
            job("d"),
            job("c"),
            job("b", priority=1, run_at=3.0),
            job("later", run_at=50.0, priority=9),
            job("other", handler="g"),
            job("elsewhere", group="g"),
            job("special", labels={"gpu": "1"}),
        ):
            await store.add(one, 2.0)
        taken = await store.claim(claim(3), 4.0)
        assert ids(taken) == ["b", "c", "d"]
        assert {(one.state, one.epoch, one.attempt, one.worker, one.lease_until) for one in taken} == {
            (State.ASSIGNED, 1, 1, "w", 100.0)
        }
        assert ids(await store.claim(claim(), 4.0)) == ["e"]
        assert ids(await store.claim(claim(), 4.0)) == []
        assert ids(await store.claim(claim(labels={"gpu": "1", "x": "y"}), 60.0)) == ["later", "special"]

    async def test_who_has_a_job_is_kept_once_it_is_known(self, store: Store) -> None:
        for id in ("a", "b"):
            await store.add(job(id), 2.0)
        await store.claim(claim(worker="hub"), 3.0)
        begun = await store.change(move("a", Move.START, State.RUNNING, worker="w1"), 4.0)
        ended = await store.change(move("a", Move.SUCCEED, State.SUCCEEDED, DONE), 5.0)
        assert [one and one.worker for one in (begun, ended, await store.get("a"))] == ["w1"] * 3
        again = await store.change(move("b", Move.RETRY, State.QUEUED, worker="w1", run_at=6.0), 6.0)
        await store.claim(claim(worker="hub"), 7.0)
        at_once = await store.change(move("b", Move.SUCCEED, State.SUCCEEDED, DONE, worker="w2"), 8.0)
        assert [one and one.worker for one in (again, at_once, await store.get("b"))] == ["", "w2", "w2"]

    async def test_claims_at_once_never_give_a_job_twice(self, store: Store) -> None:
        await asyncio.gather(*[store.add(job(f"{n:03d}"), 2.0) for n in range(200)])
        claims = await asyncio.gather(*[store.claim(claim(13), 3.0) for _ in range(20)])
        taken = [id for one in claims for id in ids(one)]
        assert sorted(taken) == [f"{n:03d}" for n in range(200)]

    async def test_a_job_that_is_tried_again_waits_and_has_a_new_epoch(self, store: Store) -> None:
        await bring(store, "a", State.RUNNING)
        again = await store.change(move("a", Move.RETRY, State.QUEUED, TEXT, epoch=1, run_at=30.0), 5.0)
        assert again is not None
        assert (again.state, again.worker, again.run_at, again.attempt) == (State.QUEUED, "", 30.0, 1)
        assert await store.claim(claim(), 29.0) == []
        (kept,) = await store.claim(claim(), 30.0)
        assert (kept.epoch, kept.attempt) == (2, 2)
        assert await store.append(Lease("a", 1), [TEXT], 31.0) is None
        assert await store.append(Lease("a", 2), [TEXT], 31.0) == 2

    async def test_a_log_has_no_gap_and_is_read_from_anywhere(self, store: Store) -> None:
        await bring(store, "a", State.ASSIGNED)
        await store.change(move("a", Move.START, State.RUNNING, Said(Event(Kind.STARTED, worker="w"))), 5.0)
        chunk = Said(Event(Kind.CHUNK, Payload(b"x" * 1_000_000, 3)), 1)
        assert await store.append(Lease("a", 1), [TEXT, chunk], 6.0) == 2
        await store.change(move("a", Move.SUCCEED, State.SUCCEEDED, TEXT, DONE), 7.0)
        whole = await store.read("a", 0, 100)
        assert [entry.offset for entry in whole] == list(range(6))
        assert [entry.at for entry in whole] == [2.0, 5.0, 6.0, 6.0, 7.0, 7.0]
        assert (whole[3].event, whole[3].number) == (chunk.event, 1)
        for offset in range(7):
            assert await store.read("a", offset, 2) == whole[offset : offset + 2]
        kept = await store.get("a")
        assert kept is not None
        assert (kept.offset, kept.last, kept.ended) == (6, DONE.event, 7.0)
        assert await store.read("nobody", 0, 10) == []

    async def test_a_log_is_read_by_so_many_bytes_at_once(self, store: Store) -> None:
        await bring(store, "a", State.RUNNING)
        chunks = [Said(Event(Kind.CHUNK, Payload(b"x" * 1_000, 3)), number) for number in range(1, 11)]
        await store.append(Lease("a", 1), chunks, 6.0)
        assert [entry.offset for entry in await store.read("a", 1, 100, 2_500)] == [1, 2, 3]
        assert [entry.offset for entry in await store.read("a", 1, 2, 2_500)] == [1, 2]
        assert [entry.offset for entry in await store.read("a", 4, 100, 1)] == [4]
        assert len(await store.read("a", 0, 100)) == 11

    async def test_leases_are_renewed_while_they_hold(self, store: Store) -> None:
        await bring(store, "a", State.RUNNING)
        await bring(store, "b", State.SUCCEEDED)
        assert await store.renew([Lease("a", 1), Lease("b", 1), Lease("c", 1)], 200.0) == [True, False, False]
        kept = await store.get("a")
        assert kept is not None
        assert kept.lease_until == 200.0

    async def test_a_lease_that_holds_is_adopted(self, store: Store) -> None:
        for state in (State.ASSIGNED, State.RUNNING, State.CANCELLING):
            await bring(store, state, state)
            kept = await store.adopt(Lease(state, 1), "another", 500.0)
            assert kept is not None
            assert (kept.state, kept.epoch, kept.attempt) == (state, 2, 1)
            assert (kept.worker, kept.lease_until) == ("another", 500.0)
            assert await store.get(state) == kept
            assert await store.append(Lease(state, 1), [TEXT], 6.0) is None
            assert await store.renew([Lease(state, 1), Lease(state, 2)], 600.0) == [False, True]
            assert await store.append(Lease(state, 2), [TEXT], 6.0) == kept.offset
            assert await store.change(move(state, Move.SUCCEED, State.SUCCEEDED, DONE, epoch=1), 7.0) is None
            assert await store.adopt(Lease(state, 1), "a third", 900.0) is None
            assert await store.adopt(Lease(state, 3), "a third", 900.0) is None
        for state in (State.QUEUED, *sorted(ENDS)):
            await bring(store, state, state)
            before = await store.get(state)
            assert await store.adopt(Lease(state, 1), "another", 500.0) is None
            assert await store.adopt(Lease(state, 0), "another", 500.0) is None
            assert await store.get(state) == before
        assert await store.adopt(Lease("nobody", 1), "another", 500.0) is None

    async def test_what_is_overdue_is_found(self, store: Store) -> None:
        for one in (
            job("begin", begin_by=10.0, run_at=1e9),
            job("end", end_by=20.0, run_at=1e9),
            job("free", run_at=1e9),
        ):
            await store.add(one, 2.0)
        await store.add(job("leased", begin_by=5.0), 2.0)
        await store.claim(claim(lease_until=30.0), 3.0)
        assert ids(await store.overdue(9.0, 10)) == []
        assert await store.wake_at(3.0) == 10.0
        assert ids(await store.overdue(10.0, 10)) == ["begin"]
        assert ids(await store.overdue(40.0, 10)) == ["begin", "end", "leased"]
        assert ids(await store.overdue(40.0, 2)) == ["begin", "end"]
        assert await store.wake_at(40.0) == 1e9

    async def test_a_job_tried_before_does_not_expire_by_not_beginning(self, store: Store) -> None:
        await store.add(job("a", begin_by=5.0), 2.0)
        await store.claim(claim(), 3.0)
        await store.change(move("a", Move.RETRY, State.QUEUED, TEXT, run_at=50.0), 4.0)
        assert await store.overdue(40.0, 10) == []

    async def test_who_waits_is_counted(self, store: Store) -> None:
        await bring(store, "a", State.WAITING)
        await bring(store, "b", State.QUEUED)
        await store.add(job("c", group="g"), 2.0)
        assert await store.waiting() == {"default": 3, "g": 1}

    async def test_children_begin_once_all_their_parents_have_succeeded(self, store: Store) -> None:
        for id in ("p", "q"):
            await store.add(job(id), 2.0)
        assert (await store.add(job("child", after=("p", "q")), 2.0)).kept.state is State.WAITING
        assert (await store.add(job("grandchild", after=("child",)), 2.0)).kept.state is State.WAITING
        await store.claim(claim(), 3.0)
        await store.change(move("p", Move.SUCCEED, State.SUCCEEDED, DONE), 4.0)
        assert await store.claim(claim(), 4.0) == []
        await store.change(move("q", Move.SUCCEED, State.SUCCEEDED, DONE), 5.0)
        assert ids(await store.claim(claim(), 5.0)) == ["child"]
        assert (await store.add(job("late", after=("p",)), 6.0)).kept.state is State.QUEUED

    async def test_children_fail_with_their_parents_all_the_way_down(self, store: Store) -> None:
        for id, after in (("p", ()), ("q", ()), ("child", ("p", "q")), ("grandchild", ("child",))):
            await store.add(job(id, after=after, cache_key=id), 2.0)
        await store.change(move("p", Move.STOP, State.CANCELLED, FAILED), 4.0)
        for id, parent in (("child", "p"), ("grandchild", "child")):
            kept = await store.get(id)
            assert kept is not None
            assert (kept.state, kept.ended) == (State.FAILED, 4.0)
            assert kept.last is not None
            assert kept.last.fault is not None
            assert (kept.last.fault.code, kept.last.fault.details["parent"]) == ("PARENT_FAILED", parent)
            assert (await store.read(id, 0, 9))[-1].event == kept.last
        late = await store.add(job("late", after=("q", "p")), 5.0)
        assert (late.how, late.kept.state) == ("new", State.FAILED)
        assert (await store.add(job("again", cache_key="child"), 5.0)).how == "new"

    async def test_an_unknown_parent_is_refused_and_nothing_is_kept(self, store: Store) -> None:
        (refused,) = await asyncio.gather(store.add(job("a", after=("nobody",)), 2.0), return_exceptions=True)
        assert isinstance(refused, JobNotFound)
        assert "nobody" in refused.message
        assert await store.get("a") is None

    async def test_one_that_is_refused_harms_none_that_came_with_it(self, store: Store) -> None:
        adding = [store.add(job(f"{n}", after=("nobody",) if n % 2 else ()), 2.0) for n in range(20)]
        results = await asyncio.gather(*adding, return_exceptions=True)
        assert [isinstance(one, JobNotFound) for one in results] == [bool(n % 2) for n in range(20)]
        assert len(await store.find(Filter(limit=100))) == 10

    async def test_many_are_added_as_each_alone(self, store: Store) -> None:
        await store.add(job("parent", run_at=1e9), 1.0)
        many = [
            job("a"),
            job("b", after=("nobody",)),
            job("c", key="k", key_until=10.0),
            job("d", key="k", key_until=10.0),
            job("e", after=("parent",)),
            job("f", cache_key="w"),
            job("g", cache_key="w"),
            job("h"),
        ]
        a, b, c, d, e, f, g, h = await store.add_all(many, 2.0)
        assert isinstance(b, JobNotFound)
        made = {one.kept.job.id: one for one in (a, c, d, e, f, g, h) if isinstance(one, Added)}
        hows = [one.how for one in (a, c, d, e, f, g, h) if isinstance(one, Added)]
        assert hows[0] == hows[3] == hows[6] == "new"
        assert (sorted(hows[1:3]), sorted(hows[4:6])) == (["key", "new"], ["new", "twin"])
        assert len(made) == 5
        for id, one in made.items():
            assert one.kept == await store.get(id)
            assert one.kept.state is (State.WAITING if id == "e" else State.QUEUED)
        assert [id for id in "abcdefgh" if await store.get(id) is not None] == sorted(made)
        assert await store.add_all([], 2.0) == []

    async def test_many_are_changed_as_each_alone(self, store: Store) -> None:
        for id in ("a", "b", "c"):
            await bring(store, id, State.RUNNING)
        await store.add(job("child", after=("a", "b")), 4.0)
        started = move("child", Move.START, State.RUNNING)
        changes = [
            move("a", Move.SUCCEED, State.SUCCEEDED, TEXT, DONE, epoch=1),
            move("b", Move.SUCCEED, State.SUCCEEDED, DONE, epoch=2),
            started,
            move("c", Move.RETRY, State.QUEUED, TEXT, epoch=1, run_at=7.0),
            move("nobody", Move.FAIL, State.FAILED, FAILED),
        ]
        a, b, child, c, nobody = await store.change_all(changes, 5.0)
        assert (b, child, nobody) == (None, None, None)
        assert [a, c] == [await store.get("a"), await store.get("c")]
        assert isinstance(a, KeptJob)
        assert isinstance(c, KeptJob)
        assert (a.state, a.ended, a.last, a.lease_until) == (State.SUCCEEDED, 5.0, DONE.event, 0.0)
        assert (c.state, c.run_at, c.worker) == (State.QUEUED, 7.0, "")
        assert [entry.event for entry in await store.read("a", a.offset - 2, 9)] == [TEXT.event, DONE.event]
        once_more = [move("b", Move.FAIL, State.FAILED, FAILED, epoch=1), move("b", Move.FAIL, State.FAILED, FAILED)]
        ended = [one for one in await store.change_all(once_more, 6.0) if one is not None]
        assert len(ended) == 1, "a job ends once, also in one operation"
        after = await store.get("child")
        assert after is not None
        assert after.state is State.FAILED

    async def test_jobs_are_found_by_all_that_is_given(self, store: Store) -> None:
        for one in (
            job("a", labels={"x": "1", "y": "2"}),
            job("b", handler="g", schedule="s"),
            job("c", group="g", labels={"x": "1"}),
        ):
            await store.add(one, 2.0)
        await store.change(move("a", Move.STOP, State.CANCELLED, FAILED), 3.0)
        assert ids(await store.find(Filter())) == ["c", "b", "a"]
        assert ids(await store.find(Filter(limit=2))) == ["c", "b"]
        assert ids(await store.find(Filter(before="b"))) == ["a"]
        assert ids(await store.find(Filter(states=frozenset({State.CANCELLED})))) == ["a"]
        assert ids(await store.find(Filter(handler="g"))) == ["b"]
        assert ids(await store.find(Filter(group="g"))) == ["c"]
        assert ids(await store.find(Filter(labels={"x": "1"}))) == ["c", "a"]
        assert ids(await store.find(Filter(labels={"x": "1", "y": "2"}))) == ["a"]
        assert ids(await store.find(Filter(schedule="s", handler="f"))) == []

    async def test_jobs_are_found_by_how_they_ended(self, store: Store) -> None:
        worn = Said(Event(Kind.FAILED, fault=Fault("ATTEMPTS_EXHAUSTED", "no more")))
        for id, how, to, end in (
            ("a", Move.FAIL, State.FAILED, worn),
            ("b", Move.FAIL, State.FAILED, FAILED),
            ("c", Move.SUCCEED, State.SUCCEEDED, DONE),
            ("d", Move.FAIL, State.FAILED, worn),
        ):
            await store.add(job(id, cache_key=id, handler="g" if id == "d" else "f"), 2.0)
            assert await store.change(move(id, Move.START, State.RUNNING), 2.0) is None
            await store.claim(claim(handlers=frozenset({"f", "g"})), 3.0)
            assert await store.change(move(id, how, to, TEXT, end), 4.0) is not None
        await store.add(job("child", after=("b",)), 5.0)
        await store.add(job("waiting"), 5.0)
        assert ids(await store.find(Filter(code="ATTEMPTS_EXHAUSTED"))) == ["d", "a"]
        assert ids(await store.find(Filter(code="ATTEMPTS_EXHAUSTED", before="d"))) == ["a"]
        assert ids(await store.find(Filter(code="ATTEMPTS_EXHAUSTED", handler="g", limit=1))) == ["d"]
        assert ids(await store.find(Filter(code="PARENT_FAILED"))) == ["child"]
        assert ids(await store.find(Filter(code="ATTEMPTS_EXHAUSTED", states=frozenset({State.QUEUED})))) == []
        assert ids(await store.find(Filter(code="' OR 1"))) == []

    async def test_old_jobs_are_pruned_unless_something_needs_them(self, store: Store) -> None:
        forever = 4e9
        more: dict[str, dict[str, Any]] = {
            "keyed": {"key": "k", "key_until": forever},
            "timed": {"cache_key": "t", "cache_ttl": forever},
            "cached": {"cache_key": "c"},
        }
        for place, id in enumerate(("a", "b", "keyed", "timed", "cached", "new")):
            await end(store, job(id, **more.get(id, {})), 10.0 + place)
        await store.add(job("running"), 2.0)
        assert await prune(store, Mark(forever), "other") == Pruned(0, 0, None)
        assert await prune(store, Mark(10.0)) == Pruned(0, 0, None)
        assert await prune(store, Mark(10.0, "a")) == Pruned(1, 2, None)
        assert await store.get("a") is None
        assert await store.read("a", 0, 10) == []
        assert await prune(store, Mark(15.0)) == Pruned(2, 4, None)
        assert ids(await store.find(Filter())) == ["timed", "running", "new", "keyed"]
        assert (await store.add(job("again", cache_key="c"), 20.0)).how == "new"
        assert (await store.add(job("again", cache_key="t"), 20.0)).how == "cached"
        assert await prune(store, Mark(forever)) == Pruned(1, 2, None)
        assert ids(await store.find(Filter())) == ["timed", "running", "keyed", "again"]

    async def test_a_prune_is_bounded_and_goes_on_where_it_was(self, store: Store) -> None:
        keys = {"c": {"key": "k", "key_until": 4e9}}
        for place, id in enumerate("abcde"):
            await end(store, job(id, **keys.get(id, {})), 10.0 + place)
        upto = Mark(13.0, "d")
        first = await prune(store, upto, jobs=2)
        assert first == Pruned(2, 4, Mark(11.0, "b"))
        assert await prune(store, upto, jobs=1, after=Mark(11.0, "b")) == Pruned(0, 0, Mark(12.0, "c"))
        assert await prune(store, upto, jobs=2, after=Mark(12.0, "c")) == Pruned(1, 2, None)
        assert await prune(store, upto, jobs=2, after=Mark(13.0, "d")) == Pruned(0, 0, None)
        assert ids(await store.find(Filter())) == ["e", "c"]

    async def test_a_long_log_is_pruned_bit_by_bit(self, store: Store) -> None:
        await end(store, job("short"), 9.0)
        await end(store, job("long"), 10.0, *[TEXT] * 20)
        await end(store, job("next"), 11.0)
        upto = Mark(11.0, "next")
        assert await prune(store, upto, entries=10) == Pruned(1, 10, Mark(9.0, "short"))
        kept = await store.get("long")
        assert kept is not None
        assert (kept.first, kept.offset) == (8, 22)
        assert [entry.offset for entry in await store.read("long", 0, 3)] == [8, 9, 10]
        assert await prune(store, upto, entries=14) == Pruned(1, 14, Mark(10.0, "long"))
        assert await prune(store, upto, entries=14) == Pruned(1, 2, None)
        assert await store.find(Filter()) == []

    async def test_large_jobs_are_pruned_bit_by_bit(self, store: Store) -> None:
        large = Said(Event(Kind.CHUNK, Payload(b"x" * 1000, 1)), 1)
        await end(store, job("a", args=Payload(b"x" * 5000, 1)), 9.0)
        await end(store, job("b"), 10.0, *[large] * 5)
        steps = []
        after: Mark | None = Mark(0.0)
        while after is not None:
            pruned = await prune(store, Mark(99.0), size=2500, after=after)
            steps.append((pruned.jobs, pruned.entries > 0))
            after = pruned.after
        assert steps[0] == (0, True)
        assert 4 <= len(steps) <= 8
        assert all(some for _, some in steps)
        assert await store.find(Filter()) == []

    async def test_the_newest_are_known_from_the_others(self, store: Store) -> None:
        assert await store.history() == []
        assert await store.surplus("f", 0) is None
        for place, id in enumerate("cab"):
            await end(store, job(id), 10.0 + place // 2)
        await end(store, job("other", handler="g"), 7.0)
        await store.add(job("running", handler="h"), 2.0)
        assert await store.history() == [History("f", 10.0, 11.0), History("g", 7.0, 7.0)]
        found = [await store.surplus("f", keep) for keep in range(5)]
        assert found == [Mark(11.0, "b"), Mark(10.0, "c"), Mark(10.0, "a"), None, None]
        assert (await prune(store, Mark(10.0, "a"))).jobs == 1
        assert await store.surplus("f", 2) is None
        assert (await prune(store, Mark(99.0))).jobs == 2
        assert await store.history() == [History("g", 7.0, 7.0)]

    async def test_what_is_declared_is_kept(self, store: Store) -> None:
        assert await store.declared() == []
        one = Declared("default", "f", Keep(jobs=0, seconds=7.5, entries=9))
        other = Declared("g", "f", Keep())
        await store.declare([other, one])
        assert await store.declared() == [one, other]
        changed = Declared("g", "f", Keep(jobs=5))
        await store.declare([changed])
        assert await store.declared() == [one, changed]

    async def test_a_log_is_trimmed(self, store: Store) -> None:
        await store.add(job("a"), 2.0)
        await store.claim(claim(), 3.0)
        await store.change(move("a", Move.START, State.RUNNING, TEXT), 3.0)
        await store.append(Lease("a", 1), [TEXT] * 6, 4.0)
        assert not await store.trim("a", 0, 0)
        assert not await store.trim("a", 8, 0)
        assert not await store.trim("nobody", 1, 0)
        assert await store.trim("a", 5, 3)
        assert not await store.trim("a", 5, 0)
        trimmed = await store.get("a")
        assert trimmed is not None
        assert (trimmed.first, trimmed.cut, trimmed.offset) == (5, 3, 8)
        for offset in (0, 4, 5):
            assert [entry.offset for entry in await store.read("a", offset, 2)] == [5, 6]
        assert [entry.offset for entry in await store.read("a", 6, 9)] == [6, 7]
        assert await store.read("a", 8, 9) == []
        assert await store.append(Lease("a", 1), [TEXT], 4.0) == 8
        ended = await store.change(move("a", Move.SUCCEED, State.SUCCEEDED, DONE), 5.0)
        assert ended is not None
        assert (ended.first, ended.cut, ended.offset) == (5, 3, 10)
        assert ended == await store.get("a")
        assert await store.trim("a", 9, 4)
        assert [entry.event for entry in await store.read("a", 0, 9)] == [DONE.event]
        assert await prune(store, Mark(99.0)) == Pruned(1, 1, None)

    async def test_what_was_started_anew_is_found(self, store: Store) -> None:
        for id, old in (("a", ""), ("b", "a"), ("c", "a"), ("d", "c")):
            await store.add(job(id, retry_of=old), 2.0)
        await end(store, job("e", retry_of="a"), 5.0)
        assert ids(await store.find(Filter(retry_of="a"))) == ["e", "c", "b"]
        assert ids(await store.find(Filter(retry_of="a", limit=1))) == ["e"]
        assert ids(await store.find(Filter(retry_of="e"))) == []

    async def test_a_parent_is_kept_until_its_children_have_ended(self, store: Store) -> None:
        async def finish(id: str) -> None:
            await store.claim(claim(), 3.0)
            assert await store.change(move(id, Move.SUCCEED, State.SUCCEEDED, DONE), 4.0) is not None

        await store.add(job("a"), 2.0)
        await store.add(job("b", handler="g", after=("a",), inputs={"x": "a"}), 2.0)
        await finish("a")
        await store.add(job("c", handler="g", after=("a",)), 2.0)
        for id in ("b", "c"):
            assert (await prune(store, Mark(99.0))).jobs == 0
            await store.claim(claim(handlers=frozenset({"g"})), 3.0)
            await store.change(move(id, Move.RETRY, State.QUEUED, TEXT), 3.0)
            assert (await prune(store, Mark(99.0))).jobs == 0
            await store.change(move(id, Move.FAIL, State.FAILED, FAILED), 4.0)
        kept = await store.get("b")
        assert kept is not None
        assert kept.job.inputs == {"x": "a"}
        assert (await prune(store, Mark(99.0))).jobs == 1
        assert await store.get("a") is None

    async def test_schedules_are_kept_and_fire_once(self, store: Store) -> None:
        daily = Schedule(
            name="s",
            handler="f",
            group="default",
            cron="0 0 * * *",
            timezone="Europe/Berlin",
            missed="once",
            retries=Retries(attempts=3, never=("ValueError",)),
            next_at=10.0,
        )
        await store.put_schedule(daily)
        assert await store.fire("s", 0, 20.0, job("a", schedule="s"), 10.0)
        kept = await store.get("a")
        assert kept is not None
        assert kept.state is State.QUEUED
        assert not await store.fire("s", 0, 20.0, job("b", schedule="s"), 10.0)
        assert not await store.fire("nobody", 0, 20.0, job("b"), 10.0)
        assert await store.get("b") is None
        await store.put_schedule(daily)
        assert await store.schedules() == [replace(daily, next_at=20.0, fired=1, last="a")]
        assert await store.fire("s", 1, 25.0, None, 20.0)
        assert not await store.fire("s", 0, 30.0, None, 20.0)
        assert await store.schedules() == [replace(daily, next_at=25.0, fired=1, last="a")]
        other = replace(daily, handler="g", missed="skip", retries=Retries(), next_at=99.0)
        await store.put_schedule(other)
        assert await store.schedules() == [replace(other, next_at=25.0, fired=1, last="a")]
        await store.put_schedule(replace(daily, cron="1 0 * * *", next_at=30.0))
        assert await store.schedules() == [replace(daily, cron="1 0 * * *", next_at=30.0, fired=1, last="a")]
        await store.put_schedule(replace(daily, cron="1 0 * * *", timezone="UTC", next_at=float("inf")))
        (never,) = await store.schedules()
        assert (never.next_at, never.fired, never.last) == (float("inf"), 1, "a")
        assert await store.drop_schedule("s")
        assert not await store.drop_schedule("s")
        assert await store.schedules() == []

    async def test_of_many_who_fire_one_does(self, store: Store) -> None:
        await store.put_schedule(Schedule(name="s", handler="f", group="default", cron="* * * * *", next_at=1.0))
        for fired in range(5):
            rivals = [store.fire("s", fired, fired + 2.0, job(f"{fired}-{n}"), 2.0) for n in range(8)]
            assert sum(await asyncio.gather(*rivals)) == 1
        assert len(await store.find(Filter(limit=100))) == 5

    async def test_a_claim_of_one_job_takes_no_other(self, store: Store) -> None:
        for id in "abc":
            await store.add(job(id, labels={"gpu": "yes"} if id == "c" else {}), 2.0)
        assert await store.claim(claim(only="b"), 0.5) == []
        assert await store.claim(claim(only="b", handlers=frozenset({"g"})), 3.0) == []
        assert await store.claim(claim(only="b", group="other"), 3.0) == []
        assert await store.claim(claim(only="c"), 3.0) == []
        assert await store.claim(claim(only="none"), 3.0) == []
        (taken,) = await store.claim(claim(only="b"), 3.0)
        assert (taken.job.id, taken.state, taken.epoch, taken.worker) == ("b", State.ASSIGNED, 1, "w")
        assert await store.get("b") == taken
        assert await store.claim(claim(only="b"), 3.0) == []
        assert ids(await store.claim(claim(), 3.0)) == ["a"]

    async def test_of_many_claims_of_one_job_one_gets_it(self, store: Store) -> None:
        for number in range(20):
            await store.add(job(f"job-{number}"), 2.0)
        asked = [claim(only=f"job-{number}", worker=f"w{one}") for number in range(20) for one in range(8)]
        taken = [kept for found in await asyncio.gather(*[store.claim(one, 3.0) for one in asked]) for kept in found]
        assert sorted(ids(taken)) == sorted(f"job-{number}" for number in range(20))

    async def test_what_is_due_is_what_a_claim_takes(self, store: Store) -> None:
        wanted: dict[str, dict[str, Any]] = {
            "a": {},
            "b": {"priority": 1},
            "c": {"run_at": 9.0},
            "d": {"handler": "g"},
            "e": {"group": "other"},
            "f": {"run_at": 0.5},
        }
        for id, more in wanted.items():
            await store.add(job(id, **more), 2.0)
        found = await store.due(claim(), 3.0)
        assert ids(found) == ["b", "f", "a"]
        assert {kept.state for kept in found} == {State.QUEUED}
        assert ids(await store.due(claim(2), 3.0)) == ["b", "f"]
        assert ids(await store.due(claim(only="a"), 3.0)) == ["a"]
        assert ids(await store.due(claim(handlers=frozenset({"f", "g"})), 3.0)) == ["b", "f", "a", "d"]
        assert await store.due(claim(), 3.0) == found, "nothing was taken"
        assert ids(await store.claim(claim(), 3.0)) == ["b", "f", "a"]
        assert await store.due(claim(), 3.0) == []
        assert ids(await store.due(claim(), 9.0)) == ["c"]

    async def test_a_tally_counts_a_group_by_state(self, store: Store) -> None:
        assert await store.tally("default") == {}
        for state in (State.RUNNING, State.SUCCEEDED, State.FAILED):
            await bring(store, state, state)
        await bring(store, "more", State.FAILED)
        await bring(store, "queued", State.QUEUED)
        await store.add(job("elsewhere", group="other"), 2.0)
        assert await store.tally("default") == {
            State.QUEUED: 1,
            State.RUNNING: 1,
            State.SUCCEEDED: 1,
            State.FAILED: 2,
        }
        assert await store.tally("other") == {State.QUEUED: 1}

    async def test_a_cache_key_finds_the_job_that_stands_for_it(self, store: Store) -> None:
        await store.add(job("a", cache_key="k"), 2.0)
        await store.add(job("b", cache_key="l"), 2.0)
        assert ids(await store.find(Filter(cache_key="k"))) == ["a"]
        assert await store.find(Filter(cache_key="k", group="other")) == []
        assert await store.find(Filter(cache_key="m")) == []
        await store.claim(claim(only="a"), 3.0)
        assert await store.change(move("a", Move.SUCCEED, State.SUCCEEDED, DONE), 4.0) is not None
        assert ids(await store.find(Filter(cache_key="k"))) == ["a"]
        assert await store.uncache("f", "k") == 1
        assert await store.find(Filter(cache_key="k")) == []
        await store.claim(claim(only="b"), 3.0)
        assert await store.change(move("b", Move.FAIL, State.FAILED, FAILED), 4.0) is not None
        assert await store.find(Filter(cache_key="l")) == []

    async def test_records_are_kept_by_kind_and_key(self, store: Store) -> None:
        assert await store.record("k", "a") is None
        assert await store.records("k") == {}
        await store.put_record("k", "a", b"1")
        await store.put_record("k", "ä", b"\x00" * 1000)
        await store.put_record("l", "a", b"other")
        await store.put_record("k", "a", b"2")
        assert await store.record("k", "a") == b"2"
        assert await store.records("k") == {"a": b"2", "ä": b"\x00" * 1000}
        assert await store.drop_record("k", "a") is True
        assert await store.drop_record("k", "a") is False
        assert await store.records("k") == {"ä": b"\x00" * 1000}
        assert await store.record("l", "a") == b"other"
