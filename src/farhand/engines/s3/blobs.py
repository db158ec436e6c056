"""Blobs in a bucket: the key of each is its id, behind its bytes stands its seal, and so it appears whole or not.

Small blobs are put only where there is nothing, in one request, so hubs that share a bucket agree on what an id is.
Larger ones are uploaded in parts. What a killed hub had not ended of these the bucket's own rule for incomplete uploads
must remove: nothing else sees them.
"""

from __future__ import annotations

import asyncio
import re
from collections import deque
from collections.abc import Iterable, Sequence
from types import TracebackType

from xxhash import xxh3_128

from farhand.engines.s3.bucket import KEPT, Bucket
from farhand.engines.s3.shared import Shared
from farhand.engines.s3.url import place_of
from farhand.engines.s3.writing import S3Writer, look, look_at
from farhand.errors import DataDamaged, RefNotFound, Unavailable
from farhand.model.blob import CHECKSUM, SEAL_SIZE, Blob, Usage, check_id, check_span, damaged
from farhand.ports.blobs import BUFFER

WINDOW = 8 * BUFFER
"""Bytes that are asked for at once. While one window is read the next is fetched."""
AT_ONCE = 16
"""Requests of one `delete` at once."""

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,127}")


class S3Reader:
    """`ports.blobs.Reader`."""

    def __init__(self, shared: Shared, blob: Blob, tag: str | None, left: range) -> None:
        self._shared = shared
        self._blob = blob
        self._tag = tag
        self._left = left
        self._asked = left
        self._coming: deque[asyncio.Task[memoryview]] = deque()
        self._window = memoryview(b"")
        self._hash = xxh3_128() if len(left) == blob.size else None
        self._open = True
        shared.held.add(self)

    @property
    def blob(self) -> Blob:
        """As `Reader.blob`."""
        return self._blob

    def __aiter__(self) -> S3Reader:
        return self

    async def __anext__(self) -> bytes:
        self._check()
        if not self._left:
            if self._hash is not None and CHECKSUM + self._hash.hexdigest() != self._blob.checksum:
                raise damaged(self._blob.id, "its checksum is another one")
            raise StopAsyncIteration
        if not self._window:
            self._window = await self._next_window()
            self._check()
        data = bytes(self._window[:BUFFER])
        self._window = self._window[len(data) :]
        self._left = self._left[len(data) :]
        if self._hash is not None:
            self._hash.update(data)
        return data

    async def close(self) -> None:
        """As `Reader.close`."""
        self._open = False
        self._shared.held.discard(self)
        coming, self._window = list(self._coming), memoryview(b"")
        self._coming.clear()
        for task in coming:
            task.cancel()
        await asyncio.gather(*coming, return_exceptions=True)

    async def let_go(self) -> None:
        """Close it, since the store closes."""
        await self.close()

    async def __aenter__(self) -> S3Reader:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def _check(self) -> None:
        self._shared.check_open()
        if not self._open:
            raise Unavailable(f"blob {self._blob.id} is closed", retryable=False)

    async def _next_window(self) -> memoryview:
        while self._asked and len(self._coming) < 2:
            span, self._asked = self._asked[:WINDOW], self._asked[WINDOW:]
            self._coming.append(asyncio.ensure_future(self._fetch(span)))
        waiting = self._coming[0]
        await asyncio.wait({waiting})
        self._check()
        window = waiting.result()  # one that failed stays, and fails each further read
        self._coming.popleft()
        return window

    async def _fetch(self, span: range) -> memoryview:
        window = await self._shared.bucket.window(self._blob.id, span, self._tag)
        if len(window) != len(span):
            raise damaged(self._blob.id, "it was cut")
        return window


class S3Blobs:
    """`ports.blobs.Blobs`. Several hubs may use one bucket and prefix."""

    def __init__(self, url: str) -> None:
        """What the URL names, as `url.place_of` reads it; nothing is asked yet.

        Raises:
            InvalidArguments: it names no place.
        """
        self._bucket = Bucket(place_of(url))
        self._shared = Shared(self._bucket)

    async def begin(self, id: str) -> S3Writer:
        """As `Blobs.begin`."""
        self._shared.check_open()
        return S3Writer(self._shared, check_id(id))

    async def open(self, id: str, offset: int = 0, length: int | None = None) -> S3Reader:
        """As `Blobs.open`."""
        self._shared.check_open()
        blob, tag = await look_at(self._bucket, check_id(id))
        self._shared.check_open()
        return S3Reader(self._shared, blob, tag, check_span(blob, offset, length))

    async def stat(self, id: str) -> Blob | None:
        """As `Blobs.stat`."""
        self._shared.check_open()
        try:
            return await look(self._bucket, check_id(id))
        except RefNotFound:
            return None

    async def delete(self, ids: Iterable[str]) -> int:
        """As `Blobs.delete`."""
        self._shared.check_open()
        wanted = list(dict.fromkeys(check_id(id) for id in ids))
        count = 0
        for at in range(0, len(wanted), AT_ONCE):
            some = wanted[at : at + AT_ONCE]
            there = await asyncio.gather(*map(self._is_there, some))
            found = [id for id, is_there in zip(some, there, strict=True) if is_there]
            await self._bucket.delete(found)
            count += len(found)
        return count

    async def list(self, after: str = "", limit: int = 1000) -> Sequence[Blob]:
        """As `Blobs.list`."""
        self._shared.check_open()
        found: list[Blob] = []
        async for page in self._bucket.pages(after, limit):
            for one in page:
                id = one["path"].removeprefix(KEPT)
                if _NAME.fullmatch(id) and len(found) < limit:
                    found.append(Blob(id, max(0, one["size"] - SEAL_SIZE), "", one["last_modified"].timestamp()))
            if len(found) >= limit:
                break
        return found

    async def usage(self) -> Usage:
        """As `Blobs.usage`."""
        self._shared.check_open()
        count, size = 0, 0
        async for page in self._bucket.pages():
            for one in page:
                if _NAME.fullmatch(one["path"].removeprefix(KEPT)):
                    count += 1
                    size += max(0, one["size"] - SEAL_SIZE)
        return Usage(count, size)

    async def close(self) -> None:
        """As `Blobs.close`."""
        await self._shared.close()

    async def _is_there(self, id: str) -> bool:
        try:
            await look(self._bucket, id)
        except RefNotFound:
            return False
        except DataDamaged:
            return True
        return True
