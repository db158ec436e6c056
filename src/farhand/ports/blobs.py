"""Where large payloads are kept: whole blobs of bytes, each written once, read from any place, and deleted.

A blob is there whole or not at all: what is being written has no id yet, and gets it in one step, durable when `commit`
returns. It never changes after that. What an interrupted write leaves is removed when the store is opened next, or by
rules of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from types import TracebackType
from typing import Protocol

from farhand.model.blob import Blob, Usage

Buffer = bytes | bytearray | memoryview

LEAST_BUFFER = 256 * 1024
BUFFER = 512 * 1024
"""Bytes that a reader gives at once, the last time fewer. Writers should be given `LEAST_BUFFER` or more at once."""


class Writer(Protocol):
    """A blob that is being written, by one task. As an async context manager it aborts what was not committed."""

    async def write(self, buffer: Buffer) -> None:
        """Add bytes, which must stay as they are until this returns; it returns once there is room for more.

        Raises:
            OutOfSpace: there is no room; what was written is given back at once.
            Unavailable: the store can't be written, or is closed.
        """

    async def commit(self, size: int, checksum: str) -> Blob:
        """Let the blob be there, if what was written is what was meant: `size` bytes (-1: not known) with this
        `checksum` (empty: not known). Where the id is taken by the same bytes, nothing is done. If this is cancelled,
        it may have been done: ask `stat`.

        Raises:
            DataDamaged: it is something else.
            InvalidArguments: the id is taken by other bytes.
            OutOfSpace: there is no room.
            Unavailable: the store can't be written, or is closed.
        """

    async def abort(self) -> None:
        """Leave nothing. Nothing happens if it was committed, aborted or failed before."""

    async def __aenter__(self) -> Writer: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class Reader(Protocol):
    """A blob that is being read, by one task: an async iterator of its bytes, which are whole even if the blob is
    deleted meanwhile or fail clearly. As an async context manager it closes itself."""

    @property
    def blob(self) -> Blob:
        """What is read, with its checksum."""

    def __aiter__(self) -> Reader: ...

    async def __anext__(self) -> bytes:
        """The next bytes, `BUFFER` of them except at the end. Where all of a blob is read, its checksum is checked
        before the end is told.

        Raises:
            DataDamaged: the bytes are not those that were committed.
            RefNotFound: it was deleted meanwhile, and what is left can't be had.
            Unavailable: the store can't be read, or is closed.
        """

    async def close(self) -> None:
        """Let go of it. Nothing happens if that was done before."""

    async def __aenter__(self) -> Reader: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class Blobs(Protocol):
    """All of them. Ids are as `farhand.model.blob.check_id` says, and `InvalidArguments` is raised for others. Where
    the store can't be reached or is closed, `Unavailable` is raised."""

    async def begin(self, id: str) -> Writer:
        """Begin a blob that will have this id. Two may be begun with one id; the first that commits has it.

        Raises:
            OutOfSpace: there is no room for anything.
        """

    async def open(self, id: str, offset: int = 0, length: int | None = None) -> Reader:
        """Read `length` bytes from `offset` on; None: to the end, and never more than there are.

        Raises:
            DataDamaged: what is kept is not what was committed.
            InvalidArguments: the offset is behind the end, or one of them is negative.
            RefNotFound: there is none of this id.
        """

    async def stat(self, id: str) -> Blob | None:
        """The blob, with its checksum; None if there is none of this id.

        Raises:
            DataDamaged: what is kept is not what was committed.
        """

    async def delete(self, ids: Iterable[str]) -> int:
        """Delete those that are there, also damaged ones; how many that were. Their room is free once this returns and
        nobody reads them any more."""

    async def list(self, after: str = "", limit: int = 1000) -> Sequence[Blob]:
        """The blobs with ids after `after`, in the order of their ids, at most `limit`; without checksums."""

    async def usage(self) -> Usage:
        """How much is kept, and how much room is left."""

    async def close(self) -> None:
        """Abort what is being written, end what is read, and let go. A second close does nothing."""
