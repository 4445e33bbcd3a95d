"""The S3 storage keeps every promise of a storage, on a real S3 service."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from reelkit.interfaces.storage import Storage
from reelkit.testing.storage import StorageConformance
from reelkit_s3.settings import Settings
from reelkit_s3.storage import S3Storage


class TestS3Storage(StorageConformance):
    @pytest.fixture
    async def storage(self, settings: Settings) -> AsyncIterator[Storage]:
        storage = S3Storage(settings)
        yield storage
        await storage.close()
