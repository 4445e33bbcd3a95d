"""Analytics over HTTP: aggregated metrics, breakdowns, and metrics over time."""

from __future__ import annotations

import time
from typing import Any, Final

import msgspec
from litestar import Request, get
from litestar.di import NamedDependency
from litestar.params import FromPath

from reelkit.access.principal import Principal
from reelkit.api.analytics_collector import watch
from reelkit.api.analytics_query import INTERVALS, OF_MEDIA, AnalyticsQuery, iso
from reelkit.api.pagination import PageRequest, Pagination, paginate
from reelkit.catalog.analytics import counting, events, presence
from reelkit.catalog.analytics.counting import ALL, MEDIA, Counted, Every, Key
from reelkit.catalog.analytics.events import SLOT, VIEWS
from reelkit.catalog.analytics.filters import Filter, Window
from reelkit.catalog.scope import Scope
from reelkit.problems import UnrecognizedUrl

__all__ = ["HANDLERS", "AggregatedMetric", "Breakdown", "OverTime"]

AGGREGATIONS: Final = {
    "play": ("count", "rate", "total", "sum"),
    "start": ("count",),
    "end": ("count",),
    "impression": ("count",),
    "impression-time": ("average", "sum"),
    "watch-time": ("average", "sum"),
    "ccv": ("peak", "live", "average"),
    "view": ("count",),
}
COUNTS: Final = {
    "play": events.PLAY,
    "start": events.START,
    "end": events.END,
    "impression": events.IMPRESSION,
}
TAKEN_APART: Final = ("play", "play-rate", "start", "end", "impression", "ccv-peak", "ccv-average", "view")
DIMENSIONS: Final = {
    "media-id": counting.MEDIA,
    "media-type": counting.MEDIA_TYPE,
    "continent": counting.CONTINENT,
    "country": "country",
    "device-type": "device_type",
    "operating-system": "operating_system",
    "browser": "browser",
    "referrer": "referrer",
}
LIVE: Final = 2 * SLOT
SORTED: Final = ("sortBy", "sortOrder", "currentPage", "pageSize")


class Timeframe(msgspec.Struct, frozen=True, rename={"start": "from", "stop": "to"}):
    """The window of an answer: start <= t < stop."""

    start: str
    stop: str


class Context(msgspec.Struct, frozen=True, omit_defaults=True):
    """What an answer is about. Values that the official Python client cannot read in its enums are left out."""

    metric: str | None = None
    aggregation: str | None = None
    breakdown: str | None = None
    interval: str | None = None
    timeframe: Timeframe | None = None


class AggregatedMetric(msgspec.Struct, frozen=True):
    """The contract's `analytics-aggregated-metrics-response`."""

    context: Context
    data: float


class DimensionValue(msgspec.Struct, frozen=True, rename="camel"):
    """One value of a breakdown."""

    dimension_value: str
    metric_value: float


class Breakdown(msgspec.Struct, frozen=True):
    """The contract's `analytics-metrics-breakdown-response`."""

    context: Context
    data: tuple[DimensionValue, ...]
    pagination: Pagination


class MomentValue(msgspec.Struct, frozen=True, rename="camel"):
    """One bucket of time; emitted_at: where it begins."""

    emitted_at: str
    metric_value: float


class OverTime(msgspec.Struct, frozen=True):
    """The contract's `analytics-metrics-over-time-response`."""

    context: Context
    data: tuple[MomentValue, ...]
    pagination: Pagination


@get("/data/metrics/{metric:str}/{aggregation:str}", operation_id="GET_aggregated-metrics")
async def aggregated(
    request: Request[Any, Any, Any], principal: NamedDependency[Principal], metric: FromPath[str], aggregation: FromPath[str]
) -> AggregatedMetric:
    """Answer one number."""
    if aggregation not in AGGREGATIONS.get(metric, ()):
        raise UnrecognizedUrl
    query_string, scope = request.scope["query_string"], principal.scope
    if aggregation == "total":
        query = AnalyticsQuery(query_string, filters=OF_MEDIA)
        query.unique(metric)
        query.view_seconds(metric)
        wanted = query.filter()
        query.check()
        total = await counting.total_plays(scope, wanted)
        return AggregatedMetric(Context(metric, aggregation), total.get("", 0))
    query = AnalyticsQuery(query_string)
    now = present()
    window, wanted = query.window(scope, now), query.filter()
    unique, seconds = query.unique(metric), query.view_seconds(metric)
    query.check()
    if aggregation == "live":
        window = Window(now - LIVE, now)
    values = await measured(scope, metric, aggregation, window.until(now), wanted, ALL, unique, seconds)
    context = Context(
        named(metric, unique, seconds),
        aggregation if aggregation not in ("peak", "live") else None,
        timeframe=timeframe(window),
    )
    return AggregatedMetric(context, values.get("", 0))


