"""Videos: what people upload into, list, play, discard and restore."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec

from reelkit.catalog import doomed, labels, ranks
from reelkit.catalog.binding import transaction
from reelkit.catalog.ids import new_id
from reelkit.catalog.packing import pack, storable
from reelkit.catalog.scope import Scope, scoped
from reelkit.catalog.video_pages import SORT, Page, SortBy, VideoFilter, lock_lists, page
from reelkit.catalog.video_rows import (
    COLUMNS,
    Clip,
    Metadata,
    NewVideo,
    Origin,
    Video,
    VideoCountRow,
    VideoRow,
    VideoWatermark,
    row_values,
    video_of,
)
from reelkit.interfaces.playback import PlaybackPolicy
from reelkit.problems import InvalidAttribute

__all__ = [
    "COLUMNS",
    "SORT",
    "Clip",
    "Metadata",
    "NewVideo",
    "Origin",
    "Page",
    "SortBy",
    "Video",
    "VideoEdit",
    "VideoFilter",
    "VideoRow",
    "VideoWatermark",
    "create",
    "delete",
    "discard",
    "fetched",
    "get",
    "get_discarded",
    "page",
    "restore",
    "set_playback_policy",
    "set_thumbnail",
    "update",
    "video_of",
]

Unset = msgspec.UnsetType


class VideoEdit(msgspec.Struct, frozen=True, kw_only=True):
    """What of a video is to change; what is unset stays."""

    title: str | Unset = msgspec.UNSET
    description: str | Unset = msgspec.UNSET
    public: bool | Unset = msgspec.UNSET
    panoramic: bool | Unset = msgspec.UNSET
    mp4_support: bool | Unset = msgspec.UNSET
    language: str | Unset | None = msgspec.UNSET
    language_origin: str | Unset | None = msgspec.UNSET
    player_id: str | Unset | None = msgspec.UNSET
    tags: tuple[str, ...] | Unset = msgspec.UNSET
    metadata: tuple[Metadata, ...] | Unset = msgspec.UNSET
    transcript: bool | Unset = msgspec.UNSET
    transcript_summary: bool | Unset = msgspec.UNSET
    summary_attributes: tuple[str, ...] | Unset = msgspec.UNSET


async def create(scope: Scope, new: NewVideo) -> Video:
    """Create a video without a source. Raises InvalidAttribute for text that no database can keep."""
    values = msgspec.structs.asdict(new)
    _refuse_unstorable(values)
    async with transaction():
        await lock_lists(scope)
        now = datetime.now(UTC)
        video = Video(
            **values,
            video_id=new_id("vi"),
            project=scope.project,
            environment=scope.environment,
            created_at=now,
            published_at=now,
            updated_at=now,
        )
        await scoped(VideoRow, scope).insert(**row_values(msgspec.structs.asdict(video)), id=video.video_id)
        await _list(scope, video, await _count(scope, listed=+1))
    return video


async def get(scope: Scope, id: str) -> Video | None:
    """Return a video by its id; None also when it is discarded."""
    video = await _get(scope, id)
    return video if video is not None and video.discarded_at is None else None


async def get_discarded(scope: Scope, id: str) -> Video | None:
    """Return a discarded video by its id."""
    video = await _get(scope, id)
    return video if video is not None and video.discarded_at is not None else None


async def update(scope: Scope, id: str, edit: VideoEdit) -> Video | None:
    """Change a video and return it as it is then; None when there is none. Raises InvalidAttribute as `create` does."""
    values = {name: value for name, value in msgspec.structs.asdict(edit).items() if value is not msgspec.UNSET}
    _refuse_unstorable(values)
    async with transaction():
        await lock_lists(scope)
        before = await get(scope, id)
        if before is None:
            return None
        after = msgspec.structs.replace(before, **values, updated_at=datetime.now(UTC))
        length = await _count(scope)
        relabelled = (before.tags, before.metadata) != (after.tags, after.metadata)
        moved = {sort: key for sort, key in _keys(before).items() if key != _keys(after)[sort]}
        if relabelled:
            await labels.detach(scope, before)
        await ranks.leave(scope, id, moved, length - 1)
        changed = row_values({**values, "updated_at": after.updated_at})
        await scoped(VideoRow, scope).update(changed).where(VideoRow.id == id)
        await ranks.enter(scope, id, {sort: _keys(after)[sort] for sort in moved}, length)
        if relabelled:
            await labels.attach(scope, after)
    return after


async def discard(scope: Scope, id: str) -> Video | None:
    """Take a video out of the lists and from viewers, to be restored or, later, deleted; None when there is none."""
    async with transaction():
        await lock_lists(scope)
        before = await get(scope, id)
        if before is None:
            return None
        after = msgspec.structs.replace(before, discarded_at=datetime.now(UTC))
        await scoped(VideoRow, scope).update({VideoRow.discarded_at: after.discarded_at}).where(VideoRow.id == id)
        await _unlist(scope, before, await _count(scope, listed=-1, discarded=+1))
        await labels.attach(scope, after)
    return after


async def restore(scope: Scope, id: str) -> Video | None:
    """Undo `discard`; None when no such video is discarded."""
    async with transaction():
        await lock_lists(scope)
        before = await get_discarded(scope, id)
        if before is None:
            return None
        after = msgspec.structs.replace(before, discarded_at=None)
        await scoped(VideoRow, scope).update({VideoRow.discarded_at: None}).where(VideoRow.id == id)
        await labels.detach(scope, before)
        await _list(scope, after, await _count(scope, listed=+1, discarded=-1))
    return after


async def delete(scope: Scope, id: str) -> tuple[str, ...] | None:
    """Remove a video, discarded or not, and everything that belongs to it; None when there is none.

    Returns the prefixes of storage that hold its bytes. They are doomed in the same transaction, so that whoever sweeps
    `doomed.pending()` removes them even if this process dies now.
    """
    if not storable(id):
        return None
    async with transaction():
        await lock_lists(scope)
        video = await _get(scope, id)
        if video is None:
            return None
        await scoped(VideoRow, scope).delete().where(VideoRow.id == id)
        if video.discarded_at is None:
            await _unlist(scope, video, await _count(scope, listed=-1))
        else:
            await _count(scope, discarded=-1)
            await labels.detach(scope, video)
        await doomed.doom([video.prefix])
    return (video.prefix,)


async def set_thumbnail(
    scope: Scope, id: str, *, key: str | None = None, timecode: str | None = None, instead_of: str | None = None
) -> bool:
    """Show a stored picture for a video, or note the frame that is to be taken for it.

    A picture settles what frame was wanted. One that it replaces is doomed. instead_of: the frame that this is, or that
    cannot be taken. False when there is no such video, or another frame is wanted by now: then the picture is doomed.
    """
    values: dict[Any, Any] = {VideoRow.thumbnail_timecode: timecode}
    if key is not None:
        values[VideoRow.thumbnail_key] = key
    async with transaction():
        row = await scoped(VideoRow, scope).one(VideoRow.id == id, lock=True) if storable(id) else None
        if row is None or (instead_of is not None and row["thumbnail_timecode"] != instead_of):
            await doomed.doom([key] if key is not None else [])
            return False
        await scoped(VideoRow, scope).update(values).where(VideoRow.id == id)
        if key is not None and row["thumbnail_key"] is not None:
            await doomed.doom([row["thumbnail_key"]])
        return True


async def set_playback_policy(scope: Scope, id: str, policy: PlaybackPolicy | None) -> bool:
    """Limit who may watch a video; None: as the site says. False when there is no such video."""
    if not storable(id):
        return False
    changed = scoped(VideoRow, scope).update({VideoRow.playback_policy: None if policy is None else pack(policy)})
    return bool(await changed.where(VideoRow.id == id, VideoRow.discarded_at.is_null()).returning(VideoRow.id))


async def fetched(scope: Scope, id: str) -> None:
    """Note that the job that brings a video's source has ended, well or not."""
    await scoped(VideoRow, scope).update({VideoRow.fetching: False}).where(VideoRow.id == id)


