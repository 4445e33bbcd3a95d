"""What has outlived its time, whosever it is, and what a dead process forgot to have done: for the job that expires."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from piccolo.columns.combination import WhereRaw

from reelkit.catalog.scope import unscoped
from reelkit.catalog.video_rows import COLUMNS, Video, VideoRow, video_of

__all__ = ["abandoned", "discarded_before", "of_sandbox", "to_fetch", "without_thumbnail"]

AT_ONCE = 100


async def discarded_before(moment: datetime) -> list[Video]:
    """Return some videos that were discarded before a moment."""
    return await _some(VideoRow.discarded_at.is_not_null(), VideoRow.discarded_at < moment)


async def of_sandbox(moment: datetime) -> list[Video]:
    """Return some videos of sandboxes that were created before a moment, and whose file came before it if one came."""
    newer = WhereRaw(
        "NOT EXISTS (SELECT 1 FROM source WHERE source.video_id = video.id AND source.updated_at >= {})", moment
    )
    # Written out, since a parameter would not lead to the index of the sandbox.
    return await _some(WhereRaw("video.environment = 'sandbox'"), VideoRow.created_at < moment, newer)


async def abandoned(moment: datetime) -> list[Video]:
    """Return some videos that were created before a moment and have no source since then that came whole.

    Walks over every video: 1 s for a million.
    """
    alive = WhereRaw(
        "NOT EXISTS (SELECT 1 FROM source WHERE source.video_id = video.id"
        " AND (source.checksum IS NOT NULL OR source.updated_at >= {}))",
        moment,
    )
    # What is discarded was promised to stay until its `deletesAt`.
    kept = VideoRow.discarded_at.is_null()
    return await _some(VideoRow.created_at < moment, VideoRow.fetching.eq(False), kept, alive)


async def to_fetch() -> list[Video]:
    """Return every video whose source is still to be brought by a job."""
    rows = await unscoped(VideoRow).select(*COLUMNS).where(WhereRaw("video.fetching"))
    return [video_of(row) for row in rows]


async def without_thumbnail() -> list[Video]:
    """Return some videos of which a frame was wanted that nobody has taken yet."""
    return await _some(VideoRow.thumbnail_timecode.is_not_null(), VideoRow.discarded_at.is_null())


async def _some(*where: Any) -> list[Video]:
    rows = await unscoped(VideoRow).select(*COLUMNS).where(*where).limit(AT_ONCE)
    return [video_of(row) for row in rows]
