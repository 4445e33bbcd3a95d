"""Queries of analytics: their window, their filters, and what is wrong with them in the contract's words."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, Final, cast

from reelkit.api.pagination import PageRequest, requested_page
from reelkit.api.queries import Query
from reelkit.catalog.analytics.events import HOUR, MINUTE, VIEWS, MediaType
from reelkit.catalog.analytics.filters import Filter, Window
from reelkit.catalog.analytics.geography import CONTINENTS
from reelkit.catalog.analytics.retention import DAY, KEPT, SLACK
from reelkit.catalog.scope import Scope
from reelkit.problems import Problem, RequestInvalidQueryParameter, every

__all__ = ["INTERVALS", "AnalyticsQuery", "iso"]

INTERVALS: Final = {"minute": MINUTE, "hour": HOUR, "day": DAY}
MINUTES_AT_MOST: Final = 60
HOURLY_UP_TO: Final = 2 * DAY
DAYS_AHEAD: Final = 366
MOST_VALUES: Final = 100
"""Values of one filter."""
LONGEST_VALUE: Final = 2048

WINDOW: Final = ("from", "to", "unique", "viewDuration")
LISTS: Final = ("filterBy[mediaId]", "filterBy[continent]", "filterBy[country]", "filterBy[deviceType]")
MORE_LISTS: Final = ("filterBy[operatingSystem]", "filterBy[browser]", "filterBy[referrer]")
OF_MEDIA: Final = ("filterBy[mediaId]", "filterBy[mediaType]")
FILTERS: Final = (*LISTS, *MORE_LISTS, "filterBy[mediaType]", "filterBy[tag]")


class AnalyticsQuery:
    """A query string of `/data/…`. Read everything, then call `check`."""

    def __init__(self, query_string: bytes, more: Iterable[str] = (), *, filters: Iterable[str] = FILTERS) -> None:
        self.query = Query(query_string)
        self.faults: list[Problem] = []
        self.ahead = 0
        """Milliseconds, whole minutes, by which the clock that `from` was read from is ahead of UTC."""
        allowed, filters = {*WINDOW, *more}, set(filters)
        self.found: dict[str, list[str]] = {}
        for name, value in self.query.pairs:
            bare = re.sub(r"(?<=\])\[\d*\]$", "", name)
            if (name not in allowed and bare not in filters) or (bare != name and bare in ("filterBy[mediaType]",)):
                self.fault(name, "This field was not expected.")
            else:
                self.found.setdefault(bare, []).append(value)

    def fault(self, name: str, detail: str) -> None:
        """Note what is wrong with a parameter."""
        self.faults.append(RequestInvalidQueryParameter(name=name, detail=detail))

    def one(self, name: str) -> str | None:
        """Return a parameter, the last one if it comes twice; empty counts as absent."""
        return next((value for value in reversed(self.found.get(name, ())) if value), None)

    def one_of(self, name: str, allowed: Iterable[str]) -> str | None:
        """Return one of the allowed words. Fault: another word."""
        given, words = self.one(name), tuple(allowed)
        if given is not None and given not in words:
            self.fault(name, f"This must be one of {', '.join(words)}.")
            return None
        return given

    def flag(self, name: str) -> bool:
        """Return a boolean, also as Python spells it."""
        given = self.one(name)
        if given is not None and given.lower() not in ("true", "false", "1", "0"):
            self.fault(name, "This must be true or false.")
        return given is not None and given.lower() in ("true", "1")

    def page(self) -> PageRequest:
        """Return the page that is asked for."""
        return requested_page(self.query)

    def unique(self, metric: str) -> bool:
        """Return whether viewers count once. Fault: a metric that has no viewers."""
        unique = self.flag("unique")
        if self.one("unique") is not None and not metric.startswith(("ccv", "view")):
            self.fault("unique", "This parameter can only be used with the metrics ccv and view.")
        return unique

    def view_seconds(self, metric: str) -> int:
        """Return how long a view has to last. Fault: another metric than view."""
        given = self.one_of("viewDuration", [f"{seconds}s" for seconds in VIEWS])
        if self.one("viewDuration") is not None and metric != "view":
            self.fault("viewDuration", "This parameter can only be used with the metric view.")
        return int(given[:-1]) if given else 5

    def window(self, scope: Scope, now: int) -> Window:
        """Return the window: the day before `to` unless told otherwise. now: ms since 1970.

        Faults: no date, an end before the start or too far ahead, a start before what is kept. In a sandbox an older start
        is moved.
        """
        stop = self._moment("to", now)
        start = self._moment("from", stop - DAY)
        if self.faults:
            return Window(now - DAY, now)
        if start >= stop:
            self.fault("from", "This date must be before the date of the parameter to.")
        elif start < now - KEPT["production"] - SLACK:
            self.fault("from", "This date must be at most 30 days ago.")
        elif stop > now + DAYS_AHEAD * DAY:
            self.fault("to", f"This date must be at most {DAYS_AHEAD} days ahead.")
        return Window(max(start, now - KEPT[scope.environment] - SLACK), max(start, stop))

    def interval(self, window: Window) -> str:
        """Return the width of the buckets of a time series. Fault: minutes of more than an hour."""
        given = self.one_of("interval", INTERVALS)
        length = window.stop - window.start
        if given == "minute" and length > MINUTES_AT_MOST * MINUTE:
            self.fault("interval", "This interval cannot be used with a timeframe over 60 minutes.")
        return given or ("hour" if length <= HOURLY_UP_TO else "day")

    def filter(self) -> Filter:
        """Return which playbacks count."""
        for continent in self._values("continent"):
            if continent not in CONTINENTS:
                self.fault("filterBy[continent]", f"This must be one of {', '.join(CONTINENTS)}.")
        for country in self._values("country"):
            if not re.fullmatch(r"[A-Za-z]{2}", country, re.ASCII):
                self.fault("filterBy[country]", "This must be a country code of two letters.")
        media_type = self.one_of("filterBy[mediaType]", ("video", "live-stream"))
        return Filter(
            media_ids=self._values("mediaId"),
            media_type=cast("MediaType | None", media_type),
            tag=self.one("filterBy[tag]"),
            continents=self._values("continent"),
            countries=tuple(country.upper() for country in self._values("country")),
            device_types=tuple(value.lower() for value in self._values("deviceType")),
            operating_systems=tuple(value.lower() for value in self._values("operatingSystem")),
            browsers=tuple(value.lower() for value in self._values("browser")),
            referrers=self._values("referrer"),
        )

    def check(self) -> None:
        """Raise one Problem that tells of every fault found so far."""
        generic = [
            RequestInvalidQueryParameter(name=fault.name, detail=fault.detail or fault.title, range=fault.range)
            for fault in self.query.faults
        ]
        if faults := [*generic, *self.faults]:
            raise every(faults)

    def _values(self, name: str) -> tuple[str, ...]:
        field = f"filterBy[{name}]"
        values = tuple(dict.fromkeys(self.found.get(field, ())))
        if len(values) > MOST_VALUES:
            self.fault(field, f"This takes at most {MOST_VALUES} values.")
            return ()
        if any(len(value) > LONGEST_VALUE for value in values):
            self.fault(field, f"A value has at most {LONGEST_VALUE} characters.")
            return ()
        return values

    def _moment(self, name: str, default: int) -> int:
        given = self.one(name)
        if given is None:
            return default
        # A + that nobody encoded has become a blank.
        text = re.sub(r" (?=\d\d:?\d\d$)", "+", given)
        try:
            moment = datetime.fromisoformat(text)
            offset = moment.utcoffset()
            if offset is None or len(text) < len("2024-02-05T00:00Z"):
                raise ValueError(text)
            if name == "from":
                self.ahead = offset // timedelta(minutes=1) * MINUTE
            return int(moment.timestamp() * 1000)
        except (ValueError, OverflowError):
            self.fault(name, "This must be an ISO-8601 date with its time and offset, as 2024-02-05T00:00:00+01:00.")
            return default


def iso(at: int) -> str:
    """Return a moment as the official clients read it. at: ms since 1970."""
    moment: Any = datetime.fromtimestamp(at // 1000, UTC)
    return str(moment.isoformat())
