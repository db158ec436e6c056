"""Records in this process's memory."""

from __future__ import annotations

from collections import defaultdict


class MemoryRecords:
    """`ports.store.Records`."""

    def __init__(self) -> None:
        self._records: dict[str, dict[str, bytes]] = defaultdict(dict)

    async def put_record(self, kind: str, key: str, value: bytes) -> None:
        """As `Records.put_record`."""
        self._records[kind][key] = value

    async def record(self, kind: str, key: str) -> bytes | None:
        """As `Records.record`."""
        return self._records[kind].get(key)

    async def records(self, kind: str) -> dict[str, bytes]:
        """As `Records.records`."""
        return dict(self._records[kind])

    async def drop_record(self, kind: str, key: str) -> bool:
        """As `Records.drop_record`."""
        return self._records[kind].pop(key, None) is not None
