"""What a query is about: its window, and whose playbacks count."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from reelkit.catalog.analytics.events import HOUR, MediaType
from reelkit.catalog.analytics.geography import countries_of
from reelkit.catalog.labels import label_ids
from reelkit.catalog.scope import Scope

__all__ = ["PROFILE_DIMENSIONS", "Filter", "Window"]

PROFILE_DIMENSIONS: Final = ("country", "device_type", "operating_system", "browser", "referrer")
PREFIX: Final[dict[MediaType, str]] = {"video": "vi", "live-stream": "li"}


class Window(msgspec.Struct, frozen=True):
    """Milliseconds since 1970: start <= t < stop."""

    start: int
    stop: int

    def until(self, now: int) -> Window:
        """Return what of it is over: nobody has watched the rest, so it weighs in no average and needs no memory."""
        return Window(self.start, max(self.start, min(self.stop, now)))

    def whole_hours(self) -> tuple[int, int]:
        """Return first and stop of the hours that lie inside as a whole; equal when there are none."""
        first = -(-self.start // HOUR)
        return first, max(first, self.stop // HOUR)

    def edges(self) -> list[Window]:
        """Return what is left beside the whole hours."""
        first, stop = self.whole_hours()
        if first == stop:
            return [self] if self.stop > self.start else []
        parts = [Window(self.start, first * HOUR), Window(stop * HOUR, self.stop)]
        return [part for part in parts if part.stop > part.start]


class Filter(msgspec.Struct, frozen=True, kw_only=True):
    """Which playbacks count; None or empty: any. Within a field any of the values fits, all fields must."""

    media_ids: tuple[str, ...] = ()
    media_type: MediaType | None = None
    tag: str | None = None
    continents: tuple[str, ...] = ()
    countries: tuple[str, ...] = ()
    device_types: tuple[str, ...] = ()
    operating_systems: tuple[str, ...] = ()
    browsers: tuple[str, ...] = ()
    referrers: tuple[str, ...] = ()

    @property
    def of_media(self) -> bool:
        """It asks for certain media."""
        return bool(self.media_ids or self.media_type or self.tag is not None)

    def of_profile(self) -> dict[str, tuple[str, ...]]:
        """Return what it asks of the audience: dimension → values, of which one must fit."""
        asked = {
            "country": self._countries(),
            "device_type": self.device_types or None,
            "operating_system": self.operating_systems or None,
            "browser": self.browsers or None,
            "referrer": self.referrers or None,
        }
        return {dimension: values for dimension, values in asked.items() if values is not None}

    def _countries(self) -> tuple[str, ...] | None:
        if not self.continents:
            return self.countries or None
        there = {country for continent in self.continents for country in countries_of(continent)}
        return tuple(sorted(there & set(self.countries) if self.countries else there))

    def media_condition(self, scope: Scope, column: str) -> tuple[str, list[Any]]:
        """Return what a statement's WHERE adds for media, each part after an AND, and its values."""
        sql = ""
        values: list[Any] = []
        if self.media_ids:
            sql += f" AND {column} IN ({', '.join('{}' for _ in self.media_ids)})"
            values += self.media_ids
        if self.media_type is not None:
            prefix = PREFIX[self.media_type]
            sql += f" AND {column} >= {{}} AND {column} < {{}}"
            values += [prefix, prefix[:-1] + chr(ord(prefix[-1]) + 1)]
        if self.tag is not None:
            (label,) = label_ids(scope, (self.tag,), ())
            sql += (
                f" AND {column} IN (SELECT id FROM video_label WHERE project = {{}} AND environment = {{}} AND label = {{}})"
            )
            values += [scope.project, scope.environment, label]
        return sql, values

    def profile_condition(self, alias: str) -> tuple[str, list[Any]]:
        """Return what a statement's WHERE adds for the audience, and its values. alias: of the table of profiles."""
        sql = ""
        values: list[Any] = []
        for dimension, wanted in self.of_profile().items():
            sql += in_list(f"{alias}.{dimension}", wanted)
            values += wanted
        return sql, values


def in_list(column: str, values: tuple[str, ...]) -> str:
    """Return ` AND column IN (…)`, also for no value at all."""
    return f" AND {column} IN ({', '.join('{}' for _ in values)})" if values else " AND 1 = 0"
