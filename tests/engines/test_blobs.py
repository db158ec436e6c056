"""The engines that keep blobs pass the suite of them all, and files stand what disks and processes do."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from farhand.engines.files.blobs import FilesBlobs
from farhand.engines.memory.blobs import MemoryBlobs
from farhand.ports.blobs import Blobs
from farhand.testing.conformance.blobs import BlobsConformance


class TestMemoryBlobs(BlobsConformance):
    """All of it."""

    @pytest.fixture
    async def blobs(self) -> AsyncIterator[Blobs]:
        """An empty one."""
        blobs = MemoryBlobs()
        yield blobs
        await blobs.close()


class TestFilesBlobs(BlobsConformance):
    """All of it."""

    @pytest.fixture
    async def blobs(self, tmp_path: Path) -> AsyncIterator[Blobs]:
        """An empty one."""
        blobs = FilesBlobs(tmp_path / "blobs")
        yield blobs
        await blobs.close()
        assert list((tmp_path / "blobs" / "incoming").iterdir()) == []
