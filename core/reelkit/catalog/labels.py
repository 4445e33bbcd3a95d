"""Tags and metadata, by which videos are filtered: how many videos carry each, and which.

A label is one tag or one pair of metadata, of the videos that are listed or of those that are discarded. Its id is a
digest, so that the length of texts does not matter to the indexes.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from typing import Any, Literal

import msgspec
from piccolo.columns import BigInt, Text, Timestamptz
from piccolo.columns.combination import WhereRaw
from piccolo.custom_types import Combinable

from reelkit.catalog.packing import fold, pack, storable
from reelkit.catalog.scope import Scope, Scoped, scoped
from reelkit.catalog.video_rows import Metadata, Video

__all__ = ["Tag", "TagPage", "VideoLabelRow", "attach", "carries", "detach", "escaped", "label_ids", "tags", "totals"]


class Tag(msgspec.Struct, frozen=True, rename="camel"):
    """A tag and how many videos carry it."""

    value: str
    video_count: int


class TagPage(msgspec.Struct, frozen=True):
    """Some tags. total: how many the whole list has."""

    items: tuple[Tag, ...]
    total: int


CARRIES = {
    "video": "(SELECT 1 FROM video_label other WHERE other.project = video.project"
    " AND other.environment = video.environment AND other.label = {}"
    " AND other.created_at = video.created_at AND other.id = video.id) = 1",
    "video_label": "(SELECT 1 FROM video_label other WHERE other.project = video_label.project"
    " AND other.environment = video_label.environment AND other.label = {}"
    " AND other.created_at = video_label.created_at AND other.id = video_label.id) = 1",
}
"""One look-up a row. EXISTS says the same, but Postgres makes a join of it and sorts all that carry a common tag."""


class LabelRow(Scoped, tablename="label"):
    """Table `label`."""

    id = Text(primary_key=True)
    kind = Text()
    value = Text()
    value_folded = Text()
    total = BigInt()


class VideoLabelRow(Scoped, tablename="video_label"):
    """Table `video_label`. id: of the video; the key is all of the row, Piccolo only wants one column to be called so."""

    id = Text(primary_key=True)
    label = Text()
    created_at = Timestamptz()


def label_ids(
    scope: Scope, tags: Sequence[str], metadata: Sequence[Metadata], discarded: bool = False
) -> dict[str, tuple[str, str]]:
    """Return the labels of tags and metadata: id → (kind, value). The value of metadata is not kept."""
    state = "discarded " if discarded else ""
    named = [(f"{state}tag", tag, tag) for tag in tags]
    named += [(f"{state}metadata", pack([pair.key, pair.value]), "") for pair in metadata]
    return {
        sha256(pack([scope.project, scope.environment, kind, text]).encode()).hexdigest()[:32]: (kind, value)
        for kind, text, value in named
    }


async def attach(scope: Scope, video: Video) -> None:
    """Note the labels of a video that joins the list of its state, in the open transaction."""
    labels = label_ids(scope, video.tags, video.metadata, video.discarded_at is not None)
    known, links = scoped(LabelRow, scope), scoped(VideoLabelRow, scope)
    for some in _batches(labels):
        raised = known.update({LabelRow.total: LabelRow.total + 1}).where(LabelRow.id.is_in(some))
        present = {row["id"] for row in await raised.returning(LabelRow.id)}
        new = [
            {"id": id, "kind": kind, "value": value, "value_folded": fold(value), "total": 1}
            for id, (kind, value) in ((id, labels[id]) for id in some if id not in present)
        ]
        if new:
            await known.insert_all(new)
        await links.insert_all({"id": video.video_id, "label": id, "created_at": video.created_at} for id in some)


async def detach(scope: Scope, video: Video) -> None:
    """Forget the labels of a video that leaves the list of its state, in the open transaction."""
    labels = label_ids(scope, video.tags, video.metadata, video.discarded_at is not None)
    known, links = scoped(LabelRow, scope), scoped(VideoLabelRow, scope)
    for some in _batches(labels):
        this = (VideoLabelRow.created_at == video.created_at, VideoLabelRow.id == video.video_id)
        await links.delete().where(VideoLabelRow.label.is_in(some), *this)
        await known.update({LabelRow.total: LabelRow.total - 1}).where(LabelRow.id.is_in(some))
        await known.delete().where(LabelRow.id.is_in(some), LabelRow.total <= 0)


async def totals(scope: Scope, ids: Sequence[str]) -> dict[str, int]:
    """Return how many videos carry each label; those that nobody carries are left out."""
    found: dict[str, int] = {}
    for some in _batches(ids):
        rows = await scoped(LabelRow, scope).select(LabelRow.id, LabelRow.total).where(LabelRow.id.is_in(some))
        found |= {row["id"]: int(row["total"]) for row in rows}
    return found


def carries(label: str, table: Literal["video", "video_label"]) -> Combinable:
    """Return the WHERE of videos, or of their links to another label, that carry a label."""
    return WhereRaw(CARRIES[table], label)


async def tags(
    scope: Scope,
    value: str | None = None,
    sort_by: Literal["value", "videoCount"] = "value",
    sort_order: Literal["asc", "desc"] = "asc",
    current_page: int = 1,
    page_size: int = 25,
) -> TagPage:
    """Return one page of the tags of listed videos. value: contained, ignoring case and accents; current_page: from 1."""
    where: list[Combinable] = [LabelRow.kind == "tag"]
    if value is not None:
        if not storable(value):
            return TagPage((), 0)
        where.append(WhereRaw("label.value_folded LIKE {} ESCAPE '!'", f"%{escaped(fold(value))}%"))
    rows = scoped(LabelRow, scope)
    total = await rows.count(*where)
    skip = (current_page - 1) * page_size
    if skip >= total:
        return TagPage((), total)
    column = LabelRow.value_folded if sort_by == "value" else LabelRow.total
    listed = rows.select(LabelRow.value, LabelRow.total).where(*where)
    ordered = listed.order_by(column, LabelRow.id, ascending=sort_order == "asc")
    found: list[dict[str, Any]] = await ordered.limit(page_size).offset(skip)
    return TagPage(tuple(Tag(row["value"], int(row["total"])) for row in found), total)


def _batches(ids: Sequence[str] | dict[str, Any]) -> list[list[str]]:
    """Cut a list to what one statement takes."""
    all = list(ids)
    return [all[start : start + 1000] for start in range(0, len(all), 1000)]


def escaped(text: str) -> str:
    """Return a text that LIKE takes literally, with `!` for escape."""
    return text.replace("!", "!!").replace("%", "!%").replace("_", "!_")
