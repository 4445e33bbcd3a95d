"""Lists of videos in pages: whatever is filtered or however deep the page, what is walked is short."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from time import monotonic
from typing import Any, Generic, Literal, TypeVar

import msgspec
from piccolo.columns import Column
from piccolo.columns.combination import WhereRaw
from piccolo.custom_types import Combinable

from reelkit.catalog import labels, ranks
from reelkit.catalog.binding import transaction
from reelkit.catalog.labels import VideoLabelRow, escaped
from reelkit.catalog.packing import fold, storable
from reelkit.catalog.scope import Scope, scoped
from reelkit.catalog.video_rows import COLUMNS, Metadata, Video, VideoCountRow, VideoRow, video_of

__all__ = ["SORT", "Page", "SortBy", "VideoFilter", "lock_lists", "page"]

SortBy = Literal["title", "createdAt", "publishedAt", "updatedAt"]
Order = Literal["asc", "desc"]

T = TypeVar("T")

SORT: dict[SortBy, Column] = {
    "title": VideoRow.title_folded,
    "createdAt": VideoRow.created_at,
    "publishedAt": VideoRow.created_at,  # a video is published when it is created
    "updatedAt": VideoRow.updated_at,
}
SHORT = 2000
"""Videos of a list that may be walked over to reach a page: about as long as reading the page takes."""

COUNT_SECONDS = 10.0
COUNTS = 1000
"""How many counts are remembered, of common labels together and of texts that many videos have, and for how long."""

_counts: dict[tuple[str, ...], tuple[int, float]] = {}


class VideoFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which videos: all conditions hold. title, description: contained, ignoring case and accents; tags: each of them."""

    title: str | None = None
    description: str | None = None
    tags: tuple[str, ...] = ()
    metadata: tuple[Metadata, ...] = ()
    live_stream_id: str | None = None


class Page(msgspec.Struct, Generic[T], frozen=True):
    """Some items of a list. total: how many the whole list has."""

    items: tuple[T, ...]
    total: int


async def page(
    scope: Scope,
    filter: VideoFilter | None = None,
    sort_by: SortBy = "createdAt",
    sort_order: Order = "desc",
    current_page: int = 1,
    page_size: int = 25,
    *,
    discarded: bool = False,
) -> Page[Video]:
    """Return one page of the videos that match, in a total order. current_page: from 1; discarded: of those instead."""
    filter = filter or VideoFilter()
    if not all(storable(text) for text in _texts(filter)):
        return Page((), 0)
    wanted = labels.label_ids(scope, filter.tags, filter.metadata, discarded)
    carried = await labels.totals(scope, list(wanted))
    if len(carried) < len(wanted):
        return Page((), 0)
    # The rarest first: it leads, the others are looked up.
    by_number = sorted(carried, key=lambda label: carried[label])
    skip = (current_page - 1) * page_size
    where = _conditions(filter)
    if by_number and not where and SORT[sort_by] is VideoRow.created_at:
        return await _labelled(scope, by_number, carried, sort_order, skip, page_size)
    if by_number and carried[by_number[0]] <= SHORT:
        return await _few(scope, by_number, where, sort_by, sort_order, skip, page_size)
    where += [labels.carries(label, "video") for label in by_number]
    state = VideoRow.discarded_at.is_not_null() if discarded else VideoRow.discarded_at.is_null()
    if filter.title is not None or filter.description is not None:
        found = await _searched(scope, filter, [state, *where], SORT[sort_by])
        if len(found) <= SHORT:
            found.sort(reverse=sort_order == "desc")
            return Page(await _videos(scope, [id for _, id in found[skip : skip + page_size]]), len(found))
    if not where:
        total = await _counted(scope, discarded)
    elif len(where) == len(by_number) == 1:
        total = carried[by_number[0]]
    else:
        total = await _matching(scope, filter, [state, *where], discarded)
    if skip >= total:
        return Page((), total)
    taken = min(page_size, total - skip)
    position = skip if sort_order == "asc" else total - skip - taken
    plain = not where and not discarded
    if plain and position > SHORT and total - position - taken > SHORT:
        ids = await _ranked(scope, sort_by, position, taken)
        return Page(await _videos(scope, ids if sort_order == "asc" else ids[::-1]), total)
    # The last page costs as little as the first.
    up = position <= total // 2
    offset = position if up else total - position - taken
    finding = scoped(VideoRow, scope).select(VideoRow.id).where(state, *where)
    rows = await finding.order_by(SORT[sort_by], VideoRow.id, ascending=up).limit(taken).offset(offset)
    ids = [row["id"] for row in rows]
    return Page(await _videos(scope, ids if up == (sort_order == "asc") else ids[::-1]), total)


