"""Counts and amounts of a window: whole hours from cells where a cell fits, the rest from hits."""

from __future__ import annotations

from typing import Any

import msgspec

from reelkit.catalog.analytics.events import HOUR
from reelkit.catalog.analytics.filters import PROFILE_DIMENSIONS, Filter, Window, in_list
from reelkit.catalog.analytics.geography import continent_of
from reelkit.catalog.analytics.sql import fetch
from reelkit.catalog.scope import Scope

__all__ = [
    "ALL",
    "CONTINENT",
    "MEDIA",
    "MEDIA_TYPE",
    "Counted",
    "Every",
    "Key",
    "column_of",
    "counted",
    "spoken",
    "total_plays",
    "unique_viewers",
]


class Counted(msgspec.Struct, frozen=True):
    """How many, and the sum of what they amount to (ms)."""

    hits: int = 0
    amount: int = 0


class Every(msgspec.Struct, frozen=True):
    """Buckets of time of so many milliseconds, numbered since 1970. ahead: ms by which the asker's clock is ahead of UTC.

    ahead is whole minutes, so that no slot of ten seconds is cut.
    """

    ms: int
    ahead: int = 0

    def number(self, at: int) -> int:
        """Return the bucket of a moment."""
        return (at + self.ahead) // self.ms

    def begin(self, number: int) -> int:
        """Return the moment that a bucket begins at."""
        return number * self.ms - self.ahead


Key = str | Every
"""By what a result is taken apart: ALL, MEDIA, MEDIA_TYPE, CONTINENT, a dimension of profiles, or time."""
ALL, MEDIA, MEDIA_TYPE, CONTINENT = "", "media_id", "media_type", "continent"
TYPES = {"vi": "video", "li": "live-stream"}


def column_of(by: str, table: str = "") -> str:
    """Return the expression of a key in a table of hits or stretches (joined with its profiles as p) or of cells."""
    media = f"{table}.media_id" if table else "media_id"
    named = {ALL: "''", MEDIA: media, MEDIA_TYPE: f"substr({media}, 1, 2)"}
    profile = "country" if by == CONTINENT else by
    return named.get(by, f"p.{profile}" if table else "value")


def spoken(by: Key, key: Any) -> Any:
    """Return a key as callers know it: the continent of a country, the type of media that begin with two letters."""
    return continent_of(key) if by == CONTINENT else TYPES.get(key, key) if by == MEDIA_TYPE else key


def about_profiles(by: Key) -> str | None:
    """Return the dimension of profiles that a key needs."""
    if by == CONTINENT:
        return "country"
    return by if isinstance(by, str) and by in PROFILE_DIMENSIONS else None


async def counted(scope: Scope, metric: int, window: Window, wanted: Filter, by: Key = ALL) -> dict[Any, Counted]:
    """Return what was counted in a window, by key: an id, a value of the dimension, the number of a bucket, or ''."""
    found: dict[Any, Counted] = {}
    dimension = cell_dimension(wanted, by)
    windows = [window]
    if dimension is not None:
        windows = window.edges()
        merge(found, by, await from_cells(scope, metric, window, wanted, by, dimension))
    for edge in windows:
        merge(found, by, await from_hits(scope, metric, edge, wanted, by))
    return found


def cell_dimension(wanted: Filter, by: Key) -> str | None:
    """Return the dimension of the cells that answer a query; None when no cell is fine enough."""
    asked = set(wanted.of_profile())
    if isinstance(by, Every) and (by.ms % HOUR or by.ahead % HOUR):
        return None
    if (needed := about_profiles(by)) is not None:
        asked.add(needed)
    return None if len(asked) > 1 else next(iter(asked), "")


