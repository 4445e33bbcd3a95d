"""Summaries of videos, one of each: written by their owner, or by a plugin from what is said."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Literal

import msgspec
from piccolo.columns import JSONB, Column, Text, Timestamptz

from reelkit.catalog.binding import transaction
from reelkit.catalog.ids import new_id
from reelkit.catalog.packing import pack, sentence, storable, unpack
from reelkit.catalog.scope import Owned, Scope, Scoped, scoped
from reelkit.catalog.video_pages import Page
from reelkit.catalog.video_rows import VideoRow

__all__ = [
    "Attribute",
    "Origin",
    "SortBy",
    "SourceStatus",
    "Summary",
    "SummaryFilter",
    "SummaryRow",
    "create",
    "end",
    "exists",
    "get",
    "page",
    "remove",
    "summary_of",
    "write",
]

Origin = Literal["api", "auto"]
SourceStatus = Literal["missing", "waiting", "failed", "completed", "unprocessable"]
Attribute = Literal["abstract", "takeaways"]
SortBy = Literal["createdAt", "updatedAt", "videoId"]


class Summary(Owned, frozen=True, kw_only=True):
    """One summary. attributes: the parts that are wanted of it; failure: why there are none, a sentence for people."""

    id: str
    video_id: str
    origin: Origin
    source_status: SourceStatus
    attributes: tuple[Attribute, ...]
    abstract: str | None = None
    takeaways: tuple[str, ...] = ()
    failure: str | None = None
    created_at: datetime
    updated_at: datetime


class SummaryRow(Scoped, tablename="summary"):
    """Table `summary`."""

    id = Text(primary_key=True)
    video_id = Text()
    origin = Text()
    source_status = Text()
    attributes = JSONB()
    abstract = Text(null=True, default=None)
    takeaways = JSONB()
    failure = Text(null=True, default=None)
    created_at = Timestamptz()
    updated_at = Timestamptz()


SORT: dict[SortBy, Column] = {
    "createdAt": SummaryRow.created_at,
    "updatedAt": SummaryRow.updated_at,
    "videoId": SummaryRow.video_id,
}


class SummaryFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which summaries: all conditions hold."""

    video_id: str | None = None
    origin: str | None = None
    source_status: str | None = None


async def create(scope: Scope, video_id: str, origin: Origin, attributes: tuple[Attribute, ...]) -> Summary | None:
    """Create a summary of a video: `api` misses its text, `auto` waits for it. None when the video has one, or is gone."""
    now = datetime.now(UTC)
    summary = Summary(
        id=new_id("summary_"),
        video_id=video_id,
        project=scope.project,
        environment=scope.environment,
        origin=origin,
        source_status="missing" if origin == "api" else "waiting",
        attributes=attributes,
        created_at=now,
        updated_at=now,
    )
    async with transaction():
        # The video's row, so that of two who ask at once one is refused.
        video = await scoped(VideoRow, scope).one(VideoRow.id == video_id, lock=True)
        if video is None or await scoped(SummaryRow, scope).one(SummaryRow.video_id == video_id) is not None:
            return None
        values = msgspec.structs.asdict(summary)
        packed = {name: pack(values[name]) for name in ("attributes", "takeaways")}
        await scoped(SummaryRow, scope).insert(**{**values, **packed})
    return summary


async def get(scope: Scope, id: str) -> Summary | None:
    """Return a summary by its id."""
    row = await scoped(SummaryRow, scope).one(SummaryRow.id == id) if storable(id) else None
    return None if row is None else summary_of(row)


async def exists(scope: Scope, video_id: str) -> bool:
    """Tell whether a video has a summary, or will have one."""
    return await scoped(SummaryRow, scope).one(SummaryRow.video_id == video_id) is not None


async def page(
    scope: Scope,
    filter: SummaryFilter | None = None,
    sort_by: SortBy = "createdAt",
    sort_order: Literal["asc", "desc"] = "desc",
    current_page: int = 1,
    page_size: int = 25,
) -> Page[Summary]:
    """Return summaries that match, in a total order."""
    filter = filter or SummaryFilter()
    columns = {
        SummaryRow.video_id: filter.video_id,
        SummaryRow.origin: filter.origin,
        SummaryRow.source_status: filter.source_status,
    }
    where = [column == value for column, value in columns.items() if value is not None]
    if not all(storable(value) for value in columns.values() if value is not None):
        return Page((), 0)
    total = await scoped(SummaryRow, scope).count(*where)
    query = scoped(SummaryRow, scope).select()
    if where:
        query = query.where(*where)
    ordered = query.order_by(SORT[sort_by], SummaryRow.id, ascending=sort_order == "asc")
    skip = (current_page - 1) * page_size
    rows = await ordered.limit(page_size).offset(skip) if skip < total else []
    return Page(tuple(summary_of(row) for row in rows), total)


async def write(
    scope: Scope, id: str, *, abstract: str | None, takeaways: tuple[str, ...], waiting: bool = False
) -> Summary | None:
    """Put a text in place of the one that is there, and return the summary then.

    waiting: only while it waits for one, as a job does; else only while it does not. None when it is gone or otherwise.
    """
    values = {
        SummaryRow.source_status: "completed",
        SummaryRow.abstract: abstract,
        SummaryRow.takeaways: pack(takeaways),
        SummaryRow.failure: None,
    }
    return await _change(scope, id, values, waiting)


async def end(scope: Scope, id: str, status: Literal["failed", "unprocessable"], reason: str) -> Summary | None:
    """Note why a summary that waits for a text gets none. None when it is gone or waits no more."""
    values = {SummaryRow.source_status: status, SummaryRow.failure: sentence(reason)}
    return await _change(scope, id, values, waiting=True)


async def remove(scope: Scope, id: str) -> Summary | None:
    """Delete a summary and return what it was."""
    removed = scoped(SummaryRow, scope).delete().where(SummaryRow.id == id).returning(*SummaryRow.all_columns())
    rows = await removed if storable(id) else []
    return summary_of(rows[0]) if rows else None


def summary_of(row: dict[str, Any]) -> Summary:
    """Return the Summary of a row."""
    attributes = unpack(row["attributes"], tuple[Attribute, ...]) or ()
    takeaways = unpack(row["takeaways"], tuple[str, ...]) or ()
    return Summary(**{**row, "attributes": attributes, "takeaways": takeaways})


async def _change(scope: Scope, id: str, values: dict[Any, Any], waiting: bool) -> Summary | None:
    status = SummaryRow.source_status
    changed = scoped(SummaryRow, scope).update({**values, SummaryRow.updated_at: datetime.now(UTC)})
    fitting = changed.where(SummaryRow.id == id, status == "waiting" if waiting else status != "waiting")
    rows = await fitting.returning(*SummaryRow.all_columns())
    return summary_of(rows[0]) if rows else None
