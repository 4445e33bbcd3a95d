"""The database of a site: opened once a process, SQLite or Postgres by its URL."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Literal

from reelkit.catalog import binding, schema
from reelkit.catalog.errors import DatabaseError, DatabaseUnavailable, SchemaMismatch
from reelkit.catalog.migrations import Step
from reelkit.catalog.sqlite import SQLite
from reelkit.site import Site

if TYPE_CHECKING:
    from reelkit.catalog.postgres import Postgres

__all__ = ["Database", "migrate", "open_database"]


class Database:
    """An open database. The catalog's tables speak to the one that was opened last and not closed."""

    def __init__(self, engine: SQLite | Postgres) -> None:
        self._engine: Any = engine
        self.kind: Literal["sqlite", "postgres"] = "sqlite" if isinstance(engine, SQLite) else "postgres"

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[None]:
        """All or nothing: commits at the end, rolls back on any exception. One inside another joins it.

        On SQLite it has the file's only writer for itself: await nothing slow inside. Raises DatabaseBusy after waiting
        15 s for another process or 30 s for this one. On Postgres rows that are read to be changed need `for_update`.
        """
        async with self._engine.transaction():
            yield

    async def check(self) -> None:
        """Return when a query works now and the schema is the one expected. Raises DatabaseError for people."""
        try:
            progress = await schema.progress(self._engine)
        except DatabaseError:
            raise
        except Exception as error:
            raise DatabaseUnavailable(f"The database does not answer: {error}.") from error
        if progress.pending:
            raise SchemaMismatch(f"The database lacks {len(progress.pending)} migration(s): run `reelkit migrate`.")

    async def pending(self) -> tuple[Step, ...]:
        """Return the migrations that are still to run. Raises SchemaMismatch."""
        return (await schema.progress(self._engine)).pending

    async def fetch(self, sql: str, *args: Any) -> list[dict[str, Any]]:
        """Run one statement in the engine's own SQL, inside the open transaction if there is one."""
        rows: list[dict[str, Any]] = await self._engine.fetch(sql, args)
        return rows

    async def close(self) -> None:
        """Close every connection; the tables are bound to nothing afterwards."""
        binding.unbind(self._engine)
        await self._engine.close()


async def open_database(site: Site) -> Database:
    """Connect to the site's database and bind the catalog's tables to it; does not migrate.

    Raises DatabaseUnavailable when it cannot be reached, SchemaMismatch when a newer reelkit migrated it, ValueError for
    a URL of another kind.
    """
    database = Database(await connect(site))
    try:
        await schema.progress(database._engine)
        binding.bind(database._engine)
    except BaseException:
        await database._engine.close()
        raise
    return database


async def migrate(database: Database) -> list[Step]:
    """Bring the schema up to date and return the steps that ran. Safe from many processes at once. Raises SchemaMismatch."""
    return await schema.migrate(database._engine)


async def connect(site: Site) -> SQLite | Postgres:
    """Open the engine of a site without binding the tables to it. Raises DatabaseUnavailable, ValueError."""
    scheme, _, rest = site.database.url.partition(":")
    if scheme == "sqlite" and rest and not rest.startswith("//"):
        file = SQLite(site.folder / rest)
        await file.open()
        return file
    if scheme in ("postgresql", "postgres"):
        from reelkit.catalog.postgres import Postgres  # asyncpg is only for sites that use it

        server = Postgres(site.database.url)
        await server.open()
        return server
    raise ValueError(f"[database] url is {scheme!r}: use `sqlite:FILE` (relative to the site) or `postgresql://…`.")
