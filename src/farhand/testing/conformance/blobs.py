"""What every store of blobs must do, verb by verb of `ports.blobs`."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Awaitable
from typing import Any

from xxhash import xxh3_128

from farhand.errors import DataDamaged, FarhandError, InvalidArguments, RefNotFound, Unavailable
from farhand.model.blob import CHECKSUM, Blob
from farhand.ports.blobs import BUFFER, Blobs, Reader

SIZES = (0, 1, 31, 32, BUFFER - 1, BUFFER, BUFFER + 1, 3 * BUFFER + 7)
BAD_IDS = ("", "..", "../a", "a/b", "/a", "a\\b", "A", "a.b", "a b", "a\x00", "-a", "ä", "a" * 129, "a\n", "~", "%2e")


def some_bytes(size: int, seed: int = 0) -> bytes:
    """Bytes by chance, the same for the same seed."""
    return random.Random(seed).randbytes(size)


def checksum(data: bytes) -> str:
    """The checksum of all of it."""
    return CHECKSUM + xxh3_128(data).hexdigest()


async def put(blobs: Blobs, id: str, data: bytes, step: int = BUFFER) -> Blob:
    """Keep a blob, as all who write do."""
    async with await blobs.begin(id) as writer:
        for at in range(0, len(data), step):
            await writer.write(data[at : at + step])
        return await writer.commit(len(data), checksum(data))


async def rest(reader: Reader) -> bytes:
    """All that a reader gives."""
    async with reader:
        return b"".join([buffer async for buffer in reader])


async def get(blobs: Blobs, id: str) -> bytes | None:
    """A blob's bytes; None if there is none of this id."""
    try:
        return await rest(await blobs.open(id))
    except RefNotFound:
        return None


async def refused(kind: type[FarhandError], asked: Awaitable[Any], text: str = "") -> FarhandError:
    """The error of this kind, with this text in it, that is the answer."""
    try:
        answer = await asked
    except kind as error:
        found = error
    else:
        raise AssertionError(f"{kind.__name__} was to be raised, and the answer is {answer!r}")
    assert text in found.message, found.message
    return found


