"""What is left over is swept up, whatever cannot be."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from reelkit.catalog import doomed
from reelkit.catalog.database import Database, migrate, open_database
from reelkit.interfaces.storage import NotStored, StorageError
from reelkit.operations.recovery import sweep
from reelkit.site import Site
from reelkit.testing.streams import stream
from reelkit_local import LocalStorage


class Stubborn(LocalStorage):
    """Keeps what is called stuck."""

    async def delete(self, key: str) -> None:
        if "stuck" in key:
            raise StorageError(key, "it is held")
        await super().delete(key)


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    opened = await open_database(Site(folder=tmp_path))
    await migrate(opened)
    yield opened
    await opened.close()


@pytest.mark.usefixtures("database")
async def test_what_cannot_be_removed_keeps_nothing_else(tmp_path: Path) -> None:
    storage = Stubborn(tmp_path / "media")
    await storage.put("default/vi1/file", stream(b"x"))
    for number in range(120):
        await doomed.doom([f"default/vi1/stuck{number}"])
    await doomed.doom(["default/vi1/"])
    await sweep(storage)
    with pytest.raises(NotStored):
        await storage.stat("default/vi1/file")
    left = await doomed.pending()
    assert len(left) == 100 and all("stuck" in note.prefix for note in [*left, *await doomed.pending(left[-1])])
    await storage.close()