async def lock_lists(scope: Scope) -> None:
    """Queue behind every other change of a scope's lists, until the open transaction ends."""
    counts = scoped(VideoCountRow, scope)
    none = {VideoCountRow.total: VideoCountRow.total + 0}
    if not await counts.update(none).returning(VideoCountRow.total):
        insert = counts.insert(id=f"{scope.project}/{scope.environment}", total=0, discarded=0)
        await insert.on_conflict(action="DO NOTHING")
        await counts.update(none)


async def _ranked(scope: Scope, sort_by: SortBy, position: int, taken: int) -> list[str]:
    """Return the ids at a position in ascending order, reached by counted stretches."""
    sort: ranks.Sort = "createdAt" if sort_by == "publishedAt" else sort_by
    stretch = await ranks.find(scope, sort, position)
    if stretch is None or stretch.total > ranks.LONGEST:
        # Never counted finely, e.g. after a migration: once.
        async with transaction():
            await lock_lists(scope)
            stretch = await ranks.find(scope, sort, position)
            if stretch is None or stretch.total > ranks.LONGEST:
                await ranks.split(scope, sort, *(("", "") if stretch is None else (stretch.key, stretch.id)))
        stretch = await ranks.find(scope, sort, position)
    if stretch is None:
        return []
    where: list[Combinable] = [VideoRow.discarded_at.is_null()]
    if (start := ranks.at_or_after(sort, stretch.key, stretch.id)) is not None:
        where.append(start)
    finding = scoped(VideoRow, scope).select(VideoRow.id).where(*where).order_by(SORT[sort_by], VideoRow.id)
    return [row["id"] for row in await finding.limit(taken).offset(position - stretch.before)]


async def _labelled(
    scope: Scope, by_number: Sequence[str], carried: dict[str, int], sort_order: Order, skip: int, page_size: int
) -> Page[Video]:
    """Return a page of the videos that carry every label, by the date of their creation."""
    links, where = scoped(VideoLabelRow, scope), _linked(by_number)
    total = carried[by_number[0]] if len(by_number) == 1 else await _intersection(scope, by_number, carried)
    if skip >= total:
        return Page((), total)
    taken = min(page_size, total - skip)
    backwards = skip > total // 2
    offset = total - skip - taken if backwards else skip
    up = (sort_order == "asc") != backwards
    finding = links.select(VideoLabelRow.id).where(*where)
    rows = await finding.order_by(VideoLabelRow.created_at, VideoLabelRow.id, ascending=up).limit(taken).offset(offset)
    ids = [row["id"] for row in rows]
    return Page(await _videos(scope, ids[::-1] if backwards else ids), total)


async def _few(
    scope: Scope,
    by_number: Sequence[str],
    where: Sequence[Combinable],
    sort_by: SortBy,
    sort_order: Order,
    skip: int,
    page_size: int,
) -> Page[Video]:
    """Return a page of the videos that carry every label, when few carry one of them: all are read, then sorted here.

    Databases would rather walk the list in the order asked for until they have met enough of them (800 ms at a million).
    """
    linked = await scoped(VideoLabelRow, scope).select(VideoLabelRow.id).where(*_linked(by_number))
    if not linked:
        return Page((), 0)
    column = SORT[sort_by]
    rows = scoped(VideoRow, scope).select(VideoRow.id, column)
    matching = await rows.where(VideoRow.id.is_in([row["id"] for row in linked]), *where)
    found = [(row[column._meta.name], row["id"]) for row in matching]
    found.sort(reverse=sort_order == "desc")
    return Page(await _videos(scope, [id for _, id in found[skip : skip + page_size]]), len(found))


