"""A database file opened for one thread, brought up to date, and the thread that owns it."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import apsw

from farhand.engines.sqlite.sql import migrations
from farhand.errors import FarhandError, Overloaded, Unavailable

T = TypeVar("T")
Work = Callable[[apsw.Connection], Any]

WAITING_LIMIT = 100_000
BUSY_MS = 5_000
CACHE_KIB = 16 * 1024
"""What the writer keeps of the file in memory, at most."""
CHECKED_SIZE = 64 * 1024 * 1024
"""Bytes of a file that is looked through from beginning to end when it is opened: about a fifth of a second."""


def connect(path: Path, *, writes: bool, vfs: str | None = None) -> apsw.Connection:
    """Open the file; WAL, and every commit is on the disk before it is acknowledged.

    Raises:
        Unavailable: it can't be opened, or is no database.
    """
    try:
        return _connect(path, writes, vfs)
    except (apsw.CorruptError, apsw.NotADBError) as error:
        raise _damaged(path, str(error)) from None
    except apsw.Error as error:
        raise Unavailable(f"the store {path} can't be opened: {error}", retryable=False) from None


def check(path: Path) -> None:
    """Look through a file that is there already, before anything is written to it. A large one would take long: of it
    only the schema is read.

    Raises:
        Unavailable: it is damaged, or no database.
    """
    if not path.is_file() or not path.stat().st_size:
        return
    try:
        with contextlib.closing(_connect(path, False, None)) as connection:
            connection.execute("SELECT count(*) FROM sqlite_schema").get  # noqa: B018
            small = path.stat().st_size <= CHECKED_SIZE
            found: str = connection.execute("PRAGMA quick_check(1)").get if small else "ok"
    except (apsw.CorruptError, apsw.NotADBError) as error:
        raise _damaged(path, str(error)) from None
    except apsw.Error as error:
        raise Unavailable(f"the store {path} can't be opened: {error}", retryable=False) from None
    if found != "ok":
        raise _damaged(path, found)


def _damaged(path: Path, why: str) -> Unavailable:
    return Unavailable(
        f"the store {path} is damaged or no database ({' '.join(why.split())}), and nothing was touched: put a backup "
        f"in its place, save what is left with `sqlite3 {path} .recover`, or name another file",
        retryable=False,
    )


def _connect(path: Path, writes: bool, vfs: str | None) -> apsw.Connection:
    flags = apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE if writes else apsw.SQLITE_OPEN_READONLY
    connection = apsw.Connection(str(path), flags=flags, vfs=vfs)
    connection.set_busy_timeout(BUSY_MS)
    if writes:
        connection.pragma("journal_mode", "wal")
        connection.pragma("synchronous", "full")
        connection.pragma("wal_autocheckpoint", 4_000)
        connection.pragma("cache_size", -CACHE_KIB)
    return connection


def lock(path: Path) -> apsw.Connection:
    """Hold the store for one process, until the connection is closed or the process ends.

    Raises:
        Unavailable: another process holds it.
    """
    beside = path.with_name(f"{path.name}.lock")
    try:
        connection = apsw.Connection(str(beside))
        connection.set_busy_timeout(BUSY_MS // 5)
        connection.pragma("journal_mode", "memory")
        connection.execute("BEGIN EXCLUSIVE")
    except apsw.BusyError:
        connection.close()
        raise Unavailable(f"another hub has the store {path} open: stop it, or use another file") from None
    except apsw.Error as error:
        raise Unavailable(f"the store {path} can't be opened: {error}", retryable=False) from None
    return connection


def migrate(connection: apsw.Connection, path: Path) -> None:
    """Bring the schema up to date, in one transaction.

    Raises:
        Unavailable: the file was written by a newer farhand.
    """
    known = migrations()
    with connection:
        connection.execute("CREATE TABLE IF NOT EXISTS farhand_schema (version INTEGER PRIMARY KEY)")
        have: int = connection.execute("SELECT coalesce(max(version), 0) FROM farhand_schema").get
        if have > known[-1][0]:
            raise Unavailable(
                f"{path} has schema version {have}, and this farhand knows {known[-1][0]}: it was written by a newer "
                "one; use that, or another file",
                retryable=False,
            )
        for version, text in known:
            if version > have:
                connection.execute(text)
                connection.execute("INSERT INTO farhand_schema (version) VALUES (?)", (version,))


class Owner:
    """A thread with a connection of its own. With `writes`, all that arrives while a commit runs shares the next one:
    an fsync costs the same whatever it carries."""

    def __init__(self, path: Path, *, writes: bool, vfs: str | None = None) -> None:
        self._connection = connect(path, writes=writes, vfs=vfs)
        if writes:
            try:
                migrate(self._connection, path)
            except BaseException:
                self._connection.close()
                raise
        self._writes = writes
        self._waiting: deque[tuple[Work, asyncio.Future[Any]]] = deque()
        self._wake = threading.Condition()
        self._ended = False
        name = "farhand-store-writer" if writes else "farhand-store-reader"
        self._thread = threading.Thread(target=self._serve, name=name, daemon=True)
        self._thread.start()

    async def run(self, work: Callable[[apsw.Connection], T]) -> T:
        """Run `work` in the thread; its result, once it is committed.

        Raises:
            Overloaded: too much waits already.
            Unavailable: the store is closed, or the disk refuses.
        """
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        with self._wake:
            if self._ended:
                raise Unavailable("the store is closed")
            if len(self._waiting) >= WAITING_LIMIT:
                raise Overloaded(f"{WAITING_LIMIT:,} operations wait for the store already", retry_after=1.0)
            self._waiting.append((work, future))
            if len(self._waiting) == 1:
                self._wake.notify()
        return await future

    def close(self) -> None:
        """Finish what waits, and close the file."""
        with self._wake:
            self._ended = True
            self._wake.notify()
        self._thread.join()
        self._connection.close()

    def _serve(self) -> None:
        while True:
            with self._wake:
                while not self._waiting and not self._ended:
                    self._wake.wait()
                group, self._waiting = self._waiting, deque()
            if not group:
                return
            try:
                answers = self._together(group) if self._writes else [self._alone(work) for work, _ in group]
            except (apsw.Error, Unavailable) as error:
                failure = _failure(error) if isinstance(error, apsw.Error) else error
                answers = [(None, failure) for _ in group]
            loop = group[0][1].get_loop()
            with contextlib.suppress(RuntimeError):  # the loop has closed: nobody waits any more
                loop.call_soon_threadsafe(_answer, [future for _, future in group], answers)

    def _together(self, group: deque[tuple[Work, asyncio.Future[Any]]]) -> list[tuple[Any, BaseException | None]]:
        """All of it in one transaction. A savepoint for each would write every page it touches a second time, so there
        are some only where one has failed in the middle: then all begin again."""
        try:
            return self._in_transaction(group, self._unless_half_done)
        except _HalfDone:
            return self._in_transaction(group, self._undone_if_failed)

    def _in_transaction(
        self,
        group: deque[tuple[Work, asyncio.Future[Any]]],
        do: Callable[[Work], tuple[Any, BaseException | None]],
    ) -> list[tuple[Any, BaseException | None]]:
        execute = self._connection.execute
        execute("BEGIN IMMEDIATE")
        try:
            answers = [do(work) for work, _ in group]
            execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:
                execute("ROLLBACK")
            raise
        return answers

    def _unless_half_done(self, work: Work) -> tuple[Any, BaseException | None]:
        before = self._connection.total_changes()
        answer = self._alone(work)
        if answer[1] is not None:
            self._raise_if_all_is_undone(answer[1])
            if self._connection.total_changes() != before:
                raise _HalfDone
        return answer

    def _undone_if_failed(self, work: Work) -> tuple[Any, BaseException | None]:
        execute = self._connection.execute
        execute("SAVEPOINT one")
        answer = self._alone(work)
        if answer[1] is not None:
            self._raise_if_all_is_undone(answer[1])
            execute("ROLLBACK TO one")
        execute("RELEASE one")
        return answer

    def _raise_if_all_is_undone(self, error: BaseException) -> None:
        """A disk that is full, or fails, has undone the whole transaction."""
        if not self._connection.in_transaction:
            raise error

    def _alone(self, work: Work) -> tuple[Any, BaseException | None]:
        try:
            return work(self._connection), None
        except FarhandError as error:
            return None, error
        except apsw.Error as error:
            return None, _failure(error)
        except Exception as error:
            return None, error


class _HalfDone(Exception):
    """A work has failed after it had changed something."""


def _failure(error: apsw.Error) -> Unavailable:
    """What a caller is told of a write or a read that was not done."""
    if isinstance(error, apsw.FullError):
        return Unavailable(f"the store is full ({error}): make room on its disk, the hub goes on by itself")
    if isinstance(error, apsw.CorruptError | apsw.NotADBError):
        return Unavailable(f"the store is damaged ({error}): stop the hub, and put a backup in the file's place")
    return Unavailable(f"the store failed: {error}")


def _answer(futures: list[asyncio.Future[Any]], answers: list[tuple[Any, BaseException | None]]) -> None:
    for future, (result, error) in zip(futures, answers, strict=True):
        if future.done():
            continue
        if error is None:
            future.set_result(result)
        else:
            future.set_exception(error)
