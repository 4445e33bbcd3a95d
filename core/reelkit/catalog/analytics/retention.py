"""Forgetting: what viewers did is kept for 30 days, of sandboxes for one."""

from __future__ import annotations

from typing import Final

from reelkit.catalog.analytics.events import HOUR, SLOT
from reelkit.catalog.analytics.sql import fetch
from reelkit.catalog.binding import engine

__all__ = ["DAY", "KEPT", "SLACK", "forget"]

DAY: Final = 24 * HOUR
KEPT: Final = {"production": 30 * DAY, "sandbox": DAY}
"""Environment → ms for which its events can be asked for."""
SLACK: Final = HOUR
"""What is kept longer, so that a window that begins exactly then is still whole when its query arrives."""
AT_ONCE: Final = 5_000
"""Rows a statement, so that nobody waits long for the database's writer."""


async def forget(now: int) -> None:
    """Remove what is too old. now: ms since 1970."""
    for environment, kept in KEPT.items():
        before = now - kept - SLACK
        for table, column, limit in (
            ("analytics_event", "at", before),
            ("analytics_hit", "at", before),
            ("analytics_cell", "hour", before // HOUR),
            ("analytics_stretch", "last_slot", before // SLOT),
            # Long silent: another event would be another playback.
            ("analytics_playback", "last_at", now - DAY),
            # Last, and later than anything that may refer to it.
            ("analytics_profile", "seen_at", before - DAY),
        ):
            await forget_rows(table, column, limit, environment)


async def forget_rows(table: str, column: str, limit: int, environment: str) -> None:
    """Remove the rows of an environment in which a column is below a limit, some at a time."""
    sqlite = engine().engine_type == "sqlite"
    keyed = {
        "analytics_hit": "project, metric, at, playback",
        "analytics_cell": "project, metric, dimension, media_id, hour, value",
        "analytics_stretch": "project, playback, first_slot",
        "analytics_playback": "project, id",
        "analytics_profile": "project, id",
    }
    row = keyed.get(table, "rowid") if sqlite else "ctid"
    while True:
        old = f"SELECT {row} FROM {table} WHERE environment = {{}} AND {column} < {{}} LIMIT {AT_ONCE}"
        gone = await fetch(
            f"DELETE FROM {table} WHERE environment = {{}} AND ({row}) IN ({old}) RETURNING 1 AS gone",
            environment,
            environment,
            limit,
        )
        if len(gone) < AT_ONCE:
            return
