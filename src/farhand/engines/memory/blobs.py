"""Blobs in memory, up to a bound; forgotten with the process."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from heapq import nsmallest
from types import TracebackType

from xxhash import xxh3_128

from farhand.errors import OutOfSpace, RefNotFound, Unavailable
from farhand.model.blob import CHECKSUM, Blob, Usage, check_id, check_span, check_whole, taken
from farhand.ports.blobs import BUFFER, Buffer

LIMIT = 256 * 1024 * 1024
"""Bytes that are kept and being written together."""


class MemoryBlobs:
    """`ports.blobs.Blobs`. Bytes are copied in and out."""

    def __init__(self, limit: int = LIMIT, clock: Callable[[], float] = time.time) -> None:
        self.kept: dict[str, tuple[Blob, memoryview]] = {}
        self.used = 0
        self.limit = limit
        self.clock = clock
        self._closed = False

    async def begin(self, id: str) -> MemoryWriter:
        """As `Blobs.begin`."""
        self.check_open()
        return MemoryWriter(self, check_id(id))

    async def open(self, id: str, offset: int = 0, length: int | None = None) -> MemoryReader:
        """As `Blobs.open`."""
        self.check_open()
        found = self.kept.get(check_id(id))
        if found is None:
            raise RefNotFound(f"there is no blob {id}: it was deleted, or never kept")
        return MemoryReader(self, *found, check_span(found[0], offset, length))

    async def stat(self, id: str) -> Blob | None:
        """As `Blobs.stat`."""
        self.check_open()
        found = self.kept.get(check_id(id))
        return found and found[0]

    async def delete(self, ids: Iterable[str]) -> int:
        """As `Blobs.delete`."""
        self.check_open()
        gone = [self.kept.pop(id) for id in [check_id(id) for id in ids] if id in self.kept]
        self.used -= sum(blob.size for blob, _ in gone)
        return len(gone)

    async def list(self, after: str = "", limit: int = 1000) -> Sequence[Blob]:
        """As `Blobs.list`."""
        self.check_open()
        ids = nsmallest(limit, (id for id in self.kept if id > after))
        return [Blob(id, self.kept[id][0].size, "", self.kept[id][0].time) for id in ids]

    async def usage(self) -> Usage:
        """As `Blobs.usage`."""
        self.check_open()
        size = sum(blob.size for blob, _ in self.kept.values())
        return Usage(len(self.kept), size, self.limit - self.used)

    async def close(self) -> None:
        """As `Blobs.close`."""
        self._closed = True
        self.kept.clear()

    def check_open(self) -> None:
        """Whether it may still be used.

        Raises:
            Unavailable: it is closed.
        """
        if self._closed:
            raise Unavailable("the blob store is closed", retryable=False)


class MemoryWriter:
    """`ports.blobs.Writer`."""

    def __init__(self, blobs: MemoryBlobs, id: str) -> None:
        self._blobs = blobs
        self._id = id
        self._data: bytearray | None = bytearray()
        self._hash = xxh3_128()

    async def write(self, buffer: Buffer) -> None:
        """As `Writer.write`."""
        data, size = self._open(), memoryview(buffer).nbytes
        if self._blobs.used + size > self._blobs.limit:
            await self.abort()
            raise OutOfSpace(
                f"the blob store in memory is full ({self._blobs.limit:,} bytes): fetch or delete what it holds, or "
                "start the hub with a --store on the disk, then retry"
            )
        self._blobs.used += size
        data += buffer
        self._hash.update(buffer)

    async def commit(self, size: int, checksum: str) -> Blob:
        """As `Writer.commit`."""
        data = self._open()
        found = len(data), CHECKSUM + self._hash.hexdigest()
        before = self._blobs.kept.get(self._id)
        try:
            check_whole(self._id, (size, checksum), found)
            if before is not None and (before[0].size, before[0].checksum) != found:
                raise taken(self._id)
        except BaseException:
            await self.abort()
            raise
        if before is not None:
            await self.abort()
            return before[0]
        blob = Blob(self._id, *found, self._blobs.clock())
        self._blobs.kept[self._id] = blob, memoryview(data)
        self._data = None
        return blob

    async def abort(self) -> None:
        """As `Writer.abort`."""
        if self._data is not None:
            self._blobs.used -= len(self._data)
            self._data = None

    async def __aenter__(self) -> MemoryWriter:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.abort()

    def _open(self) -> bytearray:
        self._blobs.check_open()
        if self._data is None:
            raise Unavailable(f"blob {self._id} is closed", retryable=False)
        return self._data


class MemoryReader:
    """`ports.blobs.Reader`."""

    def __init__(self, blobs: MemoryBlobs, blob: Blob, data: memoryview, left: range) -> None:
        self._blobs = blobs
        self._blob = blob
        self._data: memoryview | None = data
        self._left = left

    @property
    def blob(self) -> Blob:
        """As `Reader.blob`."""
        return self._blob

    def __aiter__(self) -> MemoryReader:
        return self

    async def __anext__(self) -> bytes:
        self._blobs.check_open()
        if self._data is None:
            raise Unavailable(f"blob {self._blob.id} is closed", retryable=False)
        now, self._left = self._left[:BUFFER], self._left[BUFFER:]
        if not now:
            raise StopAsyncIteration
        return bytes(self._data[now.start : now.stop])

    async def close(self) -> None:
        """As `Reader.close`."""
        self._data = None

    async def __aenter__(self) -> MemoryReader:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()