class BlobsConformance:
    """Give it a fixture `blobs`, an empty store."""

    async def test_what_was_committed_is_read_again(self, blobs: Blobs) -> None:
        for size in SIZES:
            data, id = some_bytes(size), f"a{size}"
            kept = await put(blobs, id, data, 100_000)
            assert (kept.id, kept.size, kept.checksum) == (id, size, checksum(data))
            assert kept.time > 1.7e9
            found = await blobs.stat(id)
            assert found is not None
            assert (found.id, found.size, found.checksum) == (id, size, checksum(data))
            assert abs(found.time - kept.time) < 60
            async with await blobs.open(id) as reader:
                assert reader.blob == found
                buffers = [buffer async for buffer in reader]
            assert b"".join(buffers) == data
            assert all(len(buffer) == BUFFER for buffer in buffers[:-1])

    async def test_any_buffer_may_be_written(self, blobs: Blobs) -> None:
        async with await blobs.begin("a") as writer:
            for buffer in (b"ab", bytearray(b"cd"), memoryview(b"xefx")[1:3], b"", memoryview(b"")):
                await writer.write(buffer)
            await writer.commit(-1, "")
        assert await get(blobs, "a") == b"abcdef"

    async def test_any_part_is_read(self, blobs: Blobs) -> None:
        data = some_bytes(2 * BUFFER + 9)
        await put(blobs, "a", data)
        for offset in (0, 1, BUFFER, len(data) - 1, len(data)):
            for length in (0, 1, BUFFER + 1, len(data), 10 * len(data), None):
                wanted = data[offset:] if length is None else data[offset : offset + length]
                assert await rest(await blobs.open("a", offset, length)) == wanted, (offset, length)
        for offset, length in ((len(data) + 1, None), (-1, None), (0, -1)):
            await refused(InvalidArguments, blobs.open("a", offset, length), "can't be read from")

    async def test_what_is_not_committed_is_not_there(self, blobs: Blobs) -> None:
        writer = await blobs.begin("a")
        await writer.write(some_bytes(3 * BUFFER))
        assert await blobs.stat("a") is None
        assert (await blobs.usage()).blobs == 0
        await writer.abort()
        await writer.abort()
        await refused(Unavailable, writer.write(b"x"))
        await refused(Unavailable, writer.commit(-1, ""))
        with contextlib.suppress(ZeroDivisionError):
            async with await blobs.begin("b") as other:
                await other.write(b"x")
                raise ZeroDivisionError
        assert list(await blobs.list()) == []

    async def test_what_is_not_what_was_meant_is_not_kept(self, blobs: Blobs) -> None:
        data = some_bytes(100)
        for size, meant in ((99, ""), (101, checksum(data)), (100, checksum(b"")), (-1, checksum(b"")), (0, "")):
            writer = await blobs.begin("a")
            await writer.write(data)
            await refused(DataDamaged, writer.commit(size, meant), "blob a is damaged")
            await refused(Unavailable, writer.commit(100, ""))
        assert await blobs.stat("a") is None
        assert (await blobs.usage()).blobs == 0

    async def test_an_id_keeps_its_bytes(self, blobs: Blobs) -> None:
        first, again, other = [await blobs.begin("a") for _ in range(3)]
        await first.write(b"one")
        await again.write(b"one")
        await other.write(b"two")
        kept = await first.commit(3, "")
        assert (await again.commit(3, "")).checksum == kept.checksum
        await refused(InvalidArguments, other.commit(3, ""), "is there already, with other bytes")
        assert await get(blobs, "a") == b"one"
        assert (await blobs.usage()).blobs == 1
        await first.abort()
        assert await get(blobs, "a") == b"one"

    async def test_nothing_is_found_where_nothing_is(self, blobs: Blobs) -> None:
        assert await blobs.stat("a") is None
        await refused(RefNotFound, blobs.open("a"), "no blob a")
        assert await blobs.delete(["a", "b"]) == 0
        assert await blobs.delete([]) == 0
        assert list(await blobs.list()) == []
        assert ((await blobs.usage()).blobs, (await blobs.usage()).size) == (0, 0)

    async def test_what_is_deleted_is_gone(self, blobs: Blobs) -> None:
        for id in "abc":
            await put(blobs, id, id.encode() * 10)
        assert await blobs.delete(["a", "c", "x"]) == 2
        assert [await get(blobs, id) for id in "abc"] == [None, b"b" * 10, None]
        assert ((await blobs.usage()).blobs, (await blobs.usage()).size) == (1, 10)
        await put(blobs, "a", b"anew")
        assert await get(blobs, "a") == b"anew"

    async def test_a_reader_of_a_deleted_blob_gets_all_of_it_or_an_error(self, blobs: Blobs) -> None:
        data = some_bytes(6 * BUFFER)
        await put(blobs, "a", data)
        async with await blobs.open("a") as reader:
            got = await anext(reader)
            await blobs.delete(["a"])
            try:
                async for buffer in reader:
                    got += buffer
            except RefNotFound:
                return
        assert got == data

    async def test_they_are_listed_page_by_page(self, blobs: Blobs) -> None:
        ids = sorted({f"{random.Random(n).randrange(10**6):06d}-{n}" for n in range(40)})
        for n, id in enumerate(ids):
            await put(blobs, id, b"x" * n)
        found: list[Blob] = []
        while page := await blobs.list(found[-1].id if found else "", 7):
            assert len(page) <= 7
            found += page
        assert [(one.id, one.size, one.checksum) for one in found] == [(id, n, "") for n, id in enumerate(ids)]
        assert all(one.time > 1.7e9 for one in found)
        usage = await blobs.usage()
        assert (usage.blobs, usage.size) == (40, sum(range(40)))
        assert usage.free is None or usage.free > 0

    async def test_no_id_leads_elsewhere(self, blobs: Blobs) -> None:
        for id in BAD_IDS:
            for verb in (blobs.begin, blobs.open, blobs.stat):
                await refused(InvalidArguments, verb(id), "can't name a blob")
            await refused(InvalidArguments, blobs.delete(["a", id]), "can't name a blob")

    async def test_many_write_and_read_at_once(self, blobs: Blobs) -> None:
        async def one(n: int) -> None:
            data = some_bytes(50_000 * (n % 5), n)
            await put(blobs, f"b{n}", data, 9_000)
            assert await get(blobs, f"b{n}") == data

        await asyncio.gather(*(one(n) for n in range(40)))
        assert (await blobs.usage()).blobs == 40

    async def test_a_write_that_is_cancelled_anywhere_leaves_nothing_or_all(self, blobs: Blobs) -> None:
        data = some_bytes(4 * BUFFER)
        for steps in range(24):
            task = asyncio.ensure_future(put(blobs, f"c{steps}", data))
            for _ in range(steps):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait({task})
            kept = await get(blobs, f"c{steps}")
            assert kept in (None, data)
            assert task.cancelled() or kept == data

    async def test_after_the_end_nothing_goes_on(self, blobs: Blobs) -> None:
        await put(blobs, "a", some_bytes(3 * BUFFER))
        writer, reader = await blobs.begin("b"), await blobs.open("a")
        await writer.write(b"x")
        await anext(reader)
        await blobs.close()
        await blobs.close()
        for late in (
            writer.write(b"x"),
            writer.commit(-1, ""),
            anext(reader),
            blobs.begin("c"),
            blobs.open("a"),
            blobs.stat("a"),
            blobs.delete(["a"]),
            blobs.list(),
            blobs.usage(),
        ):
            caught = await refused(Unavailable, late, "closed")
            assert not caught.retryable
        await writer.abort()
        await reader.close()

    async def test_what_goes_wrong_is_told_as_one_of_ours(self, blobs: Blobs) -> None:
        async with await blobs.begin("a") as writer:
            await refused(FarhandError, writer.commit(-1, "md5:0"))
