"""One process of a race: 25 tasks that read a number and write it back, one more. Arguments: folder, url, times each."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from reelkit.catalog import projects
from reelkit.catalog.binding import transaction
from reelkit.catalog.database import migrate, open_database
from reelkit.catalog.scope import Scope, scoped
from reelkit.catalog.video_rows import VideoCountRow
from reelkit.site import Database, Site

SCOPE = Scope("race")


async def increment(times: int) -> None:
    """Read, give others a chance, write."""
    for _ in range(times):
        async with transaction():
            row = await scoped(VideoCountRow, SCOPE).one(lock=True)
            assert row is not None
            await asyncio.sleep(0)
            await (
                scoped(VideoCountRow, SCOPE)
                .update({VideoCountRow.total: row["total"] + 1})
                .where(VideoCountRow.id == row["id"])
            )


async def main(folder: str, url: str, times: str) -> None:
    """Open, migrate, make the row, race."""
    database = await open_database(Site(folder=Path(folder), database=Database(url=url)))
    await migrate(database)
    await projects.default()
    await scoped(VideoCountRow, SCOPE).insert(id="race", total=0).on_conflict(action="DO NOTHING")
    await asyncio.gather(*(increment(int(times)) for _ in range(25)))
    await database.close()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