async def _get(scope: Scope, id: str) -> Video | None:
    if not storable(id):
        return None
    rows = await scoped(VideoRow, scope).select(*COLUMNS).where(VideoRow.id == id)
    return video_of(rows[0]) if rows else None


async def _list(scope: Scope, video: Video, length: int) -> None:
    """Enter a video into the lists. length: of them, with it."""
    await labels.attach(scope, video)
    await ranks.enter(scope, video.video_id, _keys(video), length)


async def _unlist(scope: Scope, video: Video, length: int) -> None:
    """Take a video out of the lists. length: of them, without it."""
    await labels.detach(scope, video)
    await ranks.leave(scope, video.video_id, _keys(video), length)


def _keys(video: Video) -> dict[ranks.Sort, Any]:
    """Return what a video is sorted by."""
    title = row_values({"title": video.title})["title_folded"]
    return {"title": title, "createdAt": video.created_at, "updatedAt": video.updated_at}


async def _count(scope: Scope, *, listed: int = 0, discarded: int = 0) -> int:
    """Keep the counts, in the open transaction that holds the lock, and return how many videos are listed."""
    counts = scoped(VideoCountRow, scope)
    more = {
        VideoCountRow.total: VideoCountRow.total + listed,
        VideoCountRow.discarded: VideoCountRow.discarded + discarded,
    }
    (row,) = await counts.update(more).returning(VideoCountRow.total)
    return int(row["total"])


def _refuse_unstorable(values: dict[str, Any]) -> None:
    for field, name in (("title", "title"), ("description", "description"), ("language", "language")):
        _refuse(name, [values.get(field) or ""])
    _refuse("playerId", [values.get("player_id") or ""])
    _refuse("source", [values.get("origin_uri") or ""])
    _refuse("tags", values.get("tags", ()))
    _refuse("metadata", [text for pair in values.get("metadata", ()) for text in (pair.key, pair.value)])


def _refuse(name: str, texts: Any) -> None:
    if not all(storable(text) for text in texts):
        raise InvalidAttribute(name=name, detail="The character U+0000 and lone surrogates cannot be stored.")