@get("/data/buckets/{metric:str}/{breakdown:str}", operation_id="GET_metrics-breakdown")
async def broken_down(
    request: Request[Any, Any, Any], principal: NamedDependency[Principal], metric: FromPath[str], breakdown: FromPath[str]
) -> Breakdown:
    """Answer a metric for each value of a dimension, the highest first unless asked otherwise."""
    total = metric == "play-total" and breakdown == "media-id"
    if not total and (metric not in TAKEN_APART or breakdown not in DIMENSIONS):
        raise UnrecognizedUrl
    query = AnalyticsQuery(request.scope["query_string"], SORTED, **({"filters": OF_MEDIA} if total else {}))
    scope, now = principal.scope, present()
    window, wanted = Window(0, now) if total else query.window(scope, now), query.filter()
    unique, seconds = query.unique(metric), query.view_seconds(metric)
    by_value = query.one_of("sortBy", ("metricValue", "dimensionValue")) != "dimensionValue"
    order = query.one_of("sortOrder", ("asc", "desc")) or ("desc" if by_value else "asc")
    page = query.page()
    query.check()
    values: dict[str, float]
    if total:
        values = dict(await counting.total_plays(scope, wanted, MEDIA))
    else:
        by = DIMENSIONS[breakdown]
        values = await measured(scope, *split(metric), window.until(now), wanted, by, unique, seconds)
    # A viewer whose country is not known is in none; one without a referrer came by himself.
    known = [(name, value) for name, value in values.items() if name or breakdown == "referrer"]
    # Equal values keep the order of names whichever way, so that pages do not overlap.
    known.sort(key=lambda pair: pair[0], reverse=order == "desc" and not by_value)
    if by_value:
        known.sort(key=lambda pair: pair[1], reverse=order == "desc")
    shown = cut(known, page)
    context = Context(
        None if total else named(metric, unique, seconds),
        breakdown=breakdown if breakdown != "referrer" else None,
        timeframe=None if total else timeframe(window),
    )
    pagination = paginate(f"/data/buckets/{metric}/{breakdown}", query.query, page, len(shown), len(known))
    return Breakdown(context, tuple(DimensionValue(*pair) for pair in shown), pagination)


@get("/data/timeseries/{metric:str}", operation_id="GET_metrics-over-time")
async def over_time(
    request: Request[Any, Any, Any], principal: NamedDependency[Principal], metric: FromPath[str]
) -> OverTime:
    """Answer a metric for each minute, hour or day of a window, the oldest first unless asked otherwise.

    Days begin at midnight of the offset that `from` is written with.
    """
    if metric not in TAKEN_APART:
        raise UnrecognizedUrl
    query = AnalyticsQuery(request.scope["query_string"], (*SORTED, "interval"))
    scope, now = principal.scope, present()
    window, wanted = query.window(scope, now), query.filter()
    unique, seconds = query.unique(metric), query.view_seconds(metric)
    interval = query.interval(window)
    by_value = query.one_of("sortBy", ("emittedAt", "metricValue")) == "metricValue"
    order = query.one_of("sortOrder", ("asc", "desc")) or ("desc" if by_value else "asc")
    page = query.page()
    query.check()
    by = Every(INTERVALS[interval], query.ahead)
    values = await measured(scope, *split(metric), window.until(now), wanted, by, unique, seconds)
    numbers = range(by.number(window.start), by.number(window.stop - 1) + 1)
    buckets = [(number, values.get(number, 0)) for number in numbers]
    buckets.sort(key=lambda pair: pair[0], reverse=order == "desc" and not by_value)
    if by_value:
        buckets.sort(key=lambda pair: pair[1], reverse=order == "desc")
    shown = cut(buckets, page)
    pagination = paginate(f"/data/timeseries/{metric}", query.query, page, len(shown), len(buckets))
    context = Context(named(metric, unique, seconds), interval=interval, timeframe=timeframe(window))
    return OverTime(context, tuple(MomentValue(iso(by.begin(number)), value) for number, value in shown), pagination)


async def measured(
    scope: Scope, metric: str, how: str, window: Window, wanted: Filter, by: Key, unique: bool, seconds: int
) -> dict[Any, float]:
    """Return a metric by key. how: its aggregation; seconds: that a view lasts at least."""

    async def counts(kind: int) -> dict[Any, Counted]:
        return await counting.counted(scope, kind, window, wanted, by)

    if metric == "ccv":
        watching = await presence.concurrent(scope, window, wanted, by, unique=unique)
        return {key: found.average if how == "average" else found.peak for key, found in watching.items()}
    if metric == "view":
        if unique:
            return dict(await counting.unique_viewers(scope, VIEWS[seconds], window, wanted, by))
        return {key: found.hits for key, found in (await counts(VIEWS[seconds])).items()}
    if metric == "impression-time":
        loading = await counts(events.LOADING)
        return {key: found.amount / (found.hits if how == "average" else 1) for key, found in loading.items()}
    plays = await counts(events.PLAY) if metric in ("watch-time", "play") else {}
    if metric == "watch-time":
        watched = await counts(events.WATCH)
        if how == "sum":
            return {key: found.amount / 1000 for key, found in watched.items()}
        return {key: found.amount / 1000 / plays[key].hits for key, found in watched.items() if key in plays}
    if metric == "play" and how == "rate":
        shown = await counts(events.IMPRESSION)
        return {key: plays[key].hits / found.hits if key in plays else 0 for key, found in shown.items()}
    counted = plays if metric == "play" else await counts(COUNTS[metric])
    return {key: found.hits for key, found in counted.items()}


def split(metric: str) -> tuple[str, str]:
    """Return the metric and the aggregation of `play-rate`, `ccv-peak` or `view`."""
    what, _, how = metric.partition("-")
    return what, how or "count"


def named(metric: str, unique: bool, seconds: int) -> str:
    """Return a metric as the context echoes it: `view-5`, `unique-ccv-peak`."""
    name = f"view-{seconds}" if metric == "view" else metric
    return f"unique-{name}" if unique else name


def timeframe(window: Window) -> Timeframe:
    """Return a window as the context echoes it."""
    return Timeframe(iso(window.start), iso(window.stop))


def cut(items: list[tuple[Any, float]], page: PageRequest) -> list[tuple[Any, float]]:
    """Return the items of a page."""
    return items[(page.number - 1) * page.size : page.number * page.size]


def present() -> int:
    """Return the ms since 1970."""
    return time.time_ns() // 1_000_000


HANDLERS = (watch, aggregated, broken_down, over_time)
