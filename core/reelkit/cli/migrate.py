"""`reelkit migrate`: the database's schema, brought up to date."""

from __future__ import annotations

import msgspec

from reelkit.catalog.database import migrate as run_migrations
from reelkit.catalog.database import open_database
from reelkit.cli.options import JsonOption, SiteOption, open_site, print_json

__all__ = ["migrate"]


class Migrated(msgspec.Struct, frozen=True):
    """What ran. pending: with --check, what would run."""

    ran: tuple[str, ...] = ()
    pending: tuple[str, ...] = ()


async def migrate(*, site: SiteOption = None, check: bool = False, json: JsonOption = False) -> int:
    """Bring a site's database up to date.

    A site on SQLite does this by itself when it starts; on Postgres do it before
    a new version is started. It is safe to run twice, or from several machines at
    once. Examples:

        reelkit migrate --site mysite
        reelkit migrate --site mysite --check

    Parameters
    ----------
    check
        Only tell what would run; exits with 1 if there is anything.
    """
    database = await open_database(open_site(site))
    try:
        pending = tuple(step.name for step in await database.pending())
        ran = () if check else tuple(step.name for step in await run_migrations(database))
    finally:
        await database.close()
    done = Migrated(ran, pending if check else ())
    if json:
        print_json(done)
    else:
        for name in done.ran:
            print(f"ran {name}")  # noqa: T201 - what a command is for
        for name in done.pending:
            print(f"pending {name}")  # noqa: T201 - what a command is for
        if not pending:
            print("The database is up to date.")  # noqa: T201 - what a command is for
    return 1 if done.pending else 0
