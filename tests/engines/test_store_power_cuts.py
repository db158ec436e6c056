"""Power cuts under SQLite: what was acknowledged is there, whatever of the unsynced writes reached the disk.

A file layer records each write and sync of a busy store. A cut is a place in that record: what was synced before it is
on the disk; of what was written since, any part is.
"""

from __future__ import annotations

import asyncio
import random
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import apsw

from farhand.engines.sqlite.store import SqliteStore
from farhand.model.state import State
from farhand.ports.store import Change
from farhand.testing.conformance.store import DONE, claim, job
from tests.sizes import reliability, size
from tests.tallies import Tally

SECTOR = 512
Step = tuple[str, str, int, bytes]
"""What happened: "write" or "truncate" (with where), "sync", or "ack" of a job in a state; and to which file."""


class Recorder(apsw.VFS):
    """The default file layer, with a record."""

    def __init__(self, name: str) -> None:
        self.steps: list[Step] = []
        super().__init__(name, "")

    def xOpen(self, name: Any, flags: list[int]) -> apsw.VFSFile:
        path = name.filename() if isinstance(name, apsw.URIFilename) else name
        return RecordedFile(self.steps, Path(path or "temporary").name, name, flags)


class RecordedFile(apsw.VFSFile):
    """A file whose writes and syncs are recorded."""

    def __init__(self, steps: list[Step], called: str, name: Any, flags: list[int]) -> None:
        self._steps = steps
        self._called = called
        super().__init__("", name, flags)

    def xWrite(self, data: bytes, offset: int) -> None:
        super().xWrite(data, offset)
        self._steps.append(("write", self._called, offset, bytes(data)))

    def xTruncate(self, size: int) -> None:
        super().xTruncate(size)
        self._steps.append(("truncate", self._called, size, b""))

    def xSync(self, flags: int) -> None:
        super().xSync(flags)
        self._steps.append(("sync", self._called, 0, b""))


@contextmanager
def recorder(name: str) -> Iterator[Recorder]:
    layer = Recorder(name)
    try:
        yield layer
    finally:
        layer.unregister()


async def record(folder: Path, layer: Recorder, name: str, *, full: bool, jobs: int) -> list[Step]:
    """What a store does while jobs are added, run and ended, several at once."""
    await asyncio.to_thread(folder.mkdir)
    store = SqliteStore(folder / "farhand.db", vfs=name)
    await store._writer.run(lambda db: db.pragma("wal_autocheckpoint", 40))
    if not full:
        await store._writer.run(lambda db: None)
        store._writer._connection.pragma("synchronous", "normal")

    async def one(id: str) -> None:
        await store.add(job(id), 2.0)
        layer.steps.append(("ack", id, 0, State.QUEUED.encode()))

    for first in range(0, jobs, 4):
        await asyncio.gather(*[one(f"{number:04d}") for number in range(first, first + 4)])
        for kept in await store.claim(claim(3), 3.0):
            ended = Change(id=kept.job.id, sources=frozenset({State.ASSIGNED}), to=State.SUCCEEDED, said=(DONE,))
            await store.change(ended, 4.0)
            layer.steps.append(("ack", kept.job.id, 0, State.SUCCEEDED.encode()))
    steps = list(layer.steps)
    await store.close()
    return steps


def after_cut(steps: list[Step], at: int, chance: random.Random) -> tuple[dict[str, bytearray], dict[str, State]]:
    """The files as a cut before step `at` leaves them, and what had been acknowledged."""
    synced = {name: place for place, (kind, name, _, _) in enumerate(steps[:at]) if kind == "sync"}
    files: dict[str, bytearray] = {}
    acknowledged: dict[str, State] = {}
    for place, (kind, name, offset, data) in enumerate(steps[:at]):
        if kind == "ack":
            acknowledged[name] = State(data.decode())
            continue
        file = files.setdefault(name, bytearray())
        safe = place < synced.get(name, -1)
        if kind == "truncate" and (safe or chance.random() < 0.5):
            del file[offset:]
        elif kind == "write":
            for begin in range(0, len(data), SECTOR):
                if safe or chance.random() < 0.5:
                    part = data[begin : begin + SECTOR]
                    where = offset + begin
                    file.extend(b"\0" * (where + len(part) - len(file)))
                    file[where : where + len(part)] = part
    return files, acknowledged


def lay_down(files: dict[str, bytearray], folder: Path) -> None:
    """Put the store's files back as the cut left them."""
    folder.mkdir()
    for name in ("farhand.db", "farhand.db-wal"):
        if name in files:
            (folder / name).write_bytes(files[name])


async def missing(files: dict[str, bytearray], acknowledged: dict[str, State], folder: Path) -> int:
    """How many acknowledged states are not there when the power is back."""
    lay_down(files, folder)
    store = SqliteStore(folder / "farhand.db")
    gone = 0
    for id, state in acknowledged.items():
        kept = await store.get(id)
        gone += kept is None or (state is State.SUCCEEDED and kept.state is not State.SUCCEEDED)
    await store.close()
    shutil.rmtree(folder)
    return gone


async def _cut(tmp_path: Path, *, full: bool, cuts: int) -> tuple[int, int]:
    """Acknowledged states looked for, and those that were missing. Each thousand cuts has a longer record."""
    looked = gone = begin = 0
    steps: list[Step] = []
    for number in range(cuts):
        if number % 1_000 == 0:
            name, jobs = f"recorder-{tmp_path.name}-{number}", 60 + number // 1_000
            with recorder(name) as layer:
                steps = await record(tmp_path / "live", layer, name, full=full, jobs=jobs)
            shutil.rmtree(tmp_path / "live")
            begin = next(place for place, step in enumerate(steps) if step[0] == "ack")
        chance = random.Random(number)
        files, acknowledged = after_cut(steps, chance.randrange(begin, len(steps)), chance)
        gone += await missing(files, acknowledged, tmp_path / "cut")
        looked += len(acknowledged)
    return looked, gone


@reliability("R4", 120)
async def test_no_cut_loses_what_was_acknowledged(tmp_path: Path, tally: Tally) -> None:
    """The mutant that it finds is the test below."""
    looked, gone = await _cut(tmp_path, full=True, cuts=size("R4"))
    tally.count(gone, looked, f"acknowledged states missing after {size('R4'):,} power cuts")
    assert looked > 10 * size("R4")
    assert gone == 0


@reliability("R4_NORMAL", 60)
async def test_without_a_sync_a_commit_the_same_cuts_lose_some(tmp_path: Path, tally: Tally) -> None:
    looked, gone = await _cut(tmp_path, full=False, cuts=size("R4_NORMAL"))
    tally.count(gone, looked, "states missing with synchronous=NORMAL, where some must be")
    assert gone > 0, f"none of {looked:,} were missing, so the test above could not fail"
