"""Removing a video for good: its jobs stop, its rows go, its bytes are doomed, everybody is told."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from reelkit.catalog import sources, transcripts, videos
from reelkit.catalog.videos import Video
from reelkit.interfaces.event import VideoDeleted
from reelkit.jobs.announce import announce, facts, noting
from reelkit.jobs.engine import JobsUnavailable
from reelkit.jobs.laziness import rest_of

if TYPE_CHECKING:
    from reelkit.jobs.runtime import Runtime

__all__ = ["erase"]


async def erase(runtime: Runtime, video: Video) -> tuple[str, ...] | None:
    """Remove a video and return the prefixes of storage that are doomed with it; None when it was gone already."""
    source = await sources.for_video(video.scope, video.video_id)
    wish = await transcripts.get(video.scope, video.video_id)
    async with noting(runtime) as happened:
        prefixes = await videos.delete(video.scope, video.video_id)
        if prefixes is not None:
            await happened(VideoDeleted(**facts(video)))
    if prefixes is None:
        return None
    with suppress(JobsUnavailable):  # what they make of a video that is gone, the catalog dooms
        if video.fetching:
            await runtime.engine.cancel("fetch", video.video_id)
        if wish is not None:
            await runtime.engine.cancel("captions", wish.id)
        if source is not None:
            await runtime.engine.cancel("transcode", rest_of(source))
            for kind in runtime.engine.kinds:
                await runtime.engine.cancel(kind, source.id)
    await announce(runtime, happened)
    return prefixes
