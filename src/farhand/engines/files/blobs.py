"""Blobs as files. All that touches the disk runs in threads, so that a slow disk holds up only who waits for it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from heapq import nsmallest
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

from xxhash import xxh3_128

from farhand.engines.files.layout import Layout, open_sealed, sync_folder
from farhand.errors import DataDamaged, Unavailable
from farhand.model.blob import (
    CHECKSUM,
    SEAL_SIZE,
    Blob,
    Usage,
    check_id,
    check_span,
    check_whole,
    damaged,
    seal,
    taken,
)
from farhand.ports.blobs import BUFFER, Buffer

T = TypeVar("T")
H = TypeVar("H", bound="Held")
THREADS = 8


class Disk:
    """A folder, and the threads that work in it. `held` are the open files, which `close` closes."""

    def __init__(self, root: Path) -> None:
        self.layout = Layout(root)
        self.held: set[Held] = set()
        self.naming = threading.Lock()
        """Held from the look whether an id is taken until it is."""
        self.closed = False
        self._pool = ThreadPoolExecutor(THREADS, "farhand-blobs")

    async def run(self, work: Callable[[], T], id: str = "") -> T:
        """Do it in a thread; what was begun is finished even if its caller is cancelled."""
        return await asyncio.shield(self._begin(work, id))

    async def hold(self, make: Callable[[], H], id: str = "") -> H:
        """The file that is opened in a thread; it is closed if its caller is cancelled meanwhile."""
        future = self._begin(make, id)
        try:
            return await asyncio.shield(future)
        except asyncio.CancelledError:
            future.add_done_callback(self._unwanted)
            raise

    async def let_go(self, held: Held) -> None:
        """Close an open file, also while the store closes."""
        if held in self.held:
            await (asyncio.to_thread(held.let_go) if self.closed else self.run(held.let_go))

    async def close(self) -> None:
        """Wait for what was begun, and close the open files."""
        if not self.closed:
            self.closed = True
            await asyncio.shield(asyncio.to_thread(self._close))

    def _begin(self, work: Callable[[], T], id: str) -> asyncio.Future[T]:
        def told() -> T:
            with self.layout.told(id):
                return work()

        if self.closed:
            raise closed()
        return asyncio.get_running_loop().run_in_executor(self._pool, told)

    def _unwanted(self, future: asyncio.Future[Any]) -> None:
        if not self.closed and future.exception() is None:
            self._pool.submit(future.result().let_go)

    def _close(self) -> None:
        self._pool.shutdown()
        for held in tuple(self.held):
            held.let_go()


class Held:
    """An open file of one blob. Its verbs run in threads, one at a time."""

    def __init__(self, disk: Disk, id: str, fd: int) -> None:
        self._disk = disk
        self._id = id
        self._fd = fd
        self._turn = threading.Lock()
        disk.held.add(self)

    def let_go(self) -> None:
        """Close it, once the verb that runs is done; nothing happens if it is closed."""
        with self._turn:
            self._close()

    def _close(self) -> None:
        if self._fd >= 0:
            fd, self._fd = self._fd, -1
            self._disk.held.discard(self)
            os.close(fd)

    def _check(self) -> None:
        if self._fd < 0:
            raise closed() if self._disk.closed else Unavailable(f"blob {self._id} is closed", retryable=False)


class FilesWriter(Held):
    """`ports.blobs.Writer`."""

    def __init__(self, disk: Disk, id: str) -> None:
        """Made in a thread."""
        fd, self._path = disk.layout.new_file(id)
        super().__init__(disk, id, fd)
        self._size = 0
        self._hash = xxh3_128()

    async def write(self, buffer: Buffer) -> None:
        """As `Writer.write`."""
        await self._disk.run(lambda: self._write(buffer))

    async def commit(self, size: int, checksum: str) -> Blob:
        """As `Writer.commit`."""
        return await self._disk.run(lambda: self._commit(size, checksum))

    async def abort(self) -> None:
        """As `Writer.abort`."""
        await self._disk.let_go(self)

    async def __aenter__(self) -> FilesWriter:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.abort()

    def _write(self, buffer: Buffer) -> None:
        with self._turn, self._or_nothing():
            view = memoryview(buffer).cast("B") if len(buffer) else memoryview(b"")
            self._put(view)
            self._hash.update(view)
            self._size += len(view)

    def _commit(self, size: int, checksum: str) -> Blob:
        with self._turn, self._or_nothing():
            found = self._size, CHECKSUM + self._hash.hexdigest()
            check_whole(self._id, (size, checksum), found)
            self._put(memoryview(seal(*found)))
            os.fsync(self._fd)
            blob = Blob(self._id, *found, os.fstat(self._fd).st_mtime)
            path = self._disk.layout.path(self._id)
            self._disk.layout.make_folders(path)
            with self._disk.naming:
                before = _look(path, self._id)
                if before is not None and (before.size, before.checksum) != found:
                    raise taken(self._id)
                if before is None:
                    os.rename(self._path, path)
            sync_folder(path.parent)
            self._close()
            return before or blob

    def _put(self, view: memoryview) -> None:
        while view:
            view = view[os.write(self._fd, view) :]

    @contextlib.contextmanager
    def _or_nothing(self) -> Iterator[None]:
        self._check()
        try:
            yield
        except BaseException:
            self._close()
            raise

    def _close(self) -> None:
        if self._fd >= 0:
            with contextlib.suppress(OSError):  # it can't be removed now: the next start does
                self._path.unlink(missing_ok=True)
        super()._close()


class FilesReader(Held):
    """`ports.blobs.Reader`."""

    def __init__(self, disk: Disk, id: str, offset: int, length: int | None) -> None:
        """Made in a thread."""
        fd, self._blob = open_sealed(disk.layout.path(id), id)
        try:
            self._left = check_span(self._blob, offset, length)
        except BaseException:
            os.close(fd)
            raise
        super().__init__(disk, id, fd)
        self._hash = xxh3_128() if len(self._left) == self._blob.size else None

    @property
    def blob(self) -> Blob:
        """As `Reader.blob`."""
        return self._blob

    def __aiter__(self) -> FilesReader:
        return self

    async def __anext__(self) -> bytes:
        data = await self._disk.run(self._read, self._id)
        if not data:
            raise StopAsyncIteration
        return data

    async def close(self) -> None:
        """As `Reader.close`."""
        await self._disk.let_go(self)

    async def __aenter__(self) -> FilesReader:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def _read(self) -> bytes:
        with self._turn:
            self._check()
            if not self._left:
                if self._hash is not None and CHECKSUM + self._hash.hexdigest() != self._blob.checksum:
                    raise damaged(self._id, "its checksum is another one")
                return b""
            wanted = self._left[:BUFFER]
            data = os.pread(self._fd, len(wanted), wanted.start)
            if not data:
                raise damaged(self._id, "it was cut")
            data = data[: self._blob.size - wanted.start]
            self._left = self._left[len(data) :]
            if self._hash is not None:
                self._hash.update(data)
            return data


class FilesBlobs:
    """`ports.blobs.Blobs`. Several hubs may use one folder."""

    def __init__(self, folder: Path | str) -> None:
        """Open the folder, or make it; this touches the disk.

        Raises:
            OutOfSpace: there is no room even for a folder.
            Unavailable: it can't be written.
        """
        self._disk = Disk(Path(folder))
        self._disk.layout.prepare()

    async def begin(self, id: str) -> FilesWriter:
        """As `Blobs.begin`."""
        check_id(id)
        return await self._disk.hold(lambda: FilesWriter(self._disk, id))

    async def open(self, id: str, offset: int = 0, length: int | None = None) -> FilesReader:
        """As `Blobs.open`."""
        check_id(id)
        return await self._disk.hold(lambda: FilesReader(self._disk, id, offset, length), id)

    async def stat(self, id: str) -> Blob | None:
        """As `Blobs.stat`."""
        path = self._disk.layout.path(check_id(id))

        def look() -> Blob | None:
            try:
                fd, blob = open_sealed(path, id)
            except FileNotFoundError:
                return None
            os.close(fd)
            return blob

        return await self._disk.run(look)

    async def delete(self, ids: Iterable[str]) -> int:
        """As `Blobs.delete`."""
        paths = [self._disk.layout.path(check_id(id)) for id in ids]

        def remove() -> int:
            count = 0
            for path in paths:
                with contextlib.suppress(FileNotFoundError):
                    path.unlink()
                    count += 1
            return count

        return await self._disk.run(remove)

    async def list(self, after: str = "", limit: int = 1000) -> Sequence[Blob]:
        """As `Blobs.list`."""

        def look() -> Sequence[Blob]:
            found = []
            for id in nsmallest(limit, (name for name in self._disk.layout.names() if name > after)):
                with contextlib.suppress(FileNotFoundError):  # it was deleted meanwhile
                    one = self._disk.layout.path(id).stat()
                    found.append(Blob(id, max(0, one.st_size - SEAL_SIZE), "", one.st_mtime))
            return found

        return await self._disk.run(look)

    async def usage(self) -> Usage:
        """As `Blobs.usage`."""

        def look() -> Usage:
            layout, count, size = self._disk.layout, 0, 0
            for id in layout.names():
                with contextlib.suppress(FileNotFoundError):
                    size += max(0, layout.path(id).stat().st_size - SEAL_SIZE)
                    count += 1
            disk = os.statvfs(layout.root)
            return Usage(count, size, disk.f_bavail * disk.f_frsize)

        return await self._disk.run(look)

    async def close(self) -> None:
        """As `Blobs.close`."""
        await self._disk.close()


def _look(path: Path, id: str) -> Blob | None:
    """The blob that is there whole; None: it may be written."""
    try:
        fd, blob = open_sealed(path, id)
    except (FileNotFoundError, DataDamaged):
        return None
    os.close(fd)
    return blob


def closed() -> Unavailable:
    """What is said after `close`."""
    return Unavailable("the blob store is closed", retryable=False)
