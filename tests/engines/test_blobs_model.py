"""Whatever is done in whatever order, blobs are as a dict would have them."""

from __future__ import annotations

import asyncio
import tempfile
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from farhand.engines.files.blobs import FilesBlobs
from farhand.engines.memory.blobs import MemoryBlobs
from farhand.engines.s3.blobs import S3Blobs
from farhand.errors import DataDamaged, FarhandError, InvalidArguments, OutOfSpace, Unavailable
from farhand.ports.blobs import Blobs
from farhand.testing.conformance.blobs import checksum, get, rest
from tests.engines.s3 import S3Server

IDS = some.sampled_from(["a", "b", "c-1", "0_x"])
DATA = some.binary(max_size=40)
STEPS = some.lists(
    some.one_of(
        some.tuples(some.just("begin"), IDS),
        some.tuples(some.just("write"), some.integers(0, 3), DATA),
        some.tuples(some.just("commit"), some.integers(0, 3), some.sampled_from(["right", "size", "sum", "unknown"])),
        some.tuples(some.just("abort"), some.integers(0, 3)),
        some.tuples(some.just("delete"), some.lists(IDS, max_size=3, unique=True)),
        some.tuples(some.just("read"), IDS, some.integers(0, 50), some.none() | some.integers(0, 50)),
        some.tuples(some.just("list"), IDS, some.integers(1, 3)),
    ),
    max_size=40,
)


class Model:
    """Does a step, and says what was to come of it."""

    def __init__(self, blobs: Blobs) -> None:
        self.blobs = blobs
        self.kept: dict[str, bytes] = {}
        self.writers: list[list[Any]] = []

    async def step(self, verb: str, *given: Any) -> None:
        """Do it."""
        await getattr(self, verb)(*given)

    async def begin(self, id: str) -> None:
        self.writers.append([await self.blobs.begin(id), id, b"", True])

    async def write(self, at: int, data: bytes) -> None:
        if at < len(self.writers):
            writer, _, _, alive = self.writers[at]
            assert await kind_of(writer.write(data)) is (None if alive else Unavailable)
            self.writers[at][2] += data

    async def commit(self, at: int, how: str) -> None:
        if at < len(self.writers):
            writer, id, data, alive = self.writers[at]
            size = {"right": len(data), "size": len(data) + 1}.get(how, -1)
            meant = {"right": checksum(data), "sum": checksum(data + b"x")}.get(how, "")
            wrong: type[FarhandError] | None
            wrong = Unavailable if not alive else DataDamaged if how in ("size", "sum") else None
            if wrong is None and self.kept.get(id, data) != data:
                wrong = InvalidArguments
            assert await kind_of(writer.commit(size, meant)) is wrong
            self.writers[at][3] = False
            if wrong is None:
                self.kept[id] = data

    async def abort(self, at: int) -> None:
        if at < len(self.writers):
            await self.writers[at][0].abort()
            self.writers[at][3] = False

    async def delete(self, ids: list[str]) -> None:
        assert await self.blobs.delete(ids) == len([self.kept.pop(id) for id in ids if id in self.kept])

    async def read(self, id: str, offset: int, length: int | None) -> None:
        data = self.kept.get(id)
        if data is not None and offset <= len(data):
            wanted = data[offset:] if length is None else data[offset : offset + length]
            assert await rest(await self.blobs.open(id, offset, length)) == wanted

    async def list(self, after: str, limit: int) -> None:
        wanted = [(id, len(self.kept[id])) for id in sorted(self.kept) if id > after][:limit]
        assert [(one.id, one.size) for one in await self.blobs.list(after, limit)] == wanted

    async def end(self) -> None:
        """Whether all is as it should be."""
        usage = await self.blobs.usage()
        assert (usage.blobs, usage.size) == (len(self.kept), sum(map(len, self.kept.values())))
        for id in ("a", "b", "c-1", "0_x"):
            assert await get(self.blobs, id) == self.kept.get(id)


async def kind_of(asked: Any) -> type[FarhandError] | None:
    """The error's type that is the answer; None: there was none."""
    try:
        await asked
    except FarhandError as error:
        return type(error)
    return None


async def play(blobs: Blobs, steps: list[tuple[Any, ...]]) -> None:
    """All steps, and the look at the end."""
    model = Model(blobs)
    for step in steps:
        await model.step(*step)
    await model.end()
    await blobs.close()


@given(STEPS)
def test_memory_is_as_a_dict(steps: list[tuple[Any, ...]]) -> None:
    asyncio.run(play(MemoryBlobs(), steps))


@given(STEPS)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_files_are_as_a_dict(steps: list[tuple[Any, ...]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(play(FilesBlobs(folder), steps))


def test_s3_is_as_a_dict(s3_server: S3Server) -> None:
    @given(STEPS)
    @settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    def played(steps: list[tuple[Any, ...]]) -> None:
        asyncio.run(play(S3Blobs(s3_server.place()), steps))

    played()


async def test_memory_has_a_bound() -> None:
    blobs = MemoryBlobs(limit=100)
    async with await blobs.begin("a") as writer:
        await writer.write(bytes(60))
        await writer.commit(60, "")
    other = await blobs.begin("b")
    await other.write(bytes(40))
    with pytest.raises(OutOfSpace, match=r"in memory is full \(100 bytes\): fetch or delete"):
        await other.write(b"x")
    assert (await blobs.usage()).free == 40
    await blobs.delete(["a"])
    assert (await blobs.usage()).free == 100
    async with await blobs.begin("b") as writer:
        await writer.write(bytes(100))
        await writer.commit(100, "")
    assert (await blobs.usage()).free == 0
