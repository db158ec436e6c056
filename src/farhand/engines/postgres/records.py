"""Records in a PostgreSQL database."""

from __future__ import annotations

from farhand.engines.postgres.database import Database
from farhand.engines.postgres.sql import queries

_SQL = queries("records")


class PostgresRecords:
    """`ports.store.Records`, over the store's database."""

    _database: Database

    async def put_record(self, kind: str, key: str, value: bytes) -> None:
        """As `Records.put_record`."""
        async with self._database.connection() as connection:
            await connection.execute(_SQL["put"], kind, key, value)

    async def record(self, kind: str, key: str) -> bytes | None:
        """As `Records.record`."""
        async with self._database.connection() as connection:
            found: bytes | None = await connection.fetchval(_SQL["one"], kind, key)
        return found

    async def records(self, kind: str) -> dict[str, bytes]:
        """As `Records.records`."""
        async with self._database.connection() as connection:
            return dict(await connection.fetch(_SQL["all"], kind))

    async def drop_record(self, kind: str, key: str) -> bool:
        """As `Records.drop_record`."""
        async with self._database.connection() as connection:
            return await connection.fetchval(_SQL["drop"], kind, key) is not None
