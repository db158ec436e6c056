"""The engines that keep blobs pass the suite of them all, and files stand what disks and processes do."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from farhand.engines.files.blobs import FilesBlobs
from farhand.engines.memory.blobs import MemoryBlobs
from farhand.engines.s3.blobs import S3Blobs
from farhand.ports.blobs import Blobs
from farhand.testing.conformance.blobs import BlobsConformance
from tests.engines.s3 import S3Server


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


class TestS3Blobs(BlobsConformance):
    """All of it, with a real server."""

    @pytest.fixture
    async def blobs(self, s3: str, s3_server: S3Server) -> AsyncIterator[Blobs]:
        """An empty one."""
        blobs = S3Blobs(s3)
        yield blobs
        await blobs.close()
        assert s3_server.uploads() == []
