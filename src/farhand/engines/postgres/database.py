"""The connections to a PostgreSQL server: their settings, their errors, their schema, and the server's clock."""

from __future__ import annotations

import asyncio
import contextlib
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from typing import Any, TypeVar

import asyncpg

from farhand.engines.postgres.sql import migrations, queries
from farhand.errors import FarhandError, InvalidArguments, Unavailable
from farhand.model.urls import shown

SETTINGS = {
    "synchronous_commit": "on",
    "jit": "off",
    # The tables change faster than their statistics: what is asked is always few rows by an index, whatever they say.
    "plan_cache_mode": "force_generic_plan",
    "enable_seqscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
}
CONNECT_TIMEOUT = 10.0
COMMAND_TIMEOUT = 10.0
"""Seconds; less than a lease, so that a server that has fallen silent is noticed before what runs is lost."""
LONG = 3600.0
"""Seconds that a migration or a vacuum may take."""
CLOCK_EVERY = 60.0
"""Seconds between looks at the server's clock."""
TRIES = 5
"""How often a transaction is begun anew that met another in a deadlock."""
R = TypeVar("R")
_SCHEMA = re.compile(r"[a-z_][a-z0-9_]{0,54}")
_CLASHES = (asyncpg.DeadlockDetectedError, asyncpg.SerializationError)
_GONE = (
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.PostgresSystemError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    *_CLASHES,
    OSError,
    TimeoutError,
)


def unopened(error: BaseException, url: str) -> FarhandError | None:
    """The error of who can't open the store; None for what isn't the driver's."""
    text, store = str(error) or type(error).__name__, shown(url)
    if isinstance(error, asyncpg.ClientConfigurationError):
        return InvalidArguments(f"{store!r} is no URL of a PostgreSQL store: {text}")
    if isinstance(error, ValueError):  # its text can hold a piece of the URL, and that a piece of the password
        return InvalidArguments(f"{store!r} is no URL of a PostgreSQL store: write special characters as %XX")
    if isinstance(error, asyncpg.InvalidAuthorizationSpecificationError | asyncpg.InsufficientPrivilegeError):
        return Unavailable(
            f"the PostgreSQL store {store} refuses this user: {text}. Correct user, password or rights", retryable=False
        )
    if isinstance(error, asyncpg.InvalidCatalogNameError):
        return Unavailable(
            f"the PostgreSQL store {store} can't be opened: {text}. Create it with `createdb`", retryable=False
        )
    if isinstance(error, OSError | TimeoutError | asyncpg.PostgresError | asyncpg.InterfaceError):
        return Unavailable(
            f"the PostgreSQL store {store} can't be opened: {text}. Start the server, or correct the URL"
        )
    return None


def mapped(error: BaseException) -> FarhandError | None:
    """The error that a caller is to see; None for what isn't the database's."""
    if isinstance(error, asyncpg.PostgresError | asyncpg.InterfaceError) and (
        isinstance(error, asyncpg.DataError | ValueError)
    ):
        return InvalidArguments(f"PostgreSQL can't keep this: {error}")
    if isinstance(error, _GONE):
        return Unavailable(
            f"the PostgreSQL store failed: {str(error) or type(error).__name__}. What was asked for may have been done:"
            " ask again, a submit with the same idempotency key"
        )
    if isinstance(error, asyncpg.PostgresError):
        return FarhandError(f"the PostgreSQL store failed: {error}", sqlstate=error.sqlstate)
    return None


@contextlib.contextmanager
def mapping(except_for: tuple[type[Exception], ...] = ()) -> Iterator[None]:
    """Turn the driver's errors into ours."""
    try:
        yield
    except Exception as error:
        ours = None if isinstance(error, except_for) else mapped(error)
        if ours is None:
            raise
        raise ours from error


async def _keep(_: Any) -> None:
    """Nothing to reset: no session state is ever made. asyncpg's own reset costs a round trip each time."""


