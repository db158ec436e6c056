"""Requests to one bucket, and what is said when it refuses.

Amazon's answers and those of the HTTP client name hosts, keys and key ids at length. Of them only the code is told.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, TypeVar, cast

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError, PreconditionError
from obstore.store import S3Store

from farhand.engines.s3.url import CREDENTIALS, Place
from farhand.errors import FarhandError, OutOfSpace, RefNotFound, Unavailable
from farhand.ports.blobs import Buffer

if TYPE_CHECKING:
    from obstore import ListStream, ObjectMeta
    from obstore.store import S3Config

T = TypeVar("T")
KEPT = "kept/"
PART = 8 * 1024 * 1024
"""Bytes of a part of an upload; what is smaller goes in one request."""
PARTS_LIMIT = 10_000
PARTS_AT_ONCE = 2
PAGE = 1000
CONNECT_TIMEOUT = 5
REQUEST_TIMEOUT = 60
"""Seconds for one request, which moves at most one part or one window."""
TRIES = 4

_CODE = re.compile(r"<Code>(\w{1,60})</Code>|\(code: (\w{1,60})\)")
_STATUS = re.compile(r"status code: (\d{3})")
_FULL = {"QuotaExceeded", "XMinioStorageFull", "InsufficientStorage", "507"}
_DENIED = {
    "AccessDenied",
    "AccountProblem",
    "ExpiredToken",
    "InvalidAccessKeyId",
    "InvalidToken",
    "SignatureDoesNotMatch",
    "401",
    "403",
}


class Bucket:
    """The keys below the prefix of a place."""

    def __init__(self, place: Place) -> None:
        self.shown = place.shown
        self._name = place.bucket
        given = {name: place.given[name] for name in ("region", *CREDENTIALS) if name in place.given}
        given |= {"endpoint": place.endpoint} if place.endpoint else {}
        hosted = place.given.get("virtual_hosted") == "on"
        self._store = S3Store(
            place.bucket,
            prefix=place.prefix or None,
            config=cast("S3Config", {**given, "virtual_hosted_style_request": hosted}),
            client_options={
                "allow_http": place.endpoint.startswith("http://"),
                "connect_timeout": f"{CONNECT_TIMEOUT}s",
                "timeout": f"{REQUEST_TIMEOUT}s",
            },
            retry_config={"max_retries": TRIES, "retry_timeout": timedelta(seconds=REQUEST_TIMEOUT)},
        )

    async def create(self, id: str, data: Buffer) -> bool:
        """Put all of it, unless there is something; whether there was nothing."""
        try:
            await obstore.put_async(self._store, KEPT + id, data, mode="create")
        except AlreadyExistsError:
            return False
        except (BaseError, OSError, ValueError) as error:
            raise self._failure(error, "") from None
        return True

    async def put(self, id: str, data: Buffer) -> None:
        """Put all of it in place of what may be there."""
        await self._told(obstore.put_async(self._store, KEPT + id, data, use_multipart=False))

    async def upload(self, id: str, parts: AsyncIterator[Buffer]) -> None:
        """Put it part by part; what the iterator raises passes through, and then nothing is left."""
        await self._told(
            obstore.put_async(
                self._store, KEPT + id, parts, use_multipart=True, chunk_size=PART, max_concurrency=PARTS_AT_ONCE
            )
        )

    async def end(self, id: str, size: int) -> tuple[bytes, ObjectMeta]:
        """The last `size` bytes, or all where there are fewer, and what is told of the whole.

        Raises:
            RefNotFound: there is none.
        """
        try:
            found = await obstore.get_async(self._store, KEPT + id, options={"range": {"suffix": size}})
            return bytes(await found.bytes_async()), found.meta
        except (BaseError, OSError, ValueError) as error:
            if "416" in _marks(error):  # nothing has no last bytes
                return b"", await self._told(obstore.head_async(self._store, KEPT + id), id)
            raise self._failure(error, id) from None

    async def window(self, id: str, span: range, tag: str | None) -> memoryview:
        """The bytes of these places, if it is still the one of this tag.

        Raises:
            RefNotFound: it isn't.
        """
        try:
            found = await obstore.get_async(
                self._store, KEPT + id, options={"range": (span.start, span.stop), "if_match": tag}
            )
            return memoryview(await found.bytes_async())
        except (BaseError, OSError, ValueError) as error:
            raise self._failure(error, id) from None

    async def delete(self, ids: Sequence[str]) -> None:
        """Delete them, there or not."""
        if ids:
            await self._told(obstore.delete_async(self._store, [KEPT + id for id in ids]))

    async def pages(self, after: str = "", size: int = PAGE) -> AsyncIterator[Sequence[ObjectMeta]]:
        """What there is behind `after`, in order, in pages of so many."""
        stream: ListStream[Sequence[ObjectMeta]] = obstore.list(
            self._store, KEPT, offset=KEPT + after, chunk_size=min(size, PAGE)
        )
        while True:
            try:
                page = await anext(stream)
            except StopAsyncIteration:
                return
            except (BaseError, OSError, ValueError) as error:
                raise self._failure(error, "") from None
            yield page

    async def _told(self, asked: Awaitable[T], id: str = "") -> T:
        try:
            return await asked
        except (BaseError, OSError, ValueError) as error:
            raise self._failure(error, id) from None

    def _failure(self, error: Exception, id: str) -> FarhandError:
        """Farhand's error for one of obstore's."""
        marks = _marks(error)
        if "NoSuchBucket" in marks:
            return Unavailable(
                f"there is no bucket {self._name!r} ({self.shown}): create it, or name another with --blobs",
                retryable=False,
            )
        if id and isinstance(error, FileNotFoundError | PreconditionError):
            return RefNotFound(f"there is no blob {id}: it was deleted, or never kept")
        why = ", ".join(marks) or "no answer"
        if _FULL.intersection(marks):
            return OutOfSpace(
                f"{self.shown} is full ({why}): delete what isn't needed there, raise its quota, or start the hub with "
                "--blobs on another store, then retry"
            )
        if _DENIED.intersection(marks):
            return Unavailable(
                f"{self.shown} lets us not in ({why}): look at AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, and that "
                "they may read, write, list and delete there",
                retryable=False,
            )
        return Unavailable(
            f"{self.shown} can't be reached ({why}): look whether it runs, and at endpoint= and region= in the URL of "
            "--blobs"
        )


def _marks(error: Exception) -> list[str]:
    """The status and the code that the server answered, as far as there are some."""
    text = str(error)
    found = [*_STATUS.findall(text)[:1], *(one or other for one, other in _CODE.findall(text)[:1])]
    return found or (["403"] if "privileges" in text[:80] else [])
