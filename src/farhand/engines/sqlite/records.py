"""Records in a SQLite file."""

from __future__ import annotations

from farhand.engines.sqlite import reading
from farhand.engines.sqlite.connection import Owner


class SqliteRecords:
    """`ports.store.Records`, over the store's two connections."""

    _writer: Owner
    _reader: Owner

    async def put_record(self, kind: str, key: str, value: bytes) -> None:
        """As `Records.put_record`."""
        await self._writer.run(lambda db: reading.rows(db, "put_record", kind, key, value))

    async def record(self, kind: str, key: str) -> bytes | None:
        """As `Records.record`."""
        found = await self._reader.run(lambda db: reading.rows(db, "record", kind, key))
        return found[0][0] if found else None

    async def records(self, kind: str) -> dict[str, bytes]:
        """As `Records.records`."""
        return await self._reader.run(lambda db: dict(reading.rows(db, "records", kind)))

    async def drop_record(self, kind: str, key: str) -> bool:
        """As `Records.drop_record`."""
        return await self._writer.run(lambda db: bool(reading.rows(db, "drop_record", kind, key)))
