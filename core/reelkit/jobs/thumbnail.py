"""The job `thumbnail`: take the frame that the owner of a video wants to be its picture."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import uuid4

from reelkit.catalog import sources, videos, work
from reelkit.catalog.videos import Video
from reelkit.interfaces.storage import NotStored
from reelkit.jobs.job import JobContext, PermanentFailure
from reelkit.jobs.transfer import at_hand, store_bytes
from reelkit.media.images import frame
from reelkit.media.probe import Unreadable

if TYPE_CHECKING:
    from reelkit.jobs.runtime import Runtime

__all__ = ["take_wanted", "thumbnail", "thumbnail_failed"]


async def take_wanted(runtime: Runtime, video: Video) -> None:
    """Have the frame taken that is wanted of a video, if its source is there; else that is for whoever ingests it."""
    source = await sources.for_video(video.scope, video.video_id)
    if video.thumbnail_timecode is not None and source is not None and source.status == "ingested":
        # A key of its own each time: the same frame may be wanted again after another one.
        payload = {"video_id": video.video_id, "timecode": video.thumbnail_timecode}
        await runtime.engine.submit("thumbnail", f"{video.video_id}-{uuid4().hex[:8]}", payload)


async def thumbnail(runtime: Runtime, job: JobContext, payload: dict[str, Any]) -> None:
    """Take the frame at `timecode` of the video `video_id` and show it. Raises PermanentFailure."""
    timecode: str = payload["timecode"]
    video = await work.video(payload["video_id"])
    if video is None or video.thumbnail_timecode != timecode:
        return
    source = await sources.for_video(video.scope, video.video_id)
    if source is None or source.status != "ingested":
        return
    try:
        path = await at_hand(runtime.storage, source.storage_key, job.scratch)
        picture = await frame(path, timecode)
    except NotStored:
        raise PermanentFailure("The source is gone.") from None
    except Unreadable as error:
        raise PermanentFailure(str(error)) from None
    key = f"{video.prefix}image/thumbnail-{uuid4().hex[:12]}.jpg"
    await store_bytes(runtime.storage, key, picture)
    await videos.set_thumbnail(video.scope, video.video_id, key=key, instead_of=timecode)


async def thumbnail_failed(runtime: Runtime, payload: dict[str, Any], reason: str) -> None:  # noqa: ARG001 - as all kinds
    """Give up: the video keeps the picture that it has."""
    video = await work.video(payload["video_id"])
    if video is not None:
        await videos.set_thumbnail(video.scope, video.video_id, instead_of=payload["timecode"])
