"""Where the n-th video of a list is, however long the list: the table `video_rank`.

Each sort order of a scope is cut into stretches of a few thousand videos whose exact counts are kept in the transaction
of every change. A page deep in the list begins at the stretch that holds it, not at the end of the list. Callers hold
the lock of the scope's count row (`videos` does), so that stretches change one transaction at a time.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Literal

import msgspec
from piccolo.columns import BigInt, Column, Text
from piccolo.columns.combination import WhereRaw
from piccolo.custom_types import Combinable

from reelkit.catalog.ids import new_id
from reelkit.catalog.scope import Scope, Scoped, scoped
from reelkit.catalog.video_rows import VideoRow

__all__ = ["LONGEST", "SORTS", "Sort", "Stretch", "at_or_after", "enter", "find", "leave", "split"]

Sort = Literal["title", "createdAt", "updatedAt"]

SORTS: dict[Sort, Column] = {
    "title": VideoRow.title_folded,
    "createdAt": VideoRow.created_at,
    "updatedAt": VideoRow.updated_at,
}
USUAL = 2500
"""Videos of a stretch when it was just cut."""
LONGEST = 2 * USUAL


class Stretch(msgspec.Struct, frozen=True):
    """Some neighbours in a sort order. before: videos of the list that precede it; key, id: see `at_or_after`."""

    before: int
    total: int
    key: str
    id: str


class VideoRankRow(Scoped, tablename="video_rank"):
    """Table `video_rank`. first_key, first_id: where a stretch begins; the first one at the empty text."""

    id = Text(primary_key=True)
    sort = Text()
    first_key = Text()
    first_id = Text()
    total = BigInt()


async def enter(scope: Scope, id: str, keys: dict[Sort, Any], length: int) -> None:
    """Count a video that joined the lists, in the open transaction. keys: its values; length: of the list with it."""
    for sort, key in keys.items():
        await _count(scope, sort, _text(key), id, +1, length)


async def leave(scope: Scope, id: str, keys: dict[Sort, Any], length: int) -> None:
    """Count a video that left the lists, or is about to stand elsewhere. keys: what it was listed under."""
    for sort, key in keys.items():
        await _count(scope, sort, _text(key), id, -1, length)


async def find(scope: Scope, sort: Sort, position: int) -> Stretch | None:
    """Return the stretch that holds the video at a position, from 0 in ascending order; None when none is counted."""
    rows = scoped(VideoRankRow, scope).select(VideoRankRow.first_key, VideoRankRow.first_id, VideoRankRow.total)
    before, found = 0, None
    for row in await rows.where(VideoRankRow.sort == sort).order_by(VideoRankRow.first_key, VideoRankRow.first_id):
        if found is not None and position < before:
            break
        found = Stretch(before, row["total"], row["first_key"], row["first_id"])
        before += row["total"]
    return found


def at_or_after(sort: Sort, key: str, id: str) -> Combinable | None:
    """Return the WHERE of the videos at a place in a sort order and after it; None at the very beginning."""
    if not key and not id:
        return None
    return WhereRaw(f"(video.{SORTS[sort]._meta.name}, video.id) >= ({{}}, {{}})", _value(sort, key), id)


async def split(scope: Scope, sort: Sort, key: str, id: str) -> None:
    """Cut the stretch that begins at a place into pieces of the usual length, each counted anew.

    A list that was never counted, e.g. after a migration or an import by SQL, is cut as a whole.
    """
    ranks = scoped(VideoRankRow, scope)
    starts = (VideoRankRow.first_key, VideoRankRow.first_id)
    where = VideoRankRow.sort == sort
    beyond = WhereRaw("(video_rank.first_key, video_rank.first_id) > ({}, {})", key, id)
    following = await ranks.select().where(where, beyond).order_by(*starts).limit(1)
    await ranks.delete().where(where, VideoRankRow.first_key == key, VideoRankRow.first_id == id)
    column = SORTS[sort]
    before_next: list[Combinable] = []
    if following:
        end = (_value(sort, following[0]["first_key"]), following[0]["first_id"])
        before_next = [WhereRaw(f"(video.{column._meta.name}, video.id) < ({{}}, {{}})", *end)]
    while True:
        inside = [VideoRow.discarded_at.is_null(), *before_next]
        if (start := at_or_after(sort, key, id)) is not None:
            inside.append(start)
        videos = scoped(VideoRow, scope)
        ordered = videos.select(column, VideoRow.id).where(*inside).order_by(column, VideoRow.id)
        cut = await ordered.limit(1).offset(USUAL)
        # Everything up to the end when no cut is left: fewer than that, so counting is cheap.
        total = USUAL if cut else await videos.count(*inside)
        await _insert(scope, sort, key, id, total)
        if not cut:
            return
        key, id = _text(cut[0][column._meta.name]), cut[0]["id"]


async def _count(scope: Scope, sort: Sort, key: str, id: str, change: int, length: int) -> None:
    ranks = scoped(VideoRankRow, scope)
    upto = WhereRaw("(video_rank.first_key, video_rank.first_id) <= ({}, {})", key, id)
    query = ranks.select().where(VideoRankRow.sort == sort, upto)
    found = await query.order_by(VideoRankRow.first_key, VideoRankRow.first_id, ascending=False).limit(1)
    if not found:
        await _insert(scope, sort, "", "", length)
        return
    (row,) = found
    total = row["total"] + change
    this = VideoRankRow.id == row["id"]
    if total <= 0 and row["first_id"]:
        await ranks.delete().where(this)
    else:
        await ranks.update({VideoRankRow.total: VideoRankRow.total + change}).where(this)
    if total > LONGEST and change > 0:
        await split(scope, sort, row["first_key"], row["first_id"])


async def _insert(scope: Scope, sort: Sort, key: str, id: str, total: int) -> None:
    await scoped(VideoRankRow, scope).insert(id=new_id("vr"), sort=sort, first_key=key, first_id=id, total=total)


def _text(key: Any) -> str:
    """Return a value as a text that sorts as the value does."""
    if isinstance(key, datetime):
        return key.astimezone(UTC).isoformat(timespec="microseconds")
    return str(key)


def _value(sort: Sort, text: str) -> Any:
    return text if sort == "title" else datetime.fromisoformat(text)
