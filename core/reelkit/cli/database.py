"""The database of a site, opened for one command."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from reelkit.catalog.database import Database, migrate, open_database
from reelkit.site import Site

__all__ = ["opened"]


@asynccontextmanager
async def opened(site: Site) -> AsyncIterator[Database]:
    """Open the database for the length of the block, its schema up to date.

    A SQLite file is migrated on the way, as `reelkit serve` would; Postgres may be shared with servers that run another
    version, so there that is the operator's decision. Raises DatabaseError.
    """
    database = await open_database(site)
    try:
        if database.kind == "sqlite":
            await migrate(database)
        else:
            await database.check()
        yield database
    finally:
        await database.close()