async def from_cells(
    scope: Scope, metric: int, window: Window, wanted: Filter, by: Key, dimension: str
) -> dict[Any, Counted]:
    """Sum the whole hours of a window."""
    first, stop = window.whole_hours()
    if first == stop:
        return {}
    key = f"(hour + {by.ahead // HOUR}) / {by.ms // HOUR}" if isinstance(by, Every) else column_of(by)
    media, values = wanted.media_condition(scope, "media_id")
    if not wanted.of_media:
        media = " AND media_id <> ''" if by in (MEDIA, MEDIA_TYPE) else " AND media_id = ''"
    asked = wanted.of_profile().get(dimension)
    if asked is not None:
        media += in_list("value", asked)
        values += asked
    rows = await fetch(
        f"SELECT {key} AS key, SUM(hits) AS hits, SUM(amount) AS amount FROM analytics_cell"
        " WHERE project = {} AND environment = {} AND metric = {} AND dimension = {}"
        f" AND hour >= {{}} AND hour < {{}}{media} GROUP BY 1",
        scope.project,
        scope.environment,
        metric,
        dimension,
        first,
        stop,
        *values,
    )
    return read(rows)


async def from_hits(scope: Scope, metric: int, window: Window, wanted: Filter, by: Key) -> dict[Any, Counted]:
    """Sum what was counted one by one."""
    key = f"(h.at + {by.ahead}) / {by.ms}" if isinstance(by, Every) else column_of(by, "h")
    where, values = conditions(scope, metric, window, wanted, by)
    rows = await fetch(
        f"SELECT {key} AS key, SUM(h.hits) AS hits, SUM(h.amount) AS amount FROM analytics_hit h{where} GROUP BY 1", *values
    )
    return read(rows)


async def unique_viewers(scope: Scope, metric: int, window: Window, wanted: Filter, by: Key = ALL) -> dict[Any, int]:
    """Return how many different viewers have a hit in a window, by key as `counted` does. One is new each day."""
    key = f"(h.at + {by.ahead}) / {by.ms}" if isinstance(by, Every) else column_of(by, "h")
    where, values = conditions(scope, metric, window, wanted, by)
    rows = await fetch(
        f"SELECT key, COUNT(*) AS viewers FROM (SELECT DISTINCT {key} AS key, h.viewer FROM analytics_hit h{where}) seen"
        " GROUP BY key",
        *values,
    )
    found: dict[Any, int] = {}
    for row in rows:
        # A viewer is in one country, so that those of a continent's countries add up.
        name = spoken(by, row["key"])
        found[name] = found.get(name, 0) + int(row["viewers"])
    return found


def conditions(scope: Scope, metric: int, window: Window, wanted: Filter, by: Key) -> tuple[str, list[Any]]:
    """Return the rest of a statement about hits, from its first JOIN on, and its values."""
    join = ""
    if wanted.of_profile() or about_profiles(by) is not None:
        join = " JOIN analytics_profile p ON p.project = h.project AND p.environment = h.environment AND p.id = h.profile"
    media, of_media = wanted.media_condition(scope, "h.media_id")
    profile, of_profile = wanted.profile_condition("p")
    where = (
        f"{join} WHERE h.project = {{}} AND h.environment = {{}} AND h.metric = {{}} AND h.at >= {{}} AND h.at < {{}}"
        f"{media}{profile}"
    )
    return where, [scope.project, scope.environment, metric, window.start, window.stop, *of_media, *of_profile]


async def total_plays(scope: Scope, wanted: Filter, by: Key = ALL) -> dict[str, int]:
    """Return the plays since ever, of all media (key '') or by media id; only filters of media apply."""
    media, values = wanted.media_condition(scope, "media_id")
    key = "media_id" if by == MEDIA else "''"
    rows = await fetch(
        f"SELECT {key} AS key, SUM(plays) AS plays FROM analytics_total"
        f" WHERE project = {{}} AND environment = {{}}{media} GROUP BY 1",
        scope.project,
        scope.environment,
        *values,
    )
    return {row["key"]: int(row["plays"]) for row in rows}


def read(rows: list[dict[str, Any]]) -> dict[Any, Counted]:
    """Return rows by their keys. Postgres sums bigint to numeric."""
    return {row["key"]: Counted(int(row["hits"]), int(row["amount"])) for row in rows}


def merge(found: dict[Any, Counted], by: Key, more: dict[Any, Counted]) -> None:
    """Add to what was found, under the keys that callers know."""
    for key, one in more.items():
        name = spoken(by, key)
        before = found.get(name, Counted())
        found[name] = Counted(before.hits + one.hits, before.amount + one.amount)
