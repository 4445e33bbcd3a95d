"""Whose media an event is about: players have no project."""

from __future__ import annotations

import re
from collections.abc import Iterable

from reelkit.catalog.analytics.sql import fetch
from reelkit.catalog.scope import Scope

__all__ = ["MEDIA_ID", "owners"]

MEDIA_ID = re.compile(r"(?:vi|li)[0-9A-Za-z]{1,62}", re.ASCII)


async def owners(ids: Iterable[str]) -> dict[str, Scope]:
    """Return whose videos and live streams these are; unknown and discarded ones are left out."""
    found: dict[str, Scope] = {}
    wanted = [id for id in ids if MEDIA_ID.fullmatch(id)]
    for table, prefix, condition in (("video", "vi", " AND discarded_at IS NULL"), ("live_stream", "li", "")):
        some = [id for id in wanted if id.startswith(prefix)]
        if some:
            rows = await fetch(
                f"SELECT id, project, environment FROM {table} WHERE id IN ({', '.join('{}' for _ in some)}){condition}",
                *some,
            )
            found |= {row["id"]: Scope(row["project"], row["environment"]) for row in rows}
    return found
