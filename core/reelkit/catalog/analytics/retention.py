"""Forgetting: what viewers did is kept for 30 days, of sandboxes for one."""

from __future__ import annotations

from typing import Final

from reelkit.catalog.analytics.events import HOUR, METRICS, SLOT
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
KEYS: Final = {
    "analytics_event": "rowid",
    "analytics_hit": "project, environment, metric, at, playback",
    "analytics_cell": "project, environment, metric, dimension, media_id, hour, value",
    "analytics_stretch": "project, environment, playback, first_slot",
    "analytics_playback": "project, environment, id",
    "analytics_profile": "project, environment, id",
}
"""What tells a row from all others on SQLite."""


async def forget(now: int) -> None:
    """Remove what is too old. now: ms since 1970."""
    for environment, kept in KEPT.items():
        before = now - kept - SLACK
        projects = await fetch("SELECT DISTINCT project FROM analytics_profile WHERE environment = {}", environment)
        await forget_rows("analytics_event", environment, "at < {}", before)
        await forget_rows("analytics_cell", environment, "hour < {}", before // HOUR)
        for row in projects:
            for metric in METRICS:
                old = "project = {} AND metric = {} AND at < {}"
                await forget_rows("analytics_hit", environment, old, row["project"], metric, before)
            old = "project = {} AND last_slot < {}"
            await forget_rows("analytics_stretch", environment, old, row["project"], before // SLOT)
        # Long silent: another event would be another playback.
        await forget_rows("analytics_playback", environment, "last_at < {}", now - DAY)
        # Last, and later than anything that may refer to it.
        await forget_rows("analytics_profile", environment, "seen_at < {}", before - DAY)


async def forget_rows(table: str, environment: str, old: str, *values: str | int) -> None:
    """Remove the rows of an environment that a condition calls old, some at a time. An index must find them."""
    row = KEYS[table] if engine().engine_type == "sqlite" else "ctid"
    while True:
        some = f"SELECT {row} FROM {table} WHERE environment = {{}} AND {old} LIMIT {AT_ONCE}"
        gone = await fetch(
            f"DELETE FROM {table} WHERE ({row}) IN ({some}) RETURNING 1 AS gone",
            environment,
            *values,
        )
        if len(gone) < AT_ONCE:
            return
