"""The local storage keeps every promise of a storage."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from reelkit.interfaces.storage import Storage
from reelkit.testing.storage import StorageConformance
from reelkit_local import LocalStorage


class TestLocalStorage(StorageConformance):
    @pytest.fixture
    async def storage(self, tmp_path: Path) -> AsyncIterator[Storage]:
        storage = LocalStorage(tmp_path / "media")
        yield storage
        await storage.close()
        assert list((tmp_path / "media" / "incoming").iterdir()) == []
