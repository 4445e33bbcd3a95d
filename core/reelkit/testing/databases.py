"""pytest fixtures of a migrated catalog; `database` runs a test twice, on SQLite and on Postgres.

Migrating takes longer than most tests of the catalog, so it is done once a session; each test gets a copy.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from reelkit.catalog import schema
from reelkit.catalog.database import Database, connect, open_database
from reelkit.site import Database as DatabaseSettings
from reelkit.site import Site
from reelkit.testing.servers import PostgresServer

__all__ = ["database", "database_site", "migrated_postgres", "migrated_sqlite"]


@pytest.fixture(scope="session")
def migrated_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite file; copy it."""
    site = Site(folder=tmp_path_factory.mktemp("migrated"))
    migrate_alone(site)
    return sqlite_file(site)


@pytest.fixture(scope="session")
def migrated_postgres(postgres_server: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The name of a migrated Postgres database; copy it with CREATE DATABASE … TEMPLATE."""
    name = "migrated"
    postgres_server.psql(f"CREATE DATABASE {name}")
    folder = tmp_path_factory.mktemp("migrated")
    migrate_alone(Site(folder=folder, database=DatabaseSettings(url=postgres_server.url(name))))
    return name


@pytest.fixture(params=["sqlite", "postgres"])
def database_site(request: pytest.FixtureRequest, tmp_path: Path) -> Site:
    """A site with a database, SQLite and then Postgres: migrated for a test that asks for `database` too, else empty."""
    migrated = "database" in request.fixturenames
    if request.param == "sqlite":
        site = Site(folder=tmp_path)
        if migrated:
            file = sqlite_file(site)
            file.parent.mkdir(parents=True)
            shutil.copy(request.getfixturevalue("migrated_sqlite"), file)
        return site
    if not migrated:
        return Site(folder=tmp_path, database=DatabaseSettings(url=request.getfixturevalue("postgres_url")))
    make: Callable[..., str] = request.getfixturevalue("make_postgres_database")
    url = make(template=request.getfixturevalue("migrated_postgres"))
    return Site(folder=tmp_path, database=DatabaseSettings(url=url))


@pytest_asyncio.fixture
async def database(database_site: Site) -> AsyncIterator[Database]:
    """The open, migrated database of `database_site`."""
    opened = await open_database(database_site)
    await opened.check()
    yield opened
    await opened.close()


def sqlite_file(site: Site) -> Path:
    """Return where a site that says nothing else has its database."""
    return site.folder / site.database.url.removeprefix("sqlite:")


def migrate_alone(site: Site) -> None:
    """Migrate a site's database without binding the catalog's tables to it, whatever event loop runs here."""

    async def migrate() -> None:
        engine: Any = await connect(site)
        try:
            await schema.migrate(engine)
        finally:
            await engine.close()

    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, migrate()).result()