class Database:
    """A pool of connections to one schema. Connections that are lost are replaced when they are next needed."""

    def __init__(self, pool: Any, schema: str, options: Mapping[str, Any]) -> None:
        self.schema = schema
        self._options = options
        self._pool = pool
        self._offset = 0.0
        self._latest = 0.0
        self._closed = asyncio.Event()
        self._watch: asyncio.Task[None] | None = None

    @classmethod
    async def open(cls, url: str, schema: str, size: int) -> Database:
        """Connect, and bring the schema up to date.

        Raises:
            InvalidArguments: the URL or the schema's name can't be.
            Unavailable: the server can't be reached; or, not retryable, a newer farhand made the schema.
        """
        if not _SCHEMA.fullmatch(schema):
            raise InvalidArguments(f"{schema!r} is no name for a schema: up to 55 of a to z, 0 to 9 and _ only")
        # A server's lists call connections by this name, unless the URL has another.
        name = {} if "application_name=" in url else {"application_name": "farhand"}
        options = {
            "dsn": url,
            "timeout": CONNECT_TIMEOUT,
            "command_timeout": COMMAND_TIMEOUT,
            "server_settings": SETTINGS | name | {"search_path": schema},
        }
        try:
            await (await asyncpg.connect(**options)).close()
            # No least size: asyncpg would try to keep it up by itself and complain of a server that is away.
            pool = await asyncpg.create_pool(min_size=0, max_size=size, max_queries=0x7FFFFFFF, reset=_keep, **options)
        except Exception as error:
            ours = unopened(error, url)
            if ours is None:
                raise
            raise ours from error
        database = cls(pool, schema, options)
        try:
            await database.attempt(lambda connection: migrate(connection, schema))
            await database.set_clock()
        except BaseException:
            pool.terminate()
            raise
        database._watch = asyncio.create_task(database._watch_clock())
        return database

    async def connect(self) -> Any:
        """A connection of one's own, beside the pool's."""
        return await asyncpg.connect(**self._options)

    def now(self) -> float:
        """Seconds since 1970 by the server's clock, never less than before."""
        self._latest = max(self._latest, time.monotonic() + self._offset)
        return self._latest

    async def set_clock(self) -> None:
        """Ask the server for its time. The answer is taken to be from the middle of the round trip."""
        async with self.connection() as connection:
            sent = time.monotonic()
            there: float = await connection.fetchval(queries("schema")["clock"])
            self._offset = there - (sent + time.monotonic()) / 2

    async def close(self) -> None:
        """Give the connections back. What runs is finished first."""
        self._closed.set()
        if self._watch is not None:
            await self._watch
        with mapping():
            await self._pool.close()

    @contextlib.asynccontextmanager
    async def connection(self) -> AsyncIterator[Any]:
        """A connection, for one statement."""
        with mapping():
            async with self._pool.acquire(timeout=CONNECT_TIMEOUT) as connection:
                yield connection

    async def attempt(self, work: Callable[[Any], Awaitable[R]]) -> R:
        """Do `work` with a connection in one transaction, anew where it met another in a deadlock."""

        async def whole(connection: Any) -> R:
            async with connection.transaction():
                return await work(connection)

        return await self.attempt_one(whole)

    async def attempt_one(self, work: Callable[[Any], Awaitable[R]]) -> R:
        """The same for a single statement, or a batch of one, which is a transaction by itself."""
        for _ in range(TRIES - 1):
            with contextlib.suppress(*_CLASHES), mapping(except_for=_CLASHES):
                async with self._pool.acquire(timeout=CONNECT_TIMEOUT) as connection:
                    return await work(connection)
        async with self.connection() as connection:
            return await work(connection)

    async def _watch_clock(self) -> None:
        while not self._closed.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._closed.wait(), CLOCK_EVERY)
            if not self._closed.is_set():
                with contextlib.suppress(FarhandError):  # the last offset is good for much longer than a minute
                    await self.set_clock()


async def migrate(connection: Any, schema: str) -> None:
    """Bring a schema up to date, within the connection's transaction. Of hubs that start at once the first does it.

    Raises:
        Unavailable: it was made by a newer farhand; not retryable.
    """
    sql, steps = queries("schema"), migrations()
    await connection.execute(sql["lock"], schema)
    if not await connection.fetchval(sql["exists"], schema):
        await connection.execute(f'create schema "{schema}"')
    await connection.execute(sql["versions"])
    version: int = await connection.fetchval(sql["version"])
    newest = steps[-1].number
    if version > newest:
        raise Unavailable(
            f"the database has schema version {version} in {schema}, and this farhand knows {newest}: a newer one made"
            " it, and nothing was touched. Upgrade farhand, or name another schema",
            retryable=False,
        )
    for step in steps:
        if step.number > version:
            await connection.execute(step.sql, timeout=LONG)
            await connection.execute(sql["record"], step.number, step.name)
