"""Shortening a source to the part that becomes the video: the clip that was asked for, the first seconds in a sandbox."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING
from uuid import uuid4

from reelkit.catalog import work
from reelkit.catalog.sources import Source
from reelkit.catalog.videos import Clip
from reelkit.interfaces.media import Probe
from reelkit.interfaces.transcoder import Cuts, CutTask, TranscodeFailed
from reelkit.jobs.job import JobContext, PermanentFailure
from reelkit.jobs.transfer import at_hand, store_file
from reelkit.media.probe import Unreadable
from reelkit.media.timecodes import timecode_seconds

if TYPE_CHECKING:
    from reelkit.jobs.runtime import Runtime

__all__ = ["part_of", "shortened"]

CUT = "/cut-"
"""In the storage key of what was shortened already, so that a second attempt does not do it again."""
SLACK = 0.1
"""Seconds that a video may be longer than its limit: frames and sounds end where they end."""


async def shortened(runtime: Runtime, job: JobContext, source: Source, found: Probe) -> Source | None:
    """Put the part of a source that is wanted in its place and return it; None when all of it is wanted, or it is done.

    The whole file is removed afterwards. Raises Unreadable when the clip lies outside, PermanentFailure when nobody here
    can cut.
    """
    video = await work.video(source.video_id)
    if video is None or CUT in source.storage_key:
        return None
    most = float(runtime.site.sandbox.video_seconds) if video.environment == "sandbox" else None
    start, stop = part_of(video.clip, found, most)
    if start == 0.0 and stop is None:
        return None
    if not isinstance(runtime.transcoder, Cuts):
        raise PermanentFailure("This site's transcoder cannot cut clips.")
    path = await at_hand(runtime.storage, source.storage_key, job.scratch)
    folder = job.scratch / f"cut-{uuid4().hex[:8]}"
    await asyncio.to_thread(folder.mkdir)
    try:
        cut = await runtime.transcoder.cut(CutTask(path, found, start, stop, folder), lambda done: job.progress(done / 2))
    except TranscodeFailed as error:
        raise Unreadable(str(error)) from None
    key = f"{source.prefix.rstrip('/')}{CUT}{uuid4().hex[:8]}"
    stored = await store_file(runtime.storage, key, cut)
    if not await work.replace_file(source.id, key, stored.size):
        return None
    return await work.source(source.id)


def part_of(clip: Clip | None, found: Probe, most: float | None = None) -> tuple[float, float | None]:
    """Return where the wanted part of a source starts and ends, in seconds; an end of None is that of the source.

    most: seconds that the part may last. Raises Unreadable when the clip starts after the end of the source.
    """
    rate = float(found.video.frame_rate) if found.video is not None and found.video.frame_rate else 25.0
    start, stop = 0.0, found.duration
    if clip is not None:
        start = timecode_seconds(clip.start_timecode or "0", rate) or 0.0
        stop = min(stop, (timecode_seconds(clip.end_timecode, rate) if clip.end_timecode else None) or stop)
    if start >= stop:
        raise Unreadable(f"The clip lies outside of the video, which lasts {found.duration:.3f} s.")
    if most is not None:
        stop = min(stop, start + most)
    return start, (stop if stop < found.duration - SLACK else None)
