"""The memory engine passes the suite of all stores."""

from __future__ import annotations

import pytest

from farhand.engines.memory.store import MemoryStore
from farhand.ports.store import Store
from farhand.testing.conformance.store import StoreConformance


class TestMemoryStore(StoreConformance):
    """All of it."""

    @pytest.fixture
    def store(self) -> Store:
        """An empty one."""
        return MemoryStore()
