"""pytest fixtures of a migrated catalog; `database` runs a test twice, on SQLite and on Postgres."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from reelkit.catalog.database import Database, migrate, open_database
from reelkit.site import Database as DatabaseSettings
from reelkit.site import Site

__all__ = ["database", "database_site"]


@pytest.fixture(params=["sqlite", "postgres"])
def database_site(request: pytest.FixtureRequest, tmp_path: Path) -> Site:
    """A site with an empty database, SQLite and then Postgres."""
    if request.param == "sqlite":
        return Site(folder=tmp_path)
    return Site(folder=tmp_path, database=DatabaseSettings(url=request.getfixturevalue("postgres_url")))


@pytest_asyncio.fixture
async def database(database_site: Site) -> AsyncIterator[Database]:
    """The open, migrated database of `database_site`."""
    opened = await open_database(database_site)
    await migrate(opened)
    yield opened
    await opened.close()
