"""The S3 storage keeps every promise of a storage, on a real S3 service."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from reelkit.interfaces.storage import Storage
from reelkit.testing.servers import S3Bucket
from reelkit.testing.storage import StorageConformance
from reelkit_s3.settings import Settings
from reelkit_s3.storage import S3Storage


class TestS3Storage(StorageConformance):
    @pytest.fixture
    async def storage(self, s3_bucket: S3Bucket) -> AsyncIterator[Storage]:
        storage = S3Storage(
            Settings(
                bucket=s3_bucket.bucket,
                endpoint=s3_bucket.endpoint,
                access_key=s3_bucket.access_key,
                secret_key=s3_bucket.secret_key,
                allow_http=True,
                prefix="site/media",
            )
        )
        yield storage
        await storage.close()