def _linked(by_number: Sequence[str]) -> list[Combinable]:
    """Return the WHERE of links to videos that carry every label; the first one leads."""
    lead, *others = by_number
    return [VideoLabelRow.label == lead, *(labels.carries(label, "video_label") for label in others)]


async def _intersection(scope: Scope, by_number: Sequence[str], carried: dict[str, int]) -> int:
    """Count the videos that carry every label. Where that are many, the count may be some seconds old."""
    known = _counts.get(tuple(by_number))
    if known is not None and known[1] > monotonic():
        return known[0]
    total = await scoped(VideoLabelRow, scope).count(*_linked(by_number))
    _remember(tuple(by_number), total, many=carried[by_number[0]] > SHORT)
    return total


async def _searched(scope: Scope, filter: VideoFilter, where: Sequence[Combinable], column: Column) -> list[tuple[Any, str]]:
    """Return what the videos that match are sorted by, with their ids, in no order; of very many only some.

    Every text is looked at, in the order in which they are stored: in the order asked for a million took 12 s, now 0.4 s,
    by title 0.2 s.
    """
    where = list(where)
    if filter.description is not None:
        # Holds for all. SQLite would otherwise look up each video in the order of some other index.
        where.append(VideoRow.created_at >= datetime.fromtimestamp(0, UTC))
    # A title is found in its index alone; what it is sorted by is read of those that match.
    rows = await scoped(VideoRow, scope).select(VideoRow.id, column).where(*where).limit(SHORT + 1)
    return [(row[column._meta.name], row["id"]) for row in rows]


async def _matching(scope: Scope, filter: VideoFilter, where: Sequence[Combinable], discarded: bool) -> int:
    """Count the videos that match. Every text is looked at, so where that are many, the count may be some seconds old."""
    asked = (scope.project, scope.environment, str(discarded), repr(filter))
    known = _counts.get(asked)
    if known is not None and known[1] > monotonic():
        return known[0]
    # As in _searched.
    oldest = [VideoRow.created_at >= datetime.fromtimestamp(0, UTC)] if filter.description is not None else []
    total = await scoped(VideoRow, scope).count(*where, *oldest)
    _remember(asked, total, many=total > SHORT)
    return total


def _remember(asked: tuple[str, ...], total: int, *, many: bool) -> None:
    if not many:
        return
    if len(_counts) >= COUNTS:
        _counts.clear()
    _counts[asked] = total, monotonic() + COUNT_SECONDS


async def _videos(scope: Scope, ids: Sequence[str]) -> tuple[Video, ...]:
    """Read the rows of a page, in this order.

    Not in one statement with finding them: SQLite would rather walk all rows of the scope in the order asked for (247 ms
    at a million) than look up 25.
    """
    if not ids:
        return ()
    rows = await scoped(VideoRow, scope).select(*COLUMNS).where(VideoRow.id.is_in(list(ids)))
    found = {row["id"]: row for row in rows}
    return tuple(video_of(found[id]) for id in ids if id in found)


def _texts(filter: VideoFilter) -> list[str]:
    pairs = [text for pair in filter.metadata for text in (pair.key, pair.value)]
    return [filter.title or "", filter.description or "", filter.live_stream_id or "", *filter.tags, *pairs]


def _conditions(filter: VideoFilter) -> list[Combinable]:
    """Return the WHERE of what is no label."""
    where: list[Combinable] = []
    for column, text in (("title_folded", filter.title), ("description_folded", filter.description)):
        if text is not None:
            where.append(WhereRaw(f"video.{column} LIKE {{}} ESCAPE '!'", f"%{escaped(fold(text))}%"))
    if filter.live_stream_id is not None:
        where.append(VideoRow.live_stream_id == filter.live_stream_id)
    return where


async def _counted(scope: Scope, discarded: bool) -> int:
    row: dict[str, Any] | None = await scoped(VideoCountRow, scope).one()
    return 0 if row is None else int(row["discarded" if discarded else "total"])
