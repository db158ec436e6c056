"""A blob on its way into a bucket: held here while it is small, then uploaded in parts."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from types import TracebackType

from xxhash import xxh3_128

from farhand.engines.s3.bucket import PART, PARTS_LIMIT, Bucket
from farhand.engines.s3.shared import Shared
from farhand.errors import DataDamaged, OutOfSpace, RefNotFound, Unavailable
from farhand.model.blob import CHECKSUM, SEAL_SIZE, Blob, check_whole, damaged, seal, taken, unsealed
from farhand.ports.blobs import Buffer

LARGEST = PART * PARTS_LIMIT - SEAL_SIZE
CREATE_TRIES = 5
"""How often a small blob is put where what stood in its way was gone at the second look."""


class _Given(Exception):
    """The upload isn't wanted any more."""


class Upload:
    """An upload that is fed, and that ends or leaves nothing."""

    def __init__(self, bucket: Bucket, id: str) -> None:
        self._pieces: asyncio.Queue[Buffer | None] = asyncio.Queue(1)
        self._given_up = False
        self._task = asyncio.ensure_future(bucket.upload(id, self._feed()))

    async def put(self, piece: Buffer) -> None:
        """Add bytes, once there is room. What went wrong is raised here."""
        await self._enqueue(piece)

    async def finish(self) -> None:
        """Let it be there."""
        await self._enqueue(None)
        await self._task

    async def give_up(self) -> None:
        """Leave nothing."""
        self._given_up = True
        while not self._pieces.empty():
            self._pieces.get_nowait()
        self._pieces.put_nowait(None)
        await asyncio.wait({self._task})
        if not self._task.cancelled():
            self._task.exception()

    async def _enqueue(self, piece: Buffer | None) -> None:
        putting = asyncio.ensure_future(self._pieces.put(piece))
        try:
            await asyncio.wait({putting, self._task}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            putting.cancel()
        if self._task.done() and piece is not None:
            await self._task
            raise Unavailable("the upload ended before it was whole")

    async def _feed(self) -> AsyncIterator[Buffer]:
        while (piece := await self._pieces.get()) is not None:
            if self._given_up:
                break
            yield piece
        if self._given_up:
            raise _Given


class S3Writer:
    """`ports.blobs.Writer`."""

    def __init__(self, shared: Shared, id: str) -> None:
        self._shared = shared
        self._bucket = shared.bucket
        self._id = id
        self._held = bytearray()
        self._size = 0
        self._hash = xxh3_128()
        self._upload: Upload | None = None
        self._committing: asyncio.Task[Blob] | None = None
        self._open = True
        shared.held.add(self)

    async def write(self, buffer: Buffer) -> None:
        """As `Writer.write`."""
        self._check()
        view = memoryview(buffer).cast("B") if len(buffer) else memoryview(b"")
        self._hash.update(view)
        self._size += len(view)
        try:
            if self._size > LARGEST:
                raise OutOfSpace(f"{self._bucket.shown} takes no blob of more than {LARGEST:,} bytes: make it smaller")
            while view:
                room = PART - len(self._held)
                self._held += view[:room]
                view = view[room:]
                if len(self._held) == PART:
                    piece, self._held = self._held, bytearray()
                    self._upload = self._upload or Upload(self._bucket, self._id)
                    await self._upload.put(piece)
        except BaseException:
            await self.abort()
            raise
        self._check()

    async def commit(self, size: int, checksum: str) -> Blob:
        """As `Writer.commit`."""
        self._check()
        self._open = False
        self._committing = asyncio.ensure_future(self._commit(size, checksum))
        return await asyncio.shield(self._committing)

    async def abort(self) -> None:
        """As `Writer.abort`."""
        self._open = False
        if self._committing is not None:
            await asyncio.wait({self._committing})
            if not self._committing.cancelled():
                self._committing.exception()
        else:
            await self._let_go()

    async def let_go(self) -> None:
        """Abort it, since the store closes."""
        await self.abort()

    async def __aenter__(self) -> S3Writer:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.abort()

    def _check(self) -> None:
        self._shared.check_open()
        if not self._open:
            raise Unavailable(f"blob {self._id} is closed", retryable=False)

    async def _let_go(self) -> None:
        upload, self._upload, self._held = self._upload, None, bytearray()
        self._shared.held.discard(self)
        if upload is not None:
            await asyncio.shield(asyncio.ensure_future(upload.give_up()))

    async def _commit(self, size: int, checksum: str) -> Blob:
        try:
            found = self._size, CHECKSUM + self._hash.hexdigest()
            check_whole(self._id, (size, checksum), found)
            self._held += seal(*found)
            before = await (self._create(found) if self._upload is None else self._finish(self._upload, found))
            return before or Blob(self._id, *found, time.time())
        finally:
            await self._let_go()

    async def _create(self, found: tuple[int, str]) -> Blob | None:
        """Put a small blob; the one that was there, if it is the same."""
        for _ in range(CREATE_TRIES):
            if await self._bucket.create(self._id, self._held):
                return None
            with contextlib.suppress(RefNotFound):
                try:
                    return self._same(await look(self._bucket, self._id), found)
                except DataDamaged:
                    await self._bucket.put(self._id, self._held)
                    return None
        raise Unavailable(f"blob {self._id} is written and deleted by others all the time: retry")

    async def _finish(self, upload: Upload, found: tuple[int, str]) -> Blob | None:
        """End an upload, unless the same blob is there, which is returned."""
        async with self._shared.naming(self._id):
            with contextlib.suppress(RefNotFound, DataDamaged):
                return self._same(await look(self._bucket, self._id), found)
            await upload.put(self._held)
            await upload.finish()
            self._upload = None
            return None

    def _same(self, before: Blob, found: tuple[int, str]) -> Blob:
        if (before.size, before.checksum) != found:
            raise taken(self._id)
        return before


async def look(bucket: Bucket, id: str) -> Blob:
    """The blob that is there.

    Raises:
        DataDamaged: it isn't whole.
        RefNotFound: there is none.
    """
    return (await look_at(bucket, id))[0]


async def look_at(bucket: Bucket, id: str) -> tuple[Blob, str | None]:
    """As `look`, and its tag, which another one under its id would not have."""
    end, about = await bucket.end(id, SEAL_SIZE)
    if len(end) > SEAL_SIZE:
        raise damaged(id, "the store gives other bytes than it was asked for")
    return Blob(id, *unsealed(id, about["size"], end), about["last_modified"].timestamp()), about["e_tag"]
